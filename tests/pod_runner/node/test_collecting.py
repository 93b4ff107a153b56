"""What is left of pods that are gone is found and removed; what lives is left alone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pod_runner.cni.cache import ResultCache
from pod_runner.cni.derive import Target
from pod_runner.cni.lists import load_network
from pod_runner.cni.runner import PluginRunner
from pod_runner.cni.runtime import Runtime
from pod_runner.container.spec import ContainerError, Resources
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.collecting import collect, find, living, orphans
from pod_runner.node.orders import write_order
from pod_runner.node.removing import holder, remove_folder, remove_pod
from pod_runner.supervisor import lock
from pod_runner.supervisor.logs import log_folder
from pod_runner.supervisor.order import NodePlaces, PodOrder
from tests.pod_runner.node.conftest import PRETEND, wait_for
from tests.pod_runner.node.pods import pod

LIST = {"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "told"}]}
PLUGIN = """#!/bin/sh
cat >/dev/null
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS" >>{told}
[ -e {fails} ] && [ $CNI_COMMAND = DEL ] && echo '{{"code": 7, "msg": "not now"}}' && exit 1
[ $CNI_COMMAND = ADD ] && echo '{{"cniVersion": "1.0.0"}}' || true
"""


@pytest.fixture
def places(tmp_path: Path) -> Iterator[NodePlaces]:
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d" / "1.conflist").write_text(json.dumps(LIST))
    (tmp_path / "bin").mkdir()
    plugin = tmp_path / "bin" / "told"
    plugin.write_text(PLUGIN.format(told=tmp_path / "told", fails=tmp_path / "fails"))
    plugin.chmod(0o755)
    parent = f"/podwire-test-gc-{os.getpid()}"
    yield NodePlaces(
        name="n1", pods=str(tmp_path / "pods"), cgroup_parent=parent, cni_conf_dir=str(tmp_path / "net.d"),
        cni_path=(str(tmp_path / "bin"),), cni_cache=str(tmp_path / "cni"),
        logs=str(tmp_path / "logs"),
    )  # fmt: skip
    with suppress(ContainerError):  # a test that failed half way
        Cgroups.detect().kill(parent)
    Cgroups.detect().remove(parent)


@pytest.fixture
def cgroups() -> Cgroups:
    found = Cgroups.detect()
    if found.version is None:
        pytest.skip("no cgroup can be written here")
    return found


def attach(places: NodePlaces, uid: str, *, is_ours: bool = True) -> None:
    args = (("K8S_POD_UID", uid if is_ours else "another"),)
    runtime = Runtime(PluginRunner(places.cni_path, dict(os.environ)), ResultCache(Path(places.cni_cache)))
    runtime.add(load_network("net", Path(places.cni_conf_dir)).network, Target(uid, "/gone", "eth0", args))


def deleted(places: NodePlaces) -> list[str]:
    lines = (Path(places.pods).parent / "told").read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith("DEL")]


def process_in(cgroups: Cgroups, path: str) -> subprocess.Popen[bytes]:
    cgroups.make(path, Resources())
    one = subprocess.Popen(["sleep", "1000"])
    cgroups.attach(path, one.pid)
    return one


def test_everything_of_a_dead_pod_goes_and_nothing_of_a_living_one(
    places: NodePlaces, cgroups: Cgroups
) -> None:
    processes = {}
    for uid in ("dead", "alive"):
        write_order(PodOrder(pod(uid, uid=uid), places))
        attach(places, uid)
        processes[uid] = process_in(cgroups, f"{places.cgroup_parent}/pod{uid}/main")
    attach(places, "foreign", is_ours=False)
    before = find(places, cgroups)
    rehearsed = collect(places, cgroups, lambda: {"alive"}, dry_run=True)
    assert find(places, cgroups) == before and deleted(places) == []
    done = collect(places, cgroups, lambda: {"alive"})
    assert done == rehearsed and done.failed == {}
    assert {one.kind for one in done.found} == {"folder", "cgroup", "process", "attachment"}
    assert {one.uid for one in find(places, cgroups)} == {"alive"}
    assert deleted(places) == ["dead"] and processes["dead"].wait(5) == -9
    assert processes["alive"].poll() is None
    assert collect(places, cgroups, lambda: {"alive"}).found == ()
    collect(places, cgroups, set)
    processes["alive"].wait(5)
    assert find(places, cgroups) == []


def test_logs_go_with_their_pod_and_what_is_no_log_of_a_pod_stays(
    places: NodePlaces, cgroups: Cgroups
) -> None:
    kept = Path(places.logs, "of_somebody")
    for folder in (kept, *(log_folder(places, "default", "web", uid) for uid in ("dead", "alive"))):
        (folder / "main").mkdir(parents=True)
        (folder / "main" / "0.log").touch()
    done = collect(places, cgroups, lambda: {"alive"})
    assert [(one.kind, one.uid) for one in done.found] == [("log", "dead")] and done.failed == {}
    assert remove_pod("alive", places, cgroups) == []
    assert list(Path(places.logs).iterdir()) == [kept]


def test_what_a_plugin_refuses_is_kept_and_tried_again(places: NodePlaces, cgroups: Cgroups) -> None:
    write_order(PodOrder(pod("a", uid="a"), places))
    attach(places, "a")
    fails = Path(places.pods).parent / "fails"
    fails.touch()
    done = collect(places, cgroups, set)
    assert "not now" in done.failed["a"] and {one.kind for one in find(places, cgroups)} == {
        "folder",
        "attachment",
    }
    fails.unlink()
    assert collect(places, cgroups, set).failed == {} and find(places, cgroups) == []


def test_an_add_of_which_the_cache_knows_nothing_is_deleted_too(places: NodePlaces, cgroups: Cgroups) -> None:
    for name in ("net", "host"):
        write_order(PodOrder(pod(name, uid=name, hostNetwork=name == "host"), places))
        assert remove_pod(name, places, cgroups) == []
    assert deleted(places) == ["net"]


def test_who_has_a_supervisor_lives_and_who_lost_it_gets_another(places: NodePlaces) -> None:
    for uid in ("kept", "lost", "ended"):
        write_order(PodOrder(pod(uid, uid=uid), places))
    (Path(places.pods) / "ended" / "state.json").write_text('{"is_ended": true, "containers": {}}')
    (Path(places.pods) / "begun").mkdir()
    held = lock.take(Path(places.pods) / "kept")
    assert held is not None and holder(Path(places.pods) / "kept") == os.getpid()
    assert living(places) == {"kept", "lost", "begun"}
    assert [one.name for one in orphans(places)] == ["lost"]
    os.close(held)
    assert holder(Path(places.pods) / "kept") == 0


def test_a_supervisor_that_does_not_listen_is_ended_with_its_pod(
    places: NodePlaces, cgroups: Cgroups
) -> None:
    body = pod("a", uid="a", hostNetwork=True)
    body["metadata"]["labels"] = {"silent": "1"}
    write_order(PodOrder(body, places))
    folder = Path(places.pods) / "a"
    one = subprocess.Popen(["python3", "-I", "-S", PRETEND, folder])
    wait_for(lambda: lock.is_held(folder))
    assert remove_pod("a", places, cgroups) == []
    assert one.wait(5) == -9 and not folder.exists()


def test_whoever_else_removes_a_pod_is_not_taken_for_its_supervisor(
    places: NodePlaces, cgroups: Cgroups
) -> None:
    write_order(PodOrder(pod("a", uid="a", hostNetwork=True), places))
    held = lock.take(Path(places.pods) / "a")
    assert held is not None
    assert remove_pod("a", places, cgroups) == [f"{places.pods}/a: a supervisor has just begun"]
    os.close(held)
    assert remove_pod("a", places, cgroups) == [] == remove_pod("a", places, cgroups)


def test_a_folder_goes_whatever_modes_and_links_are_in_it(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "pods" / "a"
    outside.mkdir()
    (outside / "kept").touch()
    (folder / "root" / "main" / "work" / "work").mkdir(parents=True)
    (folder / "link").symlink_to(outside)
    (folder / "root" / "link").symlink_to("/")
    (folder / "root" / "main" / "work" / "work").chmod(0)
    remove_folder(folder)
    remove_folder(folder)
    assert not folder.exists() and (outside / "kept").exists()

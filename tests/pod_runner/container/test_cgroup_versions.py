"""Containers on a machine that has cgroups of version 2 alone, and on one that has none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_runner.container.spec import Resources, Security
from pod_runner.kernel.cgroups import NO_CGROUPS, Cgroups
from pod_runner.kernel.cgroups_v2 import CgroupsV2
from tests.pod_runner.container.world import MAPPED, World

MOUNTED = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")]
UNIFIED = next((one for one in MOUNTED if (one / "cgroup.procs").exists()), None)


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have the machine's tree of version 2 used, whatever it has of version 1."""
    if UNIFIED is None:
        pytest.skip("no cgroups of version 2 are mounted here")
    only = Cgroups(CgroupsV2(UNIFIED))
    monkeypatch.setattr(Cgroups, "detect", lambda mounts=None: only)
    yield UNIFIED


@pytest.mark.parametrize(
    "wanted",
    [{}, {"share_pid": True}, {"user_namespace": MAPPED}, {"user_namespace": MAPPED, "share_pid": True}],
)
def test_each_process_is_born_into_its_cgroup(second: Path, world: World, wanted: dict[str, object]) -> None:
    spec = world.spec("echo ready; cat")
    folder = second / world.cgroup.lstrip("/") / "pod"
    with world.pod(**wanted) as pod, world.running(pod, spec) as one:
        one.say("", until="ready")
        assert (folder / "pause" / "cgroup.procs").read_text() == f"{pod.pid}\n"
        assert (folder / "main" / "cgroup.procs").read_text() == f"{one.pid}\n"
        assert (folder / "cgroup.procs").read_text() == ""
        done = world.enter(pod, one.pid, spec, "grep", "^0::", "/proc/self/cgroup")
    assert done.output == "0::/\n"


def test_a_container_sees_its_own_tree_and_cannot_change_it(second: Path, world: World) -> None:
    with world.pod() as pod:
        done = world.run(pod, "cat /sys/fs/cgroup/cgroup.procs | grep -c 1; mkdir /sys/fs/cgroup/x")
    assert done.output.splitlines()[0] == "1"
    assert "Read-only file system" in done.output


def test_devices_are_restricted_by_a_program(second: Path, world: World) -> None:
    script = (
        "mknod /disk b 254 0 && echo made; dd if=/disk of=/dev/null count=1; mknod /mem c 1 1; cat /mem; "
        "echo x > /dev/null && dd if=/dev/zero bs=1 count=1 2>/dev/null | wc -c"
    )
    with world.pod() as pod:
        done = world.run(pod, script)
    if any("not restricted" in note for note in world.notes):
        assert "made" not in done.output  # MKNOD was not given
        return
    refused = [
        f"{tool}: can't open '{path}': Operation not permitted"
        for tool, path in (("dd", "/disk"), ("cat", "/mem"))
    ]
    assert done.output.splitlines() == ["made", *refused, "1"]


def test_a_privileged_container_may_open_any_device(second: Path, world: World) -> None:
    with world.pod() as pod:
        done = world.run(
            pod, "mknod /kmsg c 1 11 && exec 3< /kmsg && echo open", security=Security(privileged=True)
        )
    assert done.output == "open\n"


def test_without_cgroups_a_pod_runs_and_says_what_is_missing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cgroups, "detect", lambda mounts=None: Cgroups(None))
    with world.pod(resources=Resources(pids_limit=5)) as pod:
        done = world.run(pod, "echo runs", resources=Resources(memory_limit=1 << 24))
    assert done.output == "runs\n"
    assert world.notes == [NO_CGROUPS, NO_CGROUPS]

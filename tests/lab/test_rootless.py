"""A lab of an ordinary user does all that root's does, touches nothing of the machine and leaves nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pod_runner.kernel.cgroups import NO_CGROUPS
from podwire.demo.application import EXAMPLE
from podwire.demo.dumps import Dump, difference, take_dump
from podwire.demo.world import World
from tests.lab.conftest import PROCESSES, pairs
from tests.lab.user import HOME, PYTHON, USER, User, install
from tests.rounds import rounds

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: run as root")

# All that is on the machine, but for what never stays the same
EVERYWHERE = f"""
find /run /tmp /etc /opt /var /dev/shm -xdev 2>/dev/null | grep -v -e ^/run/world -e ^/run/etcd || :
find /sys/fs/cgroup -type d 2>/dev/null
find {HOME} -newer {HOME}/venv/pyvenv.cfg -type f ! -name '*.pyc'
"""
KILLS = rounds(2)
APPLICATION, OTHER_USER = f"{HOME}/two-tier", f"{HOME}/other.json"  # manifests
POD_OF_ANOTHER_USER = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other"},
    "spec": {
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000},
        "terminationGracePeriodSeconds": 0,
        "containers": [{
            "name": "other", "image": "host", "volumeMounts": [{"name": "own", "mountPath": "/own"}],
            "command": ["sh", "-ec", "test $(id -u) = 1000; touch /own/file; exec sleep 1000"],
            "readinessProbe": {"exec": {"command": ["test", "-O", "/own/file"]}, "periodSeconds": 1},
        }],
        "volumes": [{"name": "own", "emptyDir": {}}],
    },
}  # fmt: skip
# What a container sees; it asks often enough for each of three replicas to answer
INSIDE = """
import json, os, pathlib, socket, urllib.request
ask = lambda: urllib.request.urlopen("http://frontend/", timeout=10).read().decode().partition("@")[0]
print(json.dumps({
    "name": socket.gethostname(), "user": os.getuid(),
    "first": pathlib.Path("/proc/1/comm").read_text().strip(),
    "files": sorted(name for name in os.listdir("/app") if not name.startswith(".")),
    "writable": [one for one in ("/etc", "/usr", "/sys", "/proc/sys", "/app") if os.access(one, os.W_OK)],
    "answered": sorted({ask() for _ in range(60)}),
}))
"""


def _dump(world: World) -> Dump:
    lines = [
        *(f"process: {line}" for line in world.run(["sh", "-c", PROCESSES]).splitlines()),
        *(f"file: {line}" for line in world.run(["sh", "-c", EVERYWHERE]).splitlines()),
    ]
    return take_dump(world.run) | frozenset(
        f"{line} #{lines[:at].count(line)}" for at, line in enumerate(lines)
    )


def _of_the_machine(seen: Dump) -> Dump:
    """Leave out what a lab is made of: its processes, and files in the user's own folder."""
    own = (f"file: /run/user/{USER}/podwire", "process: ")
    return frozenset(line for line in seen if not line.startswith(own))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as world:
        install(world)
        shutil.copytree(EXAMPLE, world.path(APPLICATION))
        world.path(OTHER_USER).write_text(json.dumps(POD_OF_ANOTHER_USER))
        world.run(["chmod", "-R", "a+rX", APPLICATION, OTHER_USER])
        yield world


@pytest.fixture(scope="module")
def user(world: World) -> User:
    user = User(world)
    if user.attempt(PYTHON, "-c", "import podwire.main").returncode:
        pytest.skip(f"an ordinary user cannot run {Path(PYTHON).name} here: {shutil.which('python3')}")
    if user.attempt("unshare", "--user", "--map-root-user", "--net", "--mount", "true").returncode:
        pytest.skip("ordinary users may not make user namespaces here")
    return user


@pytest.fixture(scope="module")
def before(world: World, user: User) -> Dump:
    user.attempt("podwire", "lab", "status")  # compiles what it imports
    return _dump(world)


@pytest.fixture(scope="module")
def lab(world: World, user: User, before: Dump) -> Iterator[User]:
    """A lab of two nodes; when all tests have had it, it goes without a trace."""
    done = user.attempt("podwire", "lab", "up", "--nodes", "2")
    assert done.returncode == 0, done.stderr.decode()
    yield user
    user.run("podwire", "lab", "down")
    assert difference(before, _dump(world)) == []


def _status(user: User) -> Any:
    return json.loads(user.attempt("podwire", "lab", "status", "--output", "json").stdout)


def test_every_pod_reaches_every_other(lab: User) -> None:
    seen = json.loads(lab.run("podwire", "lab", "status", "--transfer", "1", "--output", "json"))
    assert seen["isWhole"] and len(pairs(seen)) == 2
    assert {one["bytes"] for one in seen["transfers"]} == {1_000_000}


def test_nothing_of_the_machine_is_touched(lab: User, before: Dump) -> None:
    files = [f"{folder}/of-node1" for folder in ("/etc", "/opt", "/var/lib", "/var/log", "/var/tmp")]
    lab.run("podwire", "lab", "exec", "node1", "--", "touch", *files)
    now = _dump(lab.world)
    assert any("podwire/lab/lab/lab.json" in line for line in now - before), "the dump should see a lab"
    assert _of_the_machine(now) == _of_the_machine(before)


def test_who_is_root_inside_is_the_user_outside(lab: User) -> None:
    assert lab.run("podwire", "lab", "exec", "node1", "--", "id", "-u") == "0\n"
    sleep = ["sleep", "1000.54321"]
    sleeping = lab.start("podwire", "lab", "exec", "node1/pod1", "--", *sleep)
    find = ["pgrep", "-U", str(USER), "-xf", " ".join(sleep)]
    _eventually(lambda: lab.world.attempt(find).returncode == 0)
    lab.world.run(["pkill", *find[1:]])
    sleeping.wait(30)


def test_pods_come_and_go_and_parts_break(lab: User) -> None:
    name, address = lab.run("podwire", "lab", "pod", "add", "node2").split()
    assert address in lab.run("podwire", "lab", "exec", f"node2/{name}", "--", "ip", "-br", "addr")
    lab.run("podwire", "lab", "pod", "remove", "node2", name)
    for part in ("agent", "link", "registry"):
        lab.run("podwire", "lab", "break", "node1", part)
    assert [node["broken"] for node in _status(lab)["nodes"]] == [["agent", "link", "registry"], []]
    lab.run("podwire", "lab", "mend", "node1")
    assert [node["broken"] for node in _status(lab)["nodes"]] == [[], []]


def test_services_are_served(lab: User) -> None:
    lab.run("podwire", "lab", "pod", "add", "node1", "--label", "app=web", "--serve", "8080")
    text = json.dumps(
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
    )  # fmt: skip
    apply = lab.enter("podwire", "lab", "exec", "node1", "--", "podwire", "service", "apply", "-f", "-")
    assert lab.world.attempt(apply, stdin=text.encode()).returncode == 0
    name = ["podwire", "lab", "exec", "node2/pod1", "--", "getent", "hosts", "web"]
    _eventually(lambda: lab.attempt(*name).returncode == 0)
    address = lab.run(*name).split()[0]  # the static busybox of Debian falls over a long name
    ask = [
        "podwire",
        "lab",
        "exec",
        "node2/pod1",
        "--",
        "busybox",
        "wget",
        "-q",
        "-O",
        "-",
        f"http://{address}/",
    ]
    assert lab.run(*ask).startswith("node1/pod2 request 1 ")


def test_an_application_runs(lab: User) -> None:
    """Each command steps into the lab by itself; nobody has been root, and no cgroup can be written."""
    lab.run("podwire", "apply", "-f", APPLICATION)
    lab.run("podwire", "wait", "--for", "condition=Available", "deploy/frontend", "deploy/backend")
    pods = json.loads(lab.run("podwire", "get", "pods", "-l", "app=two-tier", "-o", "json"))["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node1", "node2"}
    assert all(pod["status"]["podwire"]["limitsNotApplied"] == [NO_CGROUPS] for pod in pods)
    seen = json.loads(lab.run("podwire", "exec", "deploy/frontend", "--", "python3", "-ISc", INSIDE))
    assert seen["name"] in [pod["metadata"]["name"] for pod in pods]
    assert (seen["first"], seen["user"], seen["files"]) == ("python3", 0, ["frontend.py", "greeting"])
    assert seen["writable"] == []
    assert seen["answered"] == [
        pod["metadata"]["name"] for pod in pods if "frontend" in pod["metadata"]["name"]
    ]
    assert '"GET / HTTP' in lab.run("podwire", "logs", "-l", "tier=frontend", "--tail", "200")
    used = lab.attempt("podwire", "top", "pods", "-l", "app=two-tier")
    rows = [line.split()[1:] for line in used.stdout.decode().splitlines()[1:]]
    assert rows == [["<unknown>", "<unknown>"]] * len(pods)
    assert NO_CGROUPS in used.stderr.decode()
    lab.run("podwire", "delete", "-f", APPLICATION)
    _eventually(lambda: lab.world.attempt(["pgrep", "-f", "/app/(front|back)end.py"]).returncode == 1)


@pytest.mark.campaign
def test_an_application_is_used_and_changed(lab: User) -> None:
    lab.run("podwire", "apply", "-f", APPLICATION)
    lab.run("podwire", "rollout", "status", "deploy/frontend")
    forward = lab.world.enter(lab.enter("podwire", "port-forward", "svc/frontend", "18080:80"))
    with subprocess.Popen(forward, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None and b"127.0.0.1:18080" in running.stdout.readline()
        assert " hello, " in lab.run("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:18080/")
        lab.world.run(["pkill", "-U", str(USER), "-f", "port-forward svc"])  # not nsenter, which waits for it
    lab.run("podwire", "rollout", "restart", "deploy/frontend")
    lab.run("podwire", "rollout", "status", "deploy/frontend")
    lab.run("podwire", "scale", "deploy/frontend", "--replicas", "5")
    lab.run("podwire", "rollout", "status", "deploy/frontend")
    assert lab.run("podwire", "run", "--rm", "-i", "one", "--", "id", "-u") == "0\n"
    lab.run("podwire", "delete", "-f", APPLICATION)


def test_the_map_is_drawn(lab: User) -> None:
    body = json.loads(lab.run("podwire", "map", "--lab", "lab", "--output", "json"))
    assert [node["name"] for node in body["nodes"]] == ["node1", "node2"]


def test_nobody_else_has_that_lab(lab: User) -> None:
    root, other = User(lab.world, 0), User(lab.world, USER + 1)
    done = root.attempt("podwire", "lab", "status")
    assert done.returncode == 1 and b'there is no lab "lab"' in done.stderr
    assert b"there is nothing of a lab" in other.attempt("podwire", "lab", "down").stderr
    assert b"there is no cluster here" in other.attempt("podwire", "get", "pods").stderr
    assert _status(lab)["isWhole"]


def test_a_second_lab_of_the_name_is_refused(lab: User) -> None:
    done = lab.attempt("podwire", "lab", "up")
    assert done.returncode == 1 and b"there is a lab" in done.stderr
    assert _status(lab)["isWhole"]


def test_what_is_missing_is_named(world: World, user: User, before: Dump) -> None:
    done = user.attempt("podwire", "lab", "up", "--nodes", "1", "--name", "bare", "--manifest", OTHER_USER)
    user.run("podwire", "lab", "down", "--name", "bare")
    said = done.stderr.decode()
    assert "one user id" in said and "/etc/subuid" in said
    assert "may make no cgroups" in said
    assert (
        done.returncode == 1
        and "user 1000 (runAsUser or the image's) is not an id of this user namespace" in said
    )


@pytest.mark.skipif(shutil.which("newuidmap") is None, reason="uidmap is not installed")
def test_a_users_ranges_become_ids_of_the_lab(world: World, user: User) -> None:
    files = {
        "passwd": f"tester:x:{USER}:{USER}::/tmp:/bin/sh",
        "subuid": "tester:700000:2000",
        "subgid": "tester:800000:1500",
    }
    for name, line in files.items():
        world.run(
            ["sh", "-c", f"touch /etc/{name}; cp /etc/{name} /etc/{name}.kept; echo {line} >>/etc/{name}"]
        )
    try:
        done = user.attempt("podwire", "lab", "up", "--nodes", "1", "--name", "ids", "--manifest", OTHER_USER)
        assert done.returncode == 0 and b"one user id" not in done.stderr
        maps = user.run(
            "podwire",
            "lab",
            "exec",
            "--name",
            "ids",
            "node1",
            "--",
            "cat",
            "/proc/self/uid_map",
            "/proc/self/gid_map",
        )
        assert [line.split() for line in maps.splitlines()] == [
            ["0", str(USER), "1"], ["1", "700000", "2000"], ["0", str(USER), "1"], ["1", "800000", "1500"],
        ]  # fmt: skip
        user.run("podwire", "lab", "down", "--name", "ids")
    finally:
        for name in files:
            world.run(["mv", f"/etc/{name}.kept", f"/etc/{name}"])


def test_a_folder_of_somebody_else_is_refused(world: World) -> None:
    stranger = User(world, USER + 2)  # without a folder in /run/user
    world.run(["mkdir", "-m", "777", f"/tmp/podwire-{stranger.number}"])
    done = stranger.attempt("podwire", "lab", "up")
    assert done.returncode == 1 and b"is somebody else's" in done.stderr
    world.run(["rmdir", f"/tmp/podwire-{stranger.number}"])


def test_where_it_is_forbidden_that_is_said(world: World) -> None:
    """user_namespaces(7): who has changed its root may make none."""
    world.run(["mount", "--rbind", "/", "/mnt"])
    try:
        prisoner = User(world, USER + 3, before=("chroot", "/mnt"))
        done = prisoner.attempt("podwire", "lab", "up")
        assert (
            done.returncode == 1
            and b"takes a user namespace" in done.stderr
            and b"Traceback" not in done.stderr
        )
        verdicts = json.loads(prisoner.attempt("podwire", "doctor", "--output", "json").stdout)
        (found,) = [one for one in verdicts if one["name"] == "rootless lab"]
        assert found["state"] == "lacking" and found["advice"]
    finally:
        world.run(["umount", "-l", "/mnt"])


def test_a_lab_whose_first_process_was_killed_is_taken_away(world: World, user: User, before: Dump) -> None:
    user.run("podwire", "lab", "up", "--nodes", "1", "--name", "dead", "--no-services")
    find = (
        "for p in /proc/[0-9]*; do grep -qsz '^PODWIRE_LAB=dead/@' $p/environ && echo ${p#/proc/}; done; true"
    )
    (first,) = world.run(["sh", "-c", find]).split()
    world.run(["kill", "-9", first])
    done = user.attempt("podwire", "lab", "status", "--name", "dead")
    assert done.returncode == 1 and b"only remains" in done.stderr
    user.run("podwire", "lab", "down", "--name", "dead")


@pytest.mark.campaign
@pytest.mark.parametrize(
    "words",
    [["--registry", "etcd", "--dual-stack", "--topology", "routed"], ["--mode", "direct"]],
    ids=" ".join,
)
def test_every_kind_of_lab_comes_up_whole(user: User, words: list[str]) -> None:
    user.run("podwire", "lab", "up", "--name", "kind", "--nodes", "2", *words)
    try:
        assert user.run("podwire", "lab", "add-node", "--name", "kind") == "node3\n"
        seen = json.loads(user.run("podwire", "lab", "status", "--name", "kind", "--output", "json"))
        assert seen["isWhole"] and len(pairs(seen)) == 6
        user.run("podwire", "lab", "remove-node", "node3", "--name", "kind")
    finally:
        user.run("podwire", "lab", "down", "--name", "kind")


@pytest.mark.campaign
def test_without_mounts_in_the_way_folders_are_overlays(user: User) -> None:
    with World() as other:
        install(other, like=user.world)
        other.run(["umount", "/etc/cni", "/opt/cni", "/var/lib/cni", "/var/lib/podwire"])
        own = User(other)
        own.run("podwire", "lab", "up", "--nodes", "2")
        for folder in ("/etc", "/opt", "/var"):
            seen = own.run("podwire", "lab", "exec", "node1", "--", "stat", "-f", "-c", "%T", folder)
            assert seen == "overlayfs\n"
            own.run("podwire", "lab", "exec", "node1", "--", "touch", f"{folder}/of-node1")
        own.run("podwire", "lab", "down")


@pytest.mark.campaign
def test_whatever_is_killed_down_leaves_nothing(user: User) -> None:
    random = Random("rootless")
    with World() as other:
        install(other, like=user.world)
        own = User(other)
        own.attempt("podwire", "lab", "status")
        before = _dump(other)
        for _ in range(KILLS):
            running = own.start("podwire", "lab", "up", "--nodes", "2")
            moment = random.uniform(0.1, 2.0)
            with suppress(subprocess.TimeoutExpired):
                running.wait(moment)
            other.attempt(["pkill", "-9", "-U", str(USER), "-f", "lab up"])
            running.wait(60)
            own.run("podwire", "lab", "down")
            assert difference(before, _dump(other)) == [], f"killed after {moment:.3f} s"


def _eventually(is_so: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so"

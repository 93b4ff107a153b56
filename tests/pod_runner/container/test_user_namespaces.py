"""Pods with ids of their own, and pods of somebody who has but one id."""

from __future__ import annotations

import ctypes
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from pod_runner.container.process import connect_inside
from pod_runner.container.spec import (
    ContainerError,
    IdMapping,
    Mount,
    Network,
    Resources,
    RootFs,
    RootPart,
    Security,
    UserNamespace,
)
from pod_runner.kernel.cgroups import Cgroups
from tests.pod_runner.container.world import MAPPED, World

NOBODY = 65_534
PR_SET_DUMPABLE = 4  # linux/prctl.h
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
MS_REC_PRIVATE = 0x4000 | 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


def test_root_of_a_pod_with_ids_of_its_own_is_nobody_outside(world: World) -> None:
    with world.pod(user_namespace=MAPPED) as pod, world.running(pod, world.spec("echo ready; cat")) as one:
        one.say("", until="ready")
        assert Path(f"/proc/{one.pid}").stat().st_uid == 100_000
        assert Path(f"/proc/{one.pid}/uid_map").read_text().split() == ["0", "100000", "65536"]
        assert Path(f"/proc/{pod.pid}").stat().st_uid == 100_000


def test_files_of_layers_and_volumes_have_the_ids_they_have_outside(world: World) -> None:
    volume = world.folder / "volume"
    volume.mkdir()
    (volume / "theirs").touch()
    os.chown(volume / "theirs", 1000, 1000)
    root = world.root()
    script = "stat -c %u:%g /v/theirs /bin/busybox; touch /new; chown 7:8 /new; touch /v/new; id -u"
    with world.pod(user_namespace=MAPPED) as pod:
        done = world.run(pod, script, root=root, mounts=(Mount(volume, "/v"),))
    assert done.output == "1000:1000\n0:0\n0\n"
    assert root.upper is not None
    made = (root.upper / "new").stat()
    assert (made.st_uid, made.st_gid) == (7, 8)
    assert (volume / "new").stat().st_uid == 0


def test_a_pod_with_ids_of_its_own_is_as_closed_as_others(world: World) -> None:
    for name in ("proc", "sys", "dev"):
        (world.image / name).mkdir()
    script = (
        "grep -E 'CapEff|Seccomp:' /proc/self/status; touch /x; mount -t tmpfs x /tmp; cat /proc/keys; "
        "echo x > /dev/null && echo null; mknod /disk b 254 0"
    )
    with world.pod(user_namespace=MAPPED) as pod:
        done = world.run(pod, script, root=RootFs((world.image,), None, None))
    lines = done.output.splitlines()
    assert lines[:2] == ["CapEff:\t00000000a80425fb", "Seccomp:\t2"]
    assert "Read-only file system" in lines[2]
    assert "permission denied" in lines[3]
    assert lines[4] == "null"
    assert not (world.image / "x").exists()


@pytest.mark.parametrize("wanted", [{"share_pid": True}, {"network": Network.HOST}])
def test_a_user_namespace_goes_with_what_else_a_pod_may_share(
    world: World, wanted: dict[str, object]
) -> None:
    with world.pod(user_namespace=MAPPED, **wanted) as pod:
        done = world.run(pod, "id -u; ls /proc/self/exe /sys/class/net /dev/shm", security=Security(uid=1000))
    assert done.output.splitlines()[0] == "1000"
    assert done.code == 0, done.output


@pytest.mark.parametrize("wanted", ["host_pid", "host_ipc"])
def test_a_user_namespace_does_not_go_with_what_is_the_nodes(world: World, wanted: str) -> None:
    with (
        pytest.raises(ContainerError, match="cannot have the node's"),
        world.pod(user_namespace=MAPPED, **{wanted: True}),
    ):
        raise AssertionError("it started")


def test_ids_that_cannot_be_mapped_are_refused_and_nothing_is_left(world: World) -> None:
    wrong = UserNamespace((IdMapping(0, 100_000, 0),), (IdMapping(0, 100_000, 1),))
    with pytest.raises(ContainerError, match="Invalid argument") as refused, world.pod(user_namespace=wrong):
        raise AssertionError("it started")
    assert refused.value.reason == "FailedCreatePodSandBox"


def test_an_id_that_is_not_mapped_is_named(world: World) -> None:
    with world.pod(user_namespace=MAPPED) as pod, pytest.raises(ContainerError, match="setuid 70000"):
        world.run(pod, "true", "x", security=Security(uid=70_000))


def test_somebody_with_one_id_runs_pods_too(world: World) -> None:
    """An ordinary user in a user namespace of its own, with one id: no cgroups, no mknod, no setgroups."""

    def look(there: World) -> str:
        with there.pod() as pod:
            script = (
                "id -u; echo $$; hostname; touch /x && echo written; echo x > /dev/null; ls /sys/class/net; "
                "hostname other 2>&1 | grep -c permitted; grep -E 'NoNew|Seccomp:' /proc/self/status"
            )
            done = there.run(pod, script)
            spec = there.spec("nc -l -p 80 -e echo hello & cat")
            with there.running(pod, spec) as one:
                entered = there.enter(pod, one.pid, spec, "hostname")
            with pytest.raises(ConnectionRefusedError):
                connect_inside(pod, 81)
        assert there.notes == []
        return done.output + entered.output

    assert _as_nobody(world, look).splitlines() == [
        "0", "1", "podhost", "written", "lo", "1", "NoNewPrivs:\t1", "Seccomp:\t2", "podhost",
    ]  # fmt: skip


def test_limits_that_somebody_with_one_id_cannot_set_are_named(world: World) -> None:
    def look(there: World) -> str:
        with there.pod(resources=Resources(memory_limit=1 << 24)):
            return str(Cgroups.detect().version) + "".join(there.notes)

    assert (
        _as_nobody(world, look)
        == "Noneno cgroup can be written here: limits are not applied, use is not counted"
    )


def test_the_nodes_own_folders_can_be_part_of_a_root_for_somebody_with_one_id(world: World) -> None:
    for name in ("usr", "etc"):
        (world.image / name).mkdir()

    def look(there: World) -> str:
        own = there.root()
        usr = there.root(Path("/usr"))
        parts = (RootPart("usr", usr.lower, usr.upper, usr.work), RootPart("etc", (Path("/etc"),)))
        root = RootFs(own.lower, own.upper, own.work, hidden=("/usr/share", "/etc/passwd"), parts=parts)
        with there.pod() as pod:
            return there.run(
                pod, "touch /usr/x && echo usr; touch /etc/x; ls /usr/share; wc -c /etc/passwd", root=root
            ).output

    assert _as_nobody(world, look) == "usr\ntouch: /etc/x: Read-only file system\n0 /etc/passwd\n"


def _as_nobody(world: World, look: Callable[[World], str]) -> str:
    """Run a function in a process of nobody's, in a user namespace that maps its one id to 0."""
    world.folder.chmod(0o777)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    if (pid := os.fork()) == 0:
        os.chdir(world.folder)
        try:
            said = _look(World(Path(), world.cgroup), look)
        except BaseException:  # noqa: BLE001  the test's process is to hear of it
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as heard:
        said = heard.read()
    os.waitpid(pid, 0)
    return said


def _look(there: World, look: Callable[[World], str]) -> str:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self is root's
    _must(libc.unshare(CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {NOBODY} 1")
    Path("/proc/self/gid_map").write_text(f"0 {NOBODY} 1")
    _must(libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET))
    reading, writing = os.pipe()
    if os.fork() == 0:
        _must(libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None))
        _must(libc.mount(b"proc", b"/proc", b"proc", 0, None))
        try:
            said = look(there)
        except BaseException:  # noqa: BLE001  the test's process is to hear of it
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    return os.read(reading, 1 << 20).decode()


def _must(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

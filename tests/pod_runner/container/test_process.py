"""Containers as processes: streams, terminals, others that are started in them, what fails."""

from __future__ import annotations

import errno
import os
import pty
import socket
from pathlib import Path

import pytest

from pod_runner.container.process import Stdio, connect_inside, start_container, start_exec
from pod_runner.container.sandbox import Sandbox, is_alive
from pod_runner.container.spec import ContainerError, Mount, Security, Tmpfs
from pod_runner.kernel.cgroups import Cgroups
from tests.pod_runner.container.world import ENV, World

READY = "echo ready; cat"  # it lives until its standard input ends


def test_a_program_gets_its_arguments_variables_folder_and_code(world: World) -> None:
    with world.pod() as pod:
        done = world.run(
            pod, "sh", "-c", 'echo "$0 $1 $A"; pwd; exit 7', "x y", "z", cwd="/bin", env={"A": "é", **ENV}
        )
    assert (done.output, done.code) == ("x y z é\n/bin\n", 7)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("missing", "x"), "'missing', which is in no folder of PATH"),
        (("/missing", "x"), "exec /missing: No such file"),
        (("/bin", "x"), "exec /bin: Permission denied"),
        (("/etc/text", "x"), "exec /etc/text: Exec format error"),
        (("", "x"), "has no command"),
    ],
)
def test_a_program_that_cannot_be_executed_is_a_start_error(
    world: World, argv: tuple[str, ...], said: str
) -> None:
    (world.image / "etc").mkdir()
    (world.image / "etc" / "text").write_text("no program")
    (world.image / "etc" / "text").chmod(0o755)
    with world.pod() as pod, pytest.raises(ContainerError, match=said) as refused:
        world.run(pod, *argv)
    assert refused.value.reason == "StartError"


def test_signals_are_as_a_program_expects_them(world: World) -> None:
    with world.pod() as pod:
        done = world.run(pod, "grep", "-E", "SigBlk|SigIgn", "/proc/self/status")
    blocked, ignored = (int(line.split()[1], 16) for line in done.output.splitlines())
    assert blocked == 0
    assert not ignored & 0x7FFF_FFFF  # SIGPIPE among them, which Python ignores


def test_another_process_is_where_the_container_is(world: World) -> None:
    spec = world.spec(READY, security=Security(capabilities=frozenset({"CHOWN"})))
    status = "grep -E 'Cap|NoNew|Seccomp:' /proc/self/status"
    facts = f"cat /proc/self/cgroup; hostname; {status}; pwd; echo $PPID"
    with world.pod() as pod, world.running(pod, spec) as one:
        one.say("", until="ready")
        own = world.run(pod, facts, security=spec.security).output
        done = world.enter(pod, one.pid, spec, "sh", "-c", facts)
    assert done.code == 0
    assert done.output == own
    assert done.output.endswith("/\n0\n")


def test_another_process_leaves_no_trace_when_its_program_is_missing(world: World) -> None:
    spec = world.spec(READY)
    with world.pod() as pod, world.running(pod, spec) as one:
        one.say("", until="ready")
        with pytest.raises(ContainerError, match="in no folder of PATH") as refused:
            world.enter(pod, one.pid, spec, "missing", "x")
        assert refused.value.reason == "StartError"
        assert Cgroups.detect().pids(f"{pod.spec.cgroup}/main") == [one.pid]


def test_a_container_that_has_ended_takes_no_other_process(world: World) -> None:
    spec = world.spec("true", "x")
    with world.pod() as pod, world.running(pod, spec) as one:
        os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ContainerError, match="has ended"):
            world.enter(pod, one.pid, spec, "true")


def test_a_terminal_is_the_containers_own_console(world: World) -> None:
    script = "trap 'exit 3' INT; tty; test -t 0 -a -t 1 -a -t 2 && echo all; while :; do sleep 0.1; done"
    spec = world.spec(script, terminal=True)
    with world.pod() as pod:
        ours, theirs = pty.openpty()
        pid = start_container(pod, spec, Stdio(theirs, theirs, theirs))
        os.close(theirs)
        said = _read_until(ours, b"all")
        os.write(ours, b"\x03")  # control-C: SIGINT for whoever the terminal is in front of
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        os.close(ours)
    assert b"/dev/console" in said


def test_another_process_may_have_a_terminal_where_the_container_has_none(world: World) -> None:
    spec = world.spec(READY)
    with world.pod() as pod, world.running(pod, spec) as one:
        one.say("", until="ready")
        ours, theirs = pty.openpty()
        stdio = Stdio(theirs, theirs, theirs)
        pid = start_exec(pod, one.pid, spec, ("sh", "-c", "test -t 0 && echo yes"), ENV, stdio, terminal=True)
        os.close(theirs)
        assert b"yes" in _read_until(ours, b"yes")
        assert os.waitpid(pid, 0)[1] == 0
        os.close(ours)


def test_volumes_are_where_they_are_mounted(world: World) -> None:
    folder = world.folder / "volume"
    folder.mkdir()
    (folder / "file").write_text("text")
    mounts = (
        Mount(folder, "/ro", read_only=True), Mount(folder, "/rw/nested"), Tmpfs("/rw", 65_536, 0o700),
        Mount(folder / "file", "/etc/made/file"), Mount(folder, "/new", sub_path="a/b"),
    )  # fmt: skip
    script = (
        "cat /ro/file /etc/made/file; touch /ro/x; echo y > /rw/nested/y; touch /new/z; "
        "ls -ld /rw | cut -c1-10; "
        "dd if=/dev/zero of=/rw/big bs=70k count=1 2>&1 | grep -c 'No space'"
    )
    with world.pod() as pod:
        done = world.run(pod, script, mounts=mounts)
    assert done.output == "texttexttouch: /ro/x: Read-only file system\ndrwx------\n1\n"
    assert (folder / "y").read_text() == "y\n"
    assert (folder / "a" / "b" / "z").exists()
    assert not (folder / "x").exists()


def test_a_missing_volume_is_named(world: World) -> None:
    with world.pod() as pod, pytest.raises(ContainerError, match=r"/missing for /v: No such file"):
        world.run(pod, "true", "x", mounts=(Mount(Path("/missing"), "/v"),))


def test_containers_of_a_pod_share_memory_and_network_but_not_processes(world: World) -> None:
    spec = world.spec("echo shared > /dev/shm/x; echo ready; nc -l -p 9000 -e true; cat")
    with world.pod() as pod, world.running(pod, spec) as one:
        one.say("", until="ready")
        other = world.run(
            pod, "cat /dev/shm/x; echo [0-9]* ; cd /proc; echo [0-9]*; netstat -ltn | grep -c :9000"
        )
    assert other.output.splitlines()[0] == "shared"
    assert other.output.splitlines()[2] == "1"


def test_a_pods_port_is_reached_from_outside_its_network(world: World) -> None:
    spec = world.spec("nc -l -p 9000 -e echo hello & sleep 60")
    with world.pod() as pod, world.running(pod, spec):
        with _connect(pod, 9000) as connection:
            assert connection.makefile().read() == "hello\n"
        with pytest.raises(ConnectionRefusedError):
            connect_inside(pod, 9001)


def test_the_port_of_a_sandbox_that_has_gone_is_nobodys(world: World) -> None:
    with world.pod() as pod, pytest.raises(ProcessLookupError):
        connect_inside(Sandbox(os.getpid(), 1, pod.spec), 9000)


def test_a_sandbox_that_has_gone_takes_no_container(world: World) -> None:
    with world.pod() as pod:
        stranger = Sandbox(pod.pid, pod.started + 1, pod.spec)
        assert is_alive(pod.pid, pod.started)
        assert not is_alive(stranger.pid, stranger.started)
        with pytest.raises(ContainerError, match="has ended"):
            world.run(stranger, "true", "x")


def test_many_containers_one_after_another_leave_nothing(world: World) -> None:
    """The fixture compares mounts, descriptors, children and cgroups."""
    with world.pod() as pod:
        for _ in range(10):
            world.run(pod, "true", "x")


def _read_until(descriptor: int, word: bytes) -> bytes:
    said = b""
    while word not in said:
        try:
            said += os.read(descriptor, 4096)
        except OSError as error:
            if error.errno != errno.EIO:  # the terminal's other side is closed
                raise
            break
    return said


def _connect(pod: Sandbox, port: int) -> socket.socket:
    """Connect as soon as somebody listens."""
    while True:
        try:
            return connect_inside(pod, port)
        except ConnectionRefusedError:
            os.sched_yield()

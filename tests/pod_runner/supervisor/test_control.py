"""The control socket: commands, attaching, forwarding, and peers that behave badly."""

from __future__ import annotations

import os
import pty
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pod_runner.supervisor import client
from pod_runner.supervisor.client import ControlError
from pod_runner.supervisor.order import SOCKET
from tests.pod_runner.supervisor.world import (
    World,
    condition,
    is_gone,
    main_of,
    record,
    shell,
    until,
    wait_ended,
    wait_status,
)

FOREVER = "while :; do sleep 1000; done"
ECHO = (
    "import socket; s=socket.create_server(('127.0.0.1',{port})); c,_=s.accept(); c.send(c.recv(9).upper())"
)


def running(world: World, *command: str, **more: object) -> Path:
    """Return the control socket of a pod that runs."""
    folder = world.run(*command, **more)
    wait_status(folder, lambda status: condition(status, "Ready"))
    return folder / SOCKET


@pytest.fixture
def null() -> Iterator[int]:
    """Open /dev/null."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def test_a_command_has_its_streams_and_its_exit_code(world: World, null: int) -> None:
    path = running(world)
    reader, writer = os.pipe()
    run = client.execute(path, "main", shell("hostname; exit 7"), [null, writer, null], env={"A": "b"})
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "pod0\n"
    assert run.wait() == 7
    run.close()


def test_a_command_has_a_terminal(world: World) -> None:
    path = running(world)
    master, slave = pty.openpty()
    run = client.execute(
        path, "", shell("test -t 0 && test -t 1 && echo terminal; kill -9 $$"), [slave], tty=True
    )
    os.close(slave)
    assert b"terminal" in os.read(master, 100)
    assert run.wait() == 137
    run.close()
    os.close(master)


def test_a_command_ends_when_its_caller_hangs_up(world: World, null: int) -> None:
    path = running(world)
    run = client.execute(path, "main", shell("exec sleep 1000"), [null] * 3)
    run.close()
    until(lambda: is_gone(run.pid))


def test_what_cannot_be_executed_is_refused(world: World, null: int) -> None:
    path = running(world)
    with pytest.raises(ControlError, match="no/such"):
        client.execute(path, "main", ["/no/such"], [null] * 3)
    with pytest.raises(ControlError, match="no container 'other'"):
        client.execute(path, "other", ["/bin/true"], [null] * 3)
    with pytest.raises(ControlError, match="descriptors"):
        client.execute(path, "main", ["/bin/true"], [null])


def test_who_is_attached_talks_to_the_container(world: World) -> None:
    path = running(world, *shell("cat; exit 5"), stdin=True, stdinOnce=True, restartPolicy="Never")
    stdin, their_stdin = socket.socketpair()
    stdout, their_stdout = socket.socketpair()
    with stdin, stdout:
        run = client.attach(
            path, "main", [their_stdin.fileno(), their_stdout.fileno(), their_stdout.fileno()]
        )
        their_stdin.close()
        their_stdout.close()
        stdin.sendall(b"hello\n")
        assert stdout.recv(100) == b"hello\n"
        stdin.close()
        assert run.wait() == 5
        run.close()
    assert main_of(wait_ended(path.parent))["state"]["terminated"]["exitCode"] == 5
    assert world.log(path.parent) == ["hello"]


def test_a_container_with_a_terminal_can_be_attached_and_resized(world: World) -> None:
    path = running(world, *shell("while read -r line; do stty size; done"), stdin=True, tty=True)
    ours, theirs = socket.socketpair()
    with ours:
        run = client.attach(path, "main", [theirs.fileno()] * 3)
        theirs.close()
        run.resize(33, 101)
        ours.sendall(b"now\n")
        seen = b""
        while b"33 101" not in seen:
            seen += ours.recv(100)
        run.close()


def test_much_input_reaches_a_slow_container_whole(world: World) -> None:
    path = running(world, *shell("sleep 0.2; wc -c"), stdin=True, stdinOnce=True, restartPolicy="Never")
    ours, theirs = socket.socketpair()
    with ours:
        run = client.attach(path, "main", [theirs.fileno()] * 3)
        theirs.close()
        threading.Thread(target=_send, args=(ours, 3_000_000)).start()
        assert run.wait() == 0
        run.close()
    assert world.log(path.parent) == ["3000000"]


def test_one_who_does_not_read_is_detached_and_holds_nobody_up(world: World) -> None:
    path = running(world, *shell("yes | head -c 6000000; echo; echo done; " + FOREVER), stdin=True)
    ours, theirs = socket.socketpair()
    with ours:
        client.attach(path, "main", [theirs.fileno()] * 3)
        theirs.close()
        until(lambda: world.log(path.parent)[-1:] == ["done"])


def test_a_port_is_forwarded(world: World) -> None:
    path = running(world, "/usr/bin/python3", "-c", ECHO.format(port=8080))

    def answered() -> bool:
        try:
            with client.forward(path, 8080) as connection:
                connection.sendall(b"hello")
                return connection.recv(9) == b"HELLO"
        except ControlError:  # it does not listen yet
            return False

    until(answered)
    with pytest.raises(ControlError, match="refused"):
        client.forward(path, 81)


def test_a_signal_is_sent(world: World) -> None:
    path = running(world, *shell("trap 'exit 12' USR1; while :; do sleep 0.02; done"), restartPolicy="Never")
    client.send_signal(path, "main", 10)
    assert main_of(wait_ended(path.parent))["state"]["terminated"]["exitCode"] == 12


def test_use_is_counted(world: World) -> None:
    path = running(world, *shell("while :; do :; done"))
    until(lambda: client.stats(path)["pod"]["cpu_ns"] > 10_000_000)  # type: ignore[index]
    found = client.stats(path)
    assert found["containers"]["main"]["pids"] == 1 and found["network"] == {}  # type: ignore[index]


def test_statuses_are_told_until_the_end(world: World) -> None:
    path = running(world)
    seen = client.watch(path)
    assert next(seen)["phase"] == "Running"
    client.stop(path, 0)
    assert [one["phase"] for one in seen][-1] == "Failed"


HOSTILE = (
    b"no json\n", b"[]\n", b'{"ask": 1}\n', b"{}\n",
    b'{"ask":"stop","grace":"x"}\n', b'{"ask":"forward","port":true}\n',
    b'{"ask":"exec","argv":"/bin/sh"}\n', b'{"ask":"signal","signal":99}\n',
    b"[" * 50_000 + b"\n", b"x" * (2 << 20),
)  # fmt: skip


def test_hostile_lines_are_refused(world: World) -> None:
    path = running(world)
    for line in HOSTILE:
        with socket.socket(socket.AF_UNIX) as peer:
            client.connect(peer, path)
            with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
                peer.sendall(line)
            assert b"error" in _heard(peer)
    assert client.status(path)["phase"] == "Running"


def _heard(peer: socket.socket) -> bytes:
    try:
        return peer.recv(4096)
    except ConnectionResetError:
        return b"error"


def test_nobody_else_may_ask(world: World) -> None:
    path = running(world)
    path.chmod(0o666)
    path.parent.chmod(0o711)
    child = os.fork()
    if child == 0:
        os._exit(_ask_as_nobody(path.parent))
    assert os.waitpid(child, 0)[1] == 0


def _send(connection: socket.socket, size: int) -> None:
    connection.sendall(bytes(size))
    connection.shutdown(socket.SHUT_WR)


def _ask_as_nobody(folder: Path) -> int:
    """Ask as another user, in a child; return 0 if it was hung up on."""
    try:
        os.chdir(folder)
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(SOCKET)
            peer.sendall(b'{"ask": "status"}\n')
            return len(peer.recv(1))
    except ConnectionError:  # hung up before it had said anything
        return 0
    except OSError:
        return 2


def test_commands_leave_no_descriptors_behind(world: World, null: int) -> None:
    path = running(world)
    supervisor = int(
        next(one for one in Path("/proc").glob("[0-9]*") if _is_supervisor(one, path.parent)).name
    )
    before = len(list(Path(f"/proc/{supervisor}/fd").iterdir()))
    for _ in range(5):
        client.execute(path, "main", ["/bin/true"], [null] * 3).close()
        client.execute(path, "main", ["/bin/false"], [null] * 3).wait()
    until(lambda: len(list(Path(f"/proc/{supervisor}/fd").iterdir())) <= before)
    assert record(path.parent).containers["main"].runs == 1


def _is_supervisor(process: Path, folder: Path) -> bool:
    try:
        return any(one.readlink() == folder / "lock" for one in (process / "fd").iterdir())
    except OSError:  # it ended
        return False

"""Both launchers where a caller or an agent is at its worst: nothing hangs, every end is a CNI error."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_plugins.delegate import TRAILER
from podwire.agent.protocol import Reply, encode_reply
from podwire.install.launchers import BINARY, Kind, launcher

SOURCE = BINARY.with_name("launcher.c")
DROP = 0.1  # seconds between the bytes of a slow agent
PATIENCE = 30.0  # seconds; the launchers here wait for one or two
KINDS = [Kind.C, Kind.PYTHON]


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """Return a socket that takes callers; nobody answers them unless a test does."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "agent.sock"))
        one.listen()
        yield one


def install(folder: Path, kind: Kind) -> Path:
    path = folder / "static"
    path.write_bytes(launcher("static", kind=kind))
    path.chmod(0o755)
    return path


def install_impatient(folder: Path, kind: Kind) -> Path:
    """Return a launcher that waits for a second instead of 150."""
    path = install(folder, kind)
    data = path.read_bytes()
    if kind is Kind.PYTHON:
        path.write_bytes(data.replace(b"\nDEADLINE = 150", b"\nDEADLINE = 1", 1))
        return path
    subprocess.run(["cc", "-std=c11", "-static", "-DDEADLINE=1", "-o", path, SOURCE], check=True)
    path.write_bytes(path.read_bytes() + data[-TRAILER:])
    return path


def call(executable: Path, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Execute a launcher; `stdin` is a redirection of the shell's."""
    variables = {
        "CNI_COMMAND": "STATUS", "PATH": os.environ["PATH"], "PODWIRE_AGENT": "running",
        "PODWIRE_SOCKET": str(executable.with_name("agent.sock")),
    }  # fmt: skip
    return subprocess.run(
        ["sh", "-c", f'exec "$0" {stdin or "</dev/null"}', executable], env=variables | more,
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip


def answer(listener: socket.socket, reply: bytes) -> threading.Thread:
    """Answer one caller, whatever it asks."""

    def serve() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.settimeout(PATIENCE)
            caller.recv(1 << 16)
            try:
                caller.sendall(reply)
            except OSError:  # it has heard enough
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_agent_is_not_waited_for_longer_than_the_deadline(
    listener: socket.socket, tmp_path: Path, kind: Kind
) -> None:
    done = call(install_impatient(tmp_path, kind))

    assert done.returncode == 1 and json.loads(done.stdout)["code"] == 11, done


@pytest.mark.parametrize("kind", KINDS)
def test_the_deadline_is_that_of_the_whole_answer(
    listener: socket.socket, tmp_path: Path, kind: Kind
) -> None:
    is_over = threading.Event()

    def drip() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.sendall(encode_reply(Reply(0, b" " * 4096))[:16])
            while not is_over.wait(DROP):
                try:
                    caller.sendall(b" ")
                except OSError:  # it has heard enough
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    done = call(install_impatient(tmp_path, kind))
    is_over.set()
    thread.join()

    assert done.returncode == 1 and json.loads(done.stdout)["code"] == 11, done


@pytest.mark.parametrize("kind", KINDS)
def test_an_environment_that_is_too_large_is_refused(
    listener: socket.socket, tmp_path: Path, kind: Kind
) -> None:
    more = {f"CNI_ARG{number}": "x" * 20_000 for number in range(7)}  # bytes; MAX_ARG_STRLEN is 131072
    done = call(install(tmp_path, kind), **more)

    assert done.returncode == 1 and json.loads(done.stdout)["code"] == 4, done


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_is_too_large_is_none(listener: socket.socket, tmp_path: Path, kind: Kind) -> None:
    thread = answer(listener, encode_reply(Reply(0, b" " * (6 << 20))))
    done = call(install(tmp_path, kind))
    thread.join()

    assert done.returncode == 1 and json.loads(done.stdout)["code"] == 6, "it read the empty stdin itself"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stdin", ["<&-", "<&- 2>&-"])
def test_a_caller_that_closed_its_descriptors_is_answered(
    listener: socket.socket, tmp_path: Path, kind: Kind, stdin: str
) -> None:
    thread = answer(listener, encode_reply(Reply(3, b"answer\n")))
    done = call(install(tmp_path, kind), stdin)
    thread.join()

    assert (done.returncode, done.stdout) == (3, "answer\n")


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_stdin_is_an_empty_one_without_an_agent(tmp_path: Path, kind: Kind) -> None:
    done = call(install(tmp_path, kind), "<&-")

    assert done.returncode == 1 and json.loads(done.stdout)["code"] == 6, done


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stdout", [">&-", ">/dev/full"])
def test_a_result_that_nobody_hears_is_no_success(
    listener: socket.socket, tmp_path: Path, kind: Kind, stdout: str
) -> None:
    thread = answer(listener, encode_reply(Reply(0, b"result\n")))
    done = call(install(tmp_path, kind), stdout)
    thread.join()

    assert done.returncode == 1, done


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_a_log_that_cannot_be_kept_hides_no_answer(
    listener: socket.socket, tmp_path: Path, kind: Kind, stderr: str
) -> None:
    thread = answer(listener, encode_reply(Reply(0, b"result\n", b"a remark\n")))
    done = call(install(tmp_path, kind), stderr)
    thread.join()

    assert (done.returncode, done.stdout) == (0, "result\n")


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_agent_it_is_the_same(tmp_path: Path, kind: Kind) -> None:
    plugin = install(tmp_path, kind)

    assert call(plugin, "</dev/null >&-").returncode == 1
    done = call(plugin, "</dev/null 2>/dev/full")
    assert done.returncode == 1 and json.loads(done.stdout)["code"] == 6, done

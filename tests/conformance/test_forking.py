"""A function that stands for an executable is, to its caller, that executable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.calls import Answer, Call, make_call
from conformance.forking import by_fork, offer
from conformance.robust.killing import kill_after


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return an executable that says so."""
    executable = tmp_path / "plugin"
    executable.write_text("#!/bin/sh\necho executed\n")
    executable.chmod(0o755)
    return executable


def forked(path: Path, function: Callable[[], int], stdin: bytes = b"", **variables: str) -> Answer:
    offer(path, function)
    with by_fork():
        return make_call(Call(path, variables, stdin))


def test_it_is_the_executable_itself_unless_it_is_asked_for(path: Path) -> None:
    offer(path, lambda: 3)
    assert make_call(Call(path, {}, b"")).stdout == "executed\n"


def test_it_has_the_streams_and_the_environment_of_the_call_alone(path: Path) -> None:
    def main() -> int:
        files = sorted(int(one.name) for one in Path("/proc/self/fd").iterdir())
        print(sys.argv[0], dict(os.environ), sys.stdin.read(), files[:-1])  # the last is what looks
        print("beside", file=sys.stderr)
        return 7

    said = forked(path, main, b"{}", CNI_COMMAND="ADD")
    assert (said.status, said.stderr) == (7, "beside\n")
    assert said.stdout == f"{path} {{'CNI_COMMAND': 'ADD'}} {{}} [0, 1, 2]\n"


def test_what_the_caller_has_yet_to_print_is_not_printed_by_it(path: Path) -> None:
    def within() -> int:
        print("of the caller's")  # is not flushed before the next call
        print(forked(path, lambda: int(print("its own") is not None)).stdout, end="")
        return 0

    other = path.with_name("other")
    assert forked(other, within).stdout == "of the caller's\nits own\n"


@pytest.mark.parametrize("raised", [ValueError("broke"), SystemExit(5), SystemExit("a sentence")])
def test_it_ends_as_an_interpreter_does(path: Path, raised: BaseException) -> None:
    def main() -> int:
        raise raised

    said = forked(path, main)
    assert said.status == (5 if raised.args == (5,) else 1)
    assert ("Traceback" in said.stderr) is isinstance(raised, ValueError)


def test_it_is_killed_with_what_it_has_started(path: Path, tmp_path: Path) -> None:
    def main() -> int:
        child = subprocess.Popen(["sleep", "600"])
        (tmp_path / "pid").write_text(str(child.pid))
        return child.wait()

    offer(path, main)
    with by_fork():
        assert kill_after(Call(path, dict(os.environ), b""), 0.5) is None
    _ends(int((tmp_path / "pid").read_text()))


def _ends(pid: int) -> None:
    deadline = time.monotonic() + 60
    while _is_running(pid):
        assert time.monotonic() < deadline, f"{pid} goes on"
        time.sleep(0.01)  # between two looks: it is nobody's child here


def _is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_signals_are_as_a_new_process_has_them(path: Path) -> None:
    def main() -> int:
        print(
            signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
            signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN,
        )
        return 0

    assert forked(path, main).stdout == "True True\n"

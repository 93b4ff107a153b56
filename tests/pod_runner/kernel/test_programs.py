"""Programs of system calls, made by the starter and by its twin in Python."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_runner.kernel import starting
from pod_runner.kernel.mounting import AT_FDCWD
from pod_runner.kernel.namespaces import branch
from pod_runner.kernel.program import MOST_OPEN, Pointers, Program, Text, TooLong
from pod_runner.kernel.starting import StartFailure, start

O_CREAT_WRONLY = os.O_CREAT | os.O_WRONLY


@pytest.fixture(params=["starter.c", "interpreter.py"], autouse=True)
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let each test be made by either."""
    if request.param == "starter.c" and not starting.STARTER.exists():
        pytest.skip("there was no compiler when podwire was installed")
    if request.param == "interpreter.py":
        monkeypatch.setattr(starting, "STARTER", Path("/missing"))
    _forget()
    yield request.param
    _forget()


def test_a_result_is_an_argument_of_a_later_call(tmp_path: Path) -> None:
    program = Program()
    opened = program.call("open", "openat", AT_FDCWD, Text(str(tmp_path / "file")), O_CREAT_WRONLY, 0o644)
    program.call("write", "write", opened, b"text", 4)
    _exit(program, 3)
    assert _code(program) == 3
    assert (tmp_path / "file").read_text() == "text"


def test_a_program_gets_argv_and_variables(tmp_path: Path) -> None:
    program = Program()
    program.call("quiet", "fcntl", 3, 2, 1)
    argv = ("sh", "-c", f"echo $0 $A > {tmp_path}/said", "zero")
    program.call("exec", "execve", Text("/bin/sh"), Pointers(argv), Pointers(("A=é\udcff",)))
    assert _code(program) == 0
    assert (tmp_path / "said").read_bytes() == b"zero \xc3\xa9\xff\n"


def test_what_was_refused_is_named() -> None:
    program = Program()
    program.call("do something harmless", "umask", 0)
    program.call("enter /missing", "chdir", Text("/missing"))
    with pytest.raises(StartFailure, match="enter /missing: No such file or directory") as refused:
        start(program, _streams())
    assert refused.value.errno == errno.ENOENT


def test_what_may_fail_leaves_out_what_hangs_on_it(tmp_path: Path) -> None:
    program = Program()
    program.call("fails", "chdir", Text("/missing"), tolerate=(errno.EACCES, errno.ENOENT), on_error=1)
    program.call("left out", "mkdirat", AT_FDCWD, Text(str(tmp_path / "a")), 0o755)
    program.call("succeeds", "chdir", Text("/"), on_success=1)
    program.call("left out", "mkdirat", AT_FDCWD, Text(str(tmp_path / "b")), 0o755)
    program.skip(1)
    program.call("left out", "mkdirat", AT_FDCWD, Text(str(tmp_path / "c")), 0o755)
    program.call("made", "mkdirat", AT_FDCWD, Text(str(tmp_path / "d")), 0o755)
    _exit(program, 0)
    assert _code(program) == 0
    assert [one.name for one in tmp_path.iterdir()] == ["d"]


def test_a_branch_is_the_callers_own_child(tmp_path: Path) -> None:
    program = Program()
    program.call("before", "mkdirat", AT_FDCWD, Text(str(tmp_path / "a")), 0o755)
    branch(program)
    branch(program)
    program.call("after", "mkdirat", AT_FDCWD, Text(str(tmp_path / "b")), 0o755)
    _exit(program, 5)
    assert _code(program) == 5  # waitpid takes children alone
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]


def test_a_branch_that_fails_is_reaped() -> None:
    program = Program()
    branch(program)
    program.fail("what was to be", errno.EPERM)
    before = _children()
    with pytest.raises(StartFailure, match="what was to be: Operation not permitted"):
        start(program, _streams())
    assert (
        _children() <= before
    )  # other tests' orphans are ours, too: a process of these tests is a subreaper


def _children() -> set[str]:
    return set(Path("/proc/thread-self/children").read_text().split())


def test_a_program_that_stays_ends_by_sigterm(by: str) -> None:
    pid = start(Program(stays=True), _streams())
    name = Path(f"/proc/{pid}/comm").read_text()
    os.kill(pid, 15)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert by == "interpreter.py" or name != "python\n"


def test_a_program_has_the_descriptors_it_was_given(tmp_path: Path) -> None:
    """Whatever their numbers are here: each gets the other's."""
    files = [os.open(tmp_path / name, O_CREAT_WRONLY) for name in ("a", "b")]
    first, second = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 20) for one in files)
    program = Program()
    program.call("write", "write", second, b"a", 1)
    program.call("write", "write", first, b"b", 1)
    _exit(program, 0)
    try:
        assert _code(program, {second: first, first: second}) == 0
    finally:
        for one in (*files, first, second):
            os.close(one)
    assert [(tmp_path / name).read_text() for name in ("a", "b")] == ["a", "b"]


def test_more_than_a_starter_can_do_is_refused_before_it_starts() -> None:
    program = Program()
    with pytest.raises(TooLong, match="opens more than"):
        for _ in range(MOST_OPEN + 1):
            program.call("open", "openat", AT_FDCWD, Text("/"), 0, 0)
    program = Program()
    with pytest.raises(TooLong, match="system calls"):
        for _ in range(5000):
            program.call("umask", "umask", 0)


def test_many_starts_leave_no_descriptor() -> None:
    start_and_wait = [_code(_empty()) for _ in range(2)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    start_and_wait += [_code(_empty()) for _ in range(5)]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert set(start_and_wait) == {0}


def _empty() -> Program:
    program = Program()
    _exit(program, 0)
    return program


def _exit(program: Program, code: int) -> None:
    program.call("quiet", "fcntl", 3, 2, 1)
    program.call("exit", "execve", Text("/bin/sh"), Pointers(("sh", "-c", f"exit {code}")), Pointers(()))


def _code(program: Program, descriptors: dict[int, int] | None = None) -> int:
    pid = start(program, _streams() | (descriptors or {}))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _streams() -> dict[int, int]:
    return {0: 0, 1: 1, 2: 2}


def _forget() -> None:
    """Close the starter that this process keeps, and forget it."""
    binary = starting.starter_binary()
    if binary is not None:
        os.close(binary)
    starting._sealed_starter.cache_clear()

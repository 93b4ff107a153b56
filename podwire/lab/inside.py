"""Doing things in a node: a function in a forked child that has joined the node's namespaces, or a program.

Whoever joins a pid namespace is not in it, its children are: each child here forks once more. A fork costs
what an interpreter's start costs 30 times, and children work side by side.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from cni_spec.errors import IO_FAILURE, CniError
from cni_spec.json_input import JsonObject, decode_object
from linuxnet.errors import Busy, Conflict, KernelError, MissingTool
from linuxnet.joining import die_with, join, leave, to_reach
from podwire.lab.errors import LabError
from podwire.lab.finding import MARK

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEADLINE = 60.0  # seconds; for one piece of work in one node, on a machine busy with others
FURNISHED = b"furnished\n"
FORESEEN = (CniError, KernelError, Conflict, MissingTool, Busy, OSError)


class Work:
    """A function at work in a child; `result` waits for what it returned."""

    def __init__(self, what: str, pid: int, act: Callable[[], JsonObject]) -> None:
        self._what = what
        self._reading, writing = os.pipe()
        parent = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            _be(lambda: _visit(parent, pid, act, writing))
        os.close(writing)

    def result(self, timeout: float = DEADLINE) -> JsonObject:
        """Return what it returned.

        Raises:
            CniError: what it raised; or a LabError, it took longer than `timeout` seconds.
        """
        said = _read_all(self._reading, timeout)
        os.close(self._reading)
        if said is None:
            os.kill(self._child, 9)  # what it forked inside ends with the node
        os.waitpid(self._child, 0)
        if said is None:
            raise LabError(f"{self._what}: not done within {timeout:.0f} s")
        if not said:
            raise LabError(f"{self._what}: the process that did it was killed")
        body = decode_object(said, self._what)
        if error := body.get("error"):
            assert isinstance(error, dict)
            raise CniError(error["code"], f"{self._what}: {error['msg']}", error["details"])
        returned = body["returned"]
        assert isinstance(returned, dict)
        return returned


def start(pid: int, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
    """Start a program that lives on in the namespaces of process 1; it prints into `log`, a file of ours."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    child = os.fork()
    if child == 0:
        _be(lambda: _launch(pid, argv, env, descriptor))
    os.close(descriptor)
    _, status = os.waitpid(child, 0)
    if status:
        raise LabError(f"{argv[0]} could not be started in the namespaces of process {pid}; {log} says why")


def begin_machine(script: str, mark: str, parent: int = 0) -> subprocess.Popen[bytes]:
    """Make namespaces of all kinds, furnished by a shell script that becomes their process 1.

    With `parent`, a process 1, they are made within its own: they end when that ends. The script waits for
    a line on stdin before it does anything: where we are killed before, it ends.
    """

    def depart() -> None:
        if parent:
            join(parent)
            _exit_if_parent(os.fork())
        leave()
        _exit_if_parent(os.fork())
        os.setsid()

    return subprocess.Popen(
        ["/bin/sh", "-c", script], preexec_fn=depart, cwd="/",
        env={"PATH": PATH, "LC_ALL": "C", MARK: mark},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def await_furnished(machine: subprocess.Popen[bytes], what: str) -> None:
    """Wait until a machine's script has done its work. Raises LabError quoting what it said instead."""
    assert machine.stdout is not None and machine.stdin is not None
    said = b""
    deadline = time.monotonic() + DEADLINE
    while not said.endswith(FURNISHED):
        left = deadline - time.monotonic()
        if not select.select([machine.stdout], [], [], max(0.0, left))[0]:
            raise LabError(f"{what} was not made within {DEADLINE:.0f} s", said.decode(errors="replace"))
        if not (chunk := os.read(machine.stdout.fileno(), 4096)):
            raise LabError(f"{what} could not be made", said.decode(errors="replace").strip())
        said += chunk
    machine.wait()  # the child that stepped out; process 1 lives on
    machine.stdin.close()
    machine.stdout.close()


def go(machine: subprocess.Popen[bytes]) -> None:
    """Let a machine's script begin."""
    assert machine.stdin is not None
    machine.stdin.write(b"go\n")
    machine.stdin.flush()


def run(pid: int, argv: Sequence[str], stdin: str = "") -> str:
    """Run a program of ours in the network namespace of a process, and return what it printed.

    Raises:
        LabError: it failed; the details are what it said.
    """
    return _run(["nsenter", f"--net=/proc/{pid}/ns/net", "--", *argv], stdin)


def run_in(pid: int, argv: Sequence[str], pod: str = "") -> str:
    """Run a program in all namespaces of a process 1, or in a pod there, and return what it printed.

    Raises:
        LabError: it failed; the details are what it said.
    """
    return _run([*door(pid, pod), *argv], "")


def door(pid: int, pod: str = "") -> list[str]:
    """Return what a command is put behind to be run in the namespaces of a process 1, or in a pod there."""
    spaces = ["--mount", "--net", "--pid", "--ipc", "--uts"]
    inner = ["ip", "netns", "exec", pod] if pod else []
    return ["nsenter", f"--target={pid}", *spaces, "--wdns=/", "--", *inner]


def root(pid: int, inside: str) -> Path:
    """Name a file of a node so that it can be opened from here (proc(5), /proc/PID/root)."""
    return Path(f"/proc/{pid}/root{inside}")


def _run(argv: Sequence[str], stdin: str) -> str:
    done = subprocess.run(
        argv, input=stdin, text=True,
        capture_output=True, timeout=DEADLINE, check=False, env={"PATH": PATH, "LC_ALL": "C"},
    )  # fmt: skip
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()
        inner = argv[argv.index("--") + 1 :]
        raise LabError(f"`{' '.join(inner)}` ended with {done.returncode} in the lab", said)
    return done.stdout


def _visit(parent: int, pid: int, act: Callable[[], JsonObject], writing: int) -> None:
    die_with(parent)
    try:
        join(pid, to_reach(pid))
        os.chdir("/")
        if child := os.fork():
            os.close(writing)
            os.waitpid(child, 0)
            return
        body: JsonObject = {"returned": act()}
    except FORESEEN as error:
        details = "\n".join([*getattr(error, "details", "").splitlines(), *getattr(error, "__notes__", ())])
        body = {"error": {"code": getattr(error, "code", IO_FAILURE), "msg": str(error), "details": details}}
    with os.fdopen(writing, "wb") as stream:
        stream.write(json.dumps(body).encode())


def _launch(pid: int, argv: Sequence[str], env: Mapping[str, str], output: int) -> None:
    join(pid)
    _exit_if_parent(os.fork())
    os.setsid()
    os.chdir("/")
    nothing = os.open("/dev/null", os.O_RDONLY)
    for number, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, number)
    os.execvpe(argv[0], list(argv), {"PATH": PATH, "LC_ALL": "C", **env})


def _exit_if_parent(child: int) -> None:
    if child:
        os._exit(0)


def _be(act: Callable[[], None]) -> NoReturn:
    """Be a child: do one thing and end, whatever happens; a defect is printed, as an interpreter would."""
    status = 1
    try:
        act()
        status = 0
    finally:
        if status:
            traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
        os._exit(status)


def _read_all(descriptor: int, timeout: float) -> bytes | None:
    """Read to the end; None if that took longer than `timeout` seconds."""
    parts: list[bytes] = []
    deadline = time.monotonic() + timeout
    while select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
        if not (chunk := os.read(descriptor, 1 << 16)):
            return b"".join(parts)
        parts.append(chunk)
    return None

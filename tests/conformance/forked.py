"""Our plugins as a suite of strangers calls them, without the imports of every call.

A case has a world of its own, and so needs an agent of its own, or a Python for each call; both take 0.3 s to
begin. So both are forked in the new world from this process, which has imported all: an agent, which the
installed launchers find; or a process per call, which runs what an installed launcher falls back to.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from cni_plugins.delegate import MARKER
from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from cni_plugins.skeleton import run
from podwire.agent.lifecycle import listening
from podwire.agent.server import Server
from podwire.agent.settings import AgentSettings

AGENT = Path("/run/podwire/agent.sock")  # where launchers look; /run is each case's own
CALLS = Path("/run/calls.sock")
LIMIT = 30  # seconds until a forked server must listen
CALLER = f"""#!{sys.executable} -IS
{MARKER.decode()}
import array, os, socket, sys
given = [os.path.basename(sys.argv[0]), *(f"{{key}}={{value}}" for key, value in os.environ.items())]
for number in range(3):
    try:
        os.fstat(number)
    except OSError:  # as the launchers do: a result that nobody hears is no success
        os.open("/dev/full" if number == 1 else "/dev/null", os.O_RDWR)
server = socket.socket(socket.AF_UNIX)
server.connect({str(CALLS)!r})
files = array.array("i", [0, 1, 2])
data = b"\\0".join(os.fsencode(one) for one in given)
server.sendmsg([len(data).to_bytes(4, "little")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
server.sendall(data)
status = server.recv(1)
os._exit(status[0] if status else 70)
"""


def load_all() -> None:
    """Import what a forked process would import."""
    for name in PLUGIN_TYPES:
        load_plugin(name)


def write_callers(folder: Path) -> Path:
    """Put an executable of every plugin there, which has `calls` run it."""
    folder.mkdir(parents=True)
    for name in PLUGIN_TYPES:
        (folder / name).write_text(CALLER)
        (folder / name).chmod(0o755)
    return folder


@contextmanager
def agent(folder: Path) -> Iterator[None]:
    """Serve the launchers of a world by an agent, in a process of its own."""
    with _forked(_serve_as_agent, AGENT):
        yield


@contextmanager
def calls(folder: Path) -> Iterator[None]:
    """Run every call of the callers in a fresh process, as an installed launcher without an agent does."""
    with _forked(_serve_calls, CALLS):
        yield


@contextmanager
def _forked(serve: Callable[[], None], at: Path) -> Iterator[None]:
    pid = os.fork()
    if pid == 0:
        try:
            serve()
        finally:
            os._exit(1)
    try:
        deadline = time.monotonic() + LIMIT
        while not _listens(at):
            assert time.monotonic() < deadline, f"nobody listens at {at}"
            time.sleep(0.002)  # between two looks: a socket that is not there tells nobody
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _listens(at: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):  # not yet there, or not yet listening
        probe.connect(str(at))
        return True
    return False


def _serve_as_agent() -> None:
    AGENT.parent.mkdir(parents=True, exist_ok=True)
    with listening(AGENT) as listener:
        Server(listener, AgentSettings()).run()


def _serve_calls() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are nobody's business
    os.environ["PODWIRE_AGENT"] = "never"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(CALLS))
        listener.listen(64)
        while True:
            caller, _ = listener.accept()
            if os.fork() == 0:
                _call(caller)
            caller.close()


def _call(caller: socket.socket) -> NoReturn:
    """Be one call: the caller's files and variables, its status at the end; if it is killed, so are we."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(caller, 4, 3)
    if len(size) < 4:  # somebody only looked whether we are here
        os._exit(0)
    data = _received(caller, int.from_bytes(size, "little"))
    name, *variables = os.fsdecode(data).split("\0")
    for number, file in enumerate(files):
        os.dup2(file, number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  pytest has put something else there
    os.environ.clear()
    os.environ.update(dict(one.split("=", 1) for one in variables) | {"PODWIRE_AGENT": "never"})
    threading.Thread(target=_end_with, args=(caller,), daemon=True).start()
    status = 1
    try:
        run(name)
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        caller.send(bytes([status]))
        os._exit(0)


def _received(caller: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += caller.recv(size - len(data))
    return data


def _end_with(caller: socket.socket) -> None:
    if not caller.recv(1):
        os.kill(os.getpid(), signal.SIGKILL)

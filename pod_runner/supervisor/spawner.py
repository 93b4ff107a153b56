"""What the agent has forks supervisors, quickly and small.

The agent (`Spawner`) keeps one child process, `python -m pod_runner.supervisor.spawner`. It has one thread,
has imported all that a supervisor needs, and forks one for each folder it is told of: a fork takes a few
milliseconds and shares its memory, where a new Python takes a hundred and shares nothing. A supervisor is
no child of anybody's (a double fork, setsid(2)): it outlives the spawner and the agent.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from pod_runner.container.identity import identity
from pod_runner.container.spec import ContainerError, Security
from pod_runner.supervisor.lines import BadLine, JsonObject, Lines

ANSWER_IN = 30.0  # seconds; the first answer comes when everything is imported


class SpawnerError(Exception):
    """No supervisor could be started: what was asked, and what the system said."""


class Spawner:
    """The agent's end: starts the process, asks it, starts it again if killed. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: Lines | None = None

    @property
    def pid(self) -> int | None:
        """Return the spawner's process id, None while there is none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; it is ready when it answers the first request."""
        with self._lock:
            self._start()

    def spawn(self, folder: Path) -> int:
        """Start a supervisor on a pod's folder and return its process id.

        Raises:
            SpawnerError: twice, a spawner did not answer.
        """
        with self._lock:
            for _ in range(2):
                try:
                    return self._ask({"spawn": str(folder)})
                except (OSError, BadLine, EOFError) as error:  # it was killed: another one
                    trouble = error
                    self._close()
        raise SpawnerError(f"a supervisor for {folder} could not be started: {trouble}")

    def close(self) -> None:
        """End the spawner; supervisors go on."""
        with self._lock:
            self._close()

    def _ask(self, body: JsonObject) -> int:
        lines = self._lines or self._start()
        lines.send(body)
        answer = lines.receive()
        if answer is None:
            raise EOFError("the spawner ended")
        if not isinstance(answer.get("pid"), int):
            raise SpawnerError(str(answer.get("error", "the spawner answered without a process id")))
        return int(str(answer["pid"]))

    def _start(self) -> Lines:
        self._close()
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pod_runner.supervisor.spawner"],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(ANSWER_IN)
        self._lines = Lines(ours)
        return self._lines

    def _close(self) -> None:
        if self._lines is not None:
            self._lines.close()  # the end of its input ends it
            self._lines = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def serve(lines: Lines) -> None:
    """Fork a supervisor for each request until the agent hangs up, or is killed."""
    with suppress(ConnectionError):  # killed before it heard the answer: whom it asked for goes on
        while (body := lines.receive()) is not None:
            lines.send(_answer(body, lines.fileno()))


def _answer(body: JsonObject, unwanted: int) -> JsonObject:
    try:
        return {"pid": fork_supervisor(Path(str(body["spawn"])), unwanted)}
    except (OSError, KeyError) as error:
        return {"error": f"no process for a supervisor: {error}"}


def fork_supervisor(folder: Path, unwanted: int) -> int:
    """Fork twice and return the supervisor's process id; it does not keep the descriptor `unwanted`."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _become_supervisor(folder, unwanted, writer)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    if not said:
        raise OSError("the fork ended at once")
    return int(said)


def _become_supervisor(folder: Path, unwanted: int, writer: int) -> None:
    """Go on as the supervisor in a grandchild; never return into the spawner's loop."""
    try:
        os.setsid()
        if (pid := os.fork()) != 0:
            os.write(writer, str(pid).encode())
            os._exit(0)
        os.close(writer)
        os.close(unwanted)
        from pod_runner.supervisor.__main__ import detach, supervise  # imported before the fork

        detach(folder)  # whoever reads the output of who asked for this is not to wait for the pod
        os._exit(supervise(folder))
    finally:
        os._exit(1)


def _prepare() -> None:
    """Have the default seccomp filter compiled: a third of a pod's start, and 1 MB that libseccomp leaves."""
    with suppress(ContainerError):  # no libseccomp: each pod's status says it
        identity(Security(), is_user=False, notes=[])


def main() -> None:
    """Import what supervisors need, set it aside from the garbage collector's writes, and serve."""
    import pod_runner.supervisor.__main__  # noqa: F401  # what forks share

    _prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the agent's affair
    connection = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    gc.collect()
    gc.freeze()  # a collection in a child would write into every shared page
    serve(Lines(connection))


if __name__ == "__main__":
    main()

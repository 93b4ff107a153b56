"""What the agent has forks supervisors, quickly and small.

The agent (`Spawner`) keeps one child process, `python -m pod_runner.supervisor.spawner` (`forking`). It has
one thread, has imported all that a supervisor needs, and forks one for each folder it is told of: a fork
takes a few milliseconds and shares its memory, where a new Python takes a hundred and shares nothing. A
supervisor has a session of its own (setsid(2)): it outlives the spawner and the agent.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

LONGEST_MESSAGE = 1 << 13  # bytes; a path has PATH_MAX, 4096, at most
ANSWER_IN = 30.0  # seconds; the first answer comes when everything is imported


class SpawnerError(Exception):
    """No supervisor could be started: what was asked, and what the system said."""


class Spawner:
    """The agent's end: starts the process, asks it, starts it again if killed. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

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
                    return self._ask(folder)
                except (OSError, EOFError) as error:  # it was killed: another one
                    trouble = error
                    self._close()
        raise SpawnerError(f"a supervisor for {folder} could not be started: {trouble}")

    def close(self) -> None:
        """End the spawner; supervisors go on."""
        with self._lock:
            self._close()

    def _ask(self, folder: Path) -> int:
        connection = self._connection or self._start()
        connection.sendall(os.fsencode(folder))
        answer = connection.recv(LONGEST_MESSAGE).decode()
        if not answer:
            raise EOFError("the spawner ended")
        if not answer.isdigit():
            raise SpawnerError(answer)
        return int(answer)

    def _start(self) -> socket.socket:
        self._close()
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pod_runner.supervisor.spawner"],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(ANSWER_IN)
        self._connection = ours
        return ours

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()  # the end of its input ends it
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def main() -> None:
    """Be the process that forks; what it imports the agent does not."""
    from pod_runner.supervisor.forking import prepare, serve

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the agent's affair
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a supervisor: the kernel reaps it
    connection = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    prepare()
    serve(connection)


if __name__ == "__main__":
    main()

"""A program that serves the plugins of one world, such as a node's agent: begun before the first call."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conformance.calls import base_environment
from conformance.clause import CannotJudge

BETWEEN = 0.01  # seconds between two looks at the socket


@dataclass(frozen=True)
class Daemon:
    """A command, and the Unix socket that it serves when it is ready; without one it is not waited for."""

    command: str
    socket: str = ""
    limit: float = 20  # seconds until it must be ready

    @contextmanager
    def __call__(self, folder: Path) -> Iterator[None]:
        """Run it for the body; its output is in `daemon.log` of the world's folder."""
        log = folder / "daemon.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                shlex.split(self.command),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=base_environment(),
            )  # fmt: skip
        try:
            self._wait(process, log)
            yield
        finally:
            process.kill()
            process.wait()

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + self.limit
        while self.socket and not is_served(self.socket):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip()[-600:]
                raise CannotJudge(
                    f"`{self.command}` does not serve {self.socket}: {said or 'it says nothing'}"
                )
            time.sleep(BETWEEN)  # a socket that is not there yet tells nobody when it comes


def is_served(path: str) -> bool:
    """Tell whether somebody accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:  # absent, or nobody listens yet
            return False
    return True

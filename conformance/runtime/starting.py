"""A command of a runtime, as a process whose output is kept in files."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from conformance.calls import Answer

LIMIT = 40  # seconds that one command may take
LOOK_AGAIN = 0.005  # seconds, between looks at what a command has printed


class Process(Protocol):
    """What is asked of a process; subprocess.Popen is one."""

    def poll(self) -> int | None:
        """Return its exit status, None while it goes on."""

    def kill(self) -> None:
        """End it."""


Start = Callable[[Sequence[str], Mapping[str, str], Path, Path], Process]  # argv, environment, stdout, stderr


def execute(argv: Sequence[str], environment: Mapping[str, str], stdout: Path, stderr: Path) -> Process:
    """Start a command; its output goes to the two files."""
    with stdout.open("wb") as out, stderr.open("wb") as err:
        return subprocess.Popen(argv, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=err)


@dataclass
class Running:
    """A command that has been started."""

    argv: Sequence[str]
    process: Process
    stdout: Path
    stderr: Path
    begun: float

    def wait(self) -> Answer:
        """Wait for its end.

        Raises:
            TimeoutError: it went on for LIMIT seconds.
        """
        while (status := self.process.poll()) is None:
            self._look_at_the_clock("end")
        return self.answer(status)

    def wait_line(self, line: str) -> Answer:
        """Wait until it has printed a line, or has ended. Its status is 0 when it has printed it."""
        while line not in self.stdout.read_text(errors="replace").splitlines():
            if (status := self.process.poll()) is not None:
                return self.answer(status or 1)
            self._look_at_the_clock(f"print {line!r}")
        return self.answer(0)

    def answer(self, status: int) -> Answer:
        """Return what it said so far."""
        out, err = (path.read_text(errors="replace") for path in (self.stdout, self.stderr))
        return Answer(status, out, err, time.monotonic() - self.begun)

    def _look_at_the_clock(self, what: str) -> None:
        if time.monotonic() > self.begun + LIMIT:
            self.process.kill()
            raise TimeoutError(f"`{' '.join(self.argv)}` did not {what} within {LIMIT} s")
        time.sleep(LOOK_AGAIN)  # a process that is waited for by polling, as it may be another's child

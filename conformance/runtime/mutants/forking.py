"""A runtime that is a Python function: started by a fork, without a new interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from conformance.forking import become
from conformance.models.runtime import Runtime, main
from conformance.runtime.starting import Process, Start

SIGKILL = 9
Function = Callable[[list[str]], int]  # what follows the program's name -> its exit status


@dataclass
class Forked:
    """A child; its exit status once it has ended, below 0 for a signal's number."""

    pid: int
    status: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, None while it goes on."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status

    def kill(self) -> None:
        """End it."""
        os.kill(self.pid, SIGKILL)


def forked(function: Function) -> Start:
    """Return what starts the function as if it were the program of a command line."""

    def start(argv: Sequence[str], environment: Mapping[str, str], stdout: Path, stderr: Path) -> Process:
        stdout.touch()
        pid = os.fork()
        if pid == 0:
            for number, path in enumerate((Path(os.devnull), stdout, stderr)):
                _be_file(number, path)
            become(lambda: function(list(argv[1:])), list(argv), environment)
        return Forked(pid)

    return start


def forked_model(kind: type[Runtime] = Runtime) -> Start:
    """Return what starts the model, or a mutant of it, as `judge-runtime`."""
    return forked(partial(main, kind))


def _be_file(number: int, path: Path) -> None:
    opened = os.open(path, os.O_RDWR | os.O_CREAT)
    os.dup2(opened, number)
    os.close(opened)

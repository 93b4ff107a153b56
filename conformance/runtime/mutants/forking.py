"""A runtime that is a Python function: started by a fork, without a new interpreter."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
            _become(lambda: function(list(argv[1:])), environment, stdout, stderr)
        return Forked(pid)

    return start


def forked_model(kind: type[Runtime] = Runtime) -> Start:
    """Return what starts the model, or a mutant of it, as `judge-runtime`."""
    return forked(partial(main, kind))


def _become(function: Callable[[], int], environment: Mapping[str, str], stdout: Path, stderr: Path) -> None:
    status = 1
    try:
        for number, path in ((0, Path("/dev/null")), (1, stdout), (2, stderr)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.environ.clear()
        os.environ.update(environment)
        status = function()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  as an interpreter ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

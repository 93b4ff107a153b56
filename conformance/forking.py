"""Executables that a function of this process can stand for: a fork in place of a new interpreter.

The suite's own plugins (models, mutants, the delegate) are executables like any other. Where hundreds of them
are judged, nearly all of the time goes into starting Python; `by_fork` saves it. Whoever executes a plugin
passes `instead_of` on to subprocess: everything else (streams, process groups, signals, time limits) stays
as it is. A plugin of others is always executed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

Function = Callable[[], int]  # reads the environment and stdin, returns the exit status
MOST_FILES = 1 << 16  # numbers of files that a process may have inherited
TOLD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)  # signals that this process may hear in its own way

_functions: dict[str, Function] = {}
_state = {"by_fork": False}


def offer(path: Path, function: Function) -> None:
    """Let a function stand for an executable."""
    _functions[str(path)] = function


@contextmanager
def by_fork() -> Iterator[None]:
    """Have functions stand for their executables, in this process and in its children by fork."""
    before = _state["by_fork"]
    _state["by_fork"] = True
    try:
        yield
    finally:
        _state["by_fork"] = before


def instead_of(path: str | os.PathLike[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what subprocess is given so that a function runs in place of an executable; {} executes it."""
    function = _functions.get(os.fspath(path)) if _state["by_fork"] else None
    if function is None:
        return {}
    return {"preexec_fn": partial(_stand_in, function, os.fspath(path), dict(environment))}


def _stand_in(function: Function, path: str, environment: Mapping[str, str]) -> NoReturn:
    """Be the executable, where a new process would execute it: its streams are in place, nothing else."""
    os.closerange(3, MOST_FILES)  # among them what subprocess waits for until it is executed
    for number in TOLD:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as an interpreter does when it begins
    become(function, [path], environment)


def become(function: Function, argv: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Run a function as the program of this process, and end with its exit status."""
    status = 1
    # Kept: a stream that nobody has any more is flushed, and what is still in these is not ours to print
    theirs = (sys.stdout, sys.stderr)
    try:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(environment)
        sys.stdin, sys.stdout, sys.stderr = _stream(0, "r"), _stream(1, "w"), _stream(2, "w")
        status = function()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  as an interpreter ends
        import traceback  # which a call that ends well does without

        traceback.print_exc()
    finally:
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream not in (None, *theirs):
                    stream.flush()
        finally:
            os._exit(status)


def _stream(number: int, mode: str) -> Any:
    """Open a stream as an interpreter does: None where it is closed."""
    try:
        os.fstat(number)
    except OSError:
        return None
    return os.fdopen(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False)

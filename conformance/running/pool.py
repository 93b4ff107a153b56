"""Pieces of work in processes of their own, some at once; each gives back one JSON value."""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

Work = Callable[[], Any]  # returns what json can write
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stopped(BaseException):
    """A worker was told to end; what it holds is given back on the way out."""


@dataclass
class _Worker:
    """A process at work; `text` is what it has sent so far."""

    index: int
    pid: int
    reader: int
    text: bytes = b""


def work_apart(works: Sequence[Work], at_once: int) -> Iterator[tuple[int, Any]]:
    """Do each piece in a process of its own, `at_once` together; yield (its index, its value) as they end.

    The value is None where a process ended without one; why is on stderr. Who stops iterating (or is
    interrupted) ends all that is at work, and waits until it has cleaned up. This process must have no
    threads, since it forks.
    """
    waiting = list(enumerate(works))[::-1]
    selector = selectors.DefaultSelector()
    try:
        while waiting or selector.get_map():
            while waiting and len(selector.get_map()) < at_once:
                worker = _begin(*waiting.pop())
                selector.register(worker.reader, selectors.EVENT_READ, worker)
            for key, _ in selector.select():
                worker = key.data
                piece = os.read(worker.reader, 1 << 16)
                worker.text += piece
                if not piece:
                    selector.unregister(worker.reader)
                    yield worker.index, _finish(worker)
    finally:
        _stop([key.data for key in selector.get_map().values()])
        selector.close()


def _begin(index: int, work: Work) -> _Worker:
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _work(work, writer, parent)
    os.close(writer)
    return _Worker(index, pid, reader)


def _work(work: Work, writer: int, parent: int) -> NoReturn:
    """Be the worker: in a process group of its own, so that Ctrl-C reaches the first process alone."""
    status = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, _stopped)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == parent:
            text = json.dumps(work()).encode()
            with os.fdopen(writer, "wb") as file:
                file.write(text)
            status = 0
    except Stopped:
        status = 2
    except BaseException:  # noqa: BLE001  the parent says that no value came; this process ends here
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _stopped(number: int, frame: object) -> NoReturn:
    raise Stopped


def _finish(worker: _Worker) -> Any:
    os.close(worker.reader)
    os.waitpid(worker.pid, 0)
    return json.loads(worker.text) if worker.text else None


def _stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(worker.pid, signal.SIGTERM)
    for worker in workers:
        os.close(worker.reader)
        os.waitpid(worker.pid, 0)

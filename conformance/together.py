"""Several calls of plugins at once, calls that are killed, and calls with their streams in other hands."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from conformance.calls import LIMIT, Answer, Call


def make_calls(calls: Sequence[Call], limit: float = LIMIT) -> list[Answer]:
    """Begin all calls before the first is waited for; return their answers in the calls' order.

    Raises:
        TimeoutError: one took longer than `limit` seconds; all have been killed.
    """
    begun = time.monotonic()
    running = [begin_call(call) for call in calls]
    try:
        return [_finish(one, begun, limit) for one in running]
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{len(calls)} calls at once did not end within {limit:g} s") from error
    finally:
        for one in running:
            kill_group(one)


def begin_call(call: Call) -> subprocess.Popen[bytes]:
    """Execute a plugin in a process group of its own, its stdin a file in memory."""
    stdin = os.memfd_create("stdin")
    try:
        os.write(stdin, call.stdin)
        os.lseek(stdin, 0, os.SEEK_SET)
        return subprocess.Popen(
            [call.path],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(call.environment),
            start_new_session=True,
        )
    finally:
        os.close(stdin)


def kill_group(running: subprocess.Popen[bytes]) -> None:
    """SIGKILL a call and what it has started, if it is still there, and wait for its end."""
    if running.poll() is None:
        with suppress(ProcessLookupError):  # it ended in between
            os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


def kill_after(call: Call, seconds: float) -> bool:
    """Make a call and SIGKILL it, and what it has started, after some time; tell whether it had ended by itself."""
    running = begin_call(call)
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_group(running)
        return running.returncode >= 0
    running.communicate()
    return True


def _finish(running: subprocess.Popen[bytes], begun: float, limit: float) -> Answer:
    out, err = running.communicate(timeout=limit)
    seconds = time.monotonic() - begun
    return Answer(running.returncode, out.decode(errors="replace"), err.decode(errors="replace"), seconds)

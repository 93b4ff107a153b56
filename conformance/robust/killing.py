"""Calls that are killed, with all that they have started, some time after their beginning."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

from conformance.calls import Call
from conformance.forking import instead_of


def kill_after(call: Call, seconds: float) -> float | None:
    """Make a call and SIGKILL it, and what it has started, after some time.

    Return how many seconds it took where it ended before, else None.
    """
    begun = time.monotonic()
    running = _begin(call)
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):  # it ended in between
            os.killpg(running.pid, signal.SIGKILL)
    took = time.monotonic() - begun
    running.communicate()
    return took if running.returncode >= 0 else None


def _begin(call: Call) -> subprocess.Popen[bytes]:
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
            **instead_of(call.path, call.environment),
        )
    finally:
        os.close(stdin)

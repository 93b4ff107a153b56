"""Waiting for what tells nobody when it comes: looks, and a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable


def holds_within(seconds: float, looks: Callable[[], object], *, pause: float) -> bool:
    """Look until it holds, with a pause (in seconds) between looks; return False where the time was over."""
    deadline = time.monotonic() + seconds
    while not looks():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)  # between looks: links, files and sockets that are yet to come tell nobody
    return True

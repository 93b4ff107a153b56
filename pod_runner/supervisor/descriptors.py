"""What a forked process keeps open: nothing but what it needs.

A lock or a pipe of its parent's would live on in it."""

from __future__ import annotations

import os


def close_all_but(*kept: int) -> None:
    """Close every descriptor of this process but 0, 1, 2 and those given."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # numbers are wanted, not paths
        number = int(name)
        if number > 2 and number not in kept:
            try:
                os.close(number)
            except OSError:  # the descriptor that listed them
                continue

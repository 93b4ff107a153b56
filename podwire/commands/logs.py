"""Logs of a command that serves: a line each on stderr, for journald or a container's log."""

from __future__ import annotations

import logging


def log_to_stderr(verbosity: int) -> None:
    """Print warnings; from 1 what happens, from 4 on what the kernel is asked."""
    level = logging.DEBUG if verbosity >= 4 else logging.INFO
    logging.basicConfig(level=level, format="%(levelname).1s %(name)s: %(message)s")

"""What the kernel refused, as a sentence for the person who must act.

The error's shape (code, msg, details) is the one `cni_spec` prints, but this room knows no other: a
`KernelError` carries the numbers, and the plugins' front door turns it into a CNI error object.
"""

from __future__ import annotations

import os


class KernelError(Exception):
    """A request that Linux refused: what was asked, and what the kernel said.

    `errno` is the kernel's number (0 where a tool gave none), `asked` the command the request stands for,
    `said` the kernel's extended text, or the errno's.
    """

    def __init__(self, errno: int, asked: str, said: str = "") -> None:
        said = said or os.strerror(errno)
        super().__init__(f"{asked}: {said}")
        self.errno = errno
        self.asked = asked
        self.said = said


class Conflict(Exception):
    """Something is in the way that is not ours to remove; the message names it and its owner."""


class MissingTool(Exception):
    """A library or program this needs is not on this machine; the message says what to install."""


class Busy(Exception):
    """A lock was held for longer than the wait we allow; trying again later may do."""

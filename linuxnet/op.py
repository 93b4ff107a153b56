"""What an operation is: a frozen value that prints as the command it stands for.

One description serves all verbs. ADD applies it, and gets its inverse back; CHECK asks for the difference
between it and what the kernel shows; explain prints it. A plan is a tuple of these.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from linuxnet.kernel import Kernel


class Where(Enum):
    """On which side of the attachment something is; prints as iproute2's option."""

    HOST = ""
    CONTAINER = "-n CONTAINER "

    def __str__(self) -> str:
        return self.value


class Op(Protocol):
    """A fact to be made true. `str()` is the command it stands for."""

    def apply(self, kernel: Kernel) -> Op | None:
        """Make it so; return what takes it back, or None if it was already so.

        Raises:
            KernelError, Conflict, MissingTool, Busy: it could not be done, and nothing of it was.
        """

    def difference(self, kernel: Kernel) -> str | None:
        """Say in one sentence what is not so, or return None. Changes nothing."""


class Inverse:
    """Base of operations that only take back: there is nothing about them to check."""

    def difference(self, kernel: Kernel) -> str | None:
        """Return None: what was taken back is not looked for."""
        return None

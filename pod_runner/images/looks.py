"""What a file of a layer has beside its content: owner, mode, times, attributes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

from pod_runner.images.errors import ImageError

OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")  # the second: mounted with userxattr
# An owner that a user namespace has no number for (EINVAL), or an ordinary user may not give (EPERM)
NO_OWNER = (errno.EPERM, errno.EINVAL)
NO_ATTRIBUTE = (errno.EPERM, errno.ENOTSUP, errno.EINVAL)


@dataclass(frozen=True)
class Look:
    """What a file has beside its content. `time`: seconds since 1970."""

    mode: int
    uid: int
    gid: int
    time: float
    attributes: tuple[tuple[str, bytes], ...] = ()


UNNAMED = Look(0o755, 0, 0, 0.0)  # of a folder that the tar takes for granted


def own(chown: Callable[[], None]) -> None:
    """Give a file its owner, where this process may."""
    try:
        chown()
    except OSError as error:
        if error.errno not in NO_OWNER:
            raise


def give(file: int, look: Look) -> None:
    """Give an open file its attributes, where this process may."""
    for name, value in look.attributes:
        try:
            os.setxattr(file, name, value)
        except OSError as error:
            if error.errno not in NO_ATTRIBUTE:
                raise


def mark_opaque(folder: int) -> None:
    """Let an open folder hide what lower layers have in it. Raises ImageError if it cannot."""
    marked = False
    for name in OPAQUE:
        try:
            os.setxattr(folder, name, b"y")
            marked = True
        except OSError as error:
            if error.errno not in NO_ATTRIBUTE:
                raise
    if not marked:
        raise ImageError("the file system of the images takes no attributes that overlayfs needs")

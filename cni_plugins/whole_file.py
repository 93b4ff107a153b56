"""A small file of one attachment: there whole, or not at all, whenever its writer is killed."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)  # open(2), O_TMPFILE, by age of the kernel


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that nobody else writes at the same time, over one that is there. Raises OSError.

    It has no name until it is complete (O_TMPFILE), so that no draft is left that GC could not tell of.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    descriptor = -1
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        os.write(descriptor, content)
        path.unlink(missing_ok=True)
        # with a directory's descriptor Python calls linkat(2), which follows the link to the file
        os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=folder, follow_symlinks=True)
    except OSError as error:
        if descriptor >= 0 or error.errno not in NO_TMPFILE:
            raise
        _write_beside(path, content)
    finally:
        for one in (descriptor, folder):
            if one >= 0:
                os.close(one)


def _write_beside(path: Path, content: bytes) -> None:
    """Write a draft and rename it, where the file system knows no nameless files."""
    draft = path.with_name(f".draft{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    draft.rename(path)

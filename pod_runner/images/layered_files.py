"""A file of an image as its root will show it, read before there is one: through layers, whiteouts, links.

Each step opens one name by the descriptor of its folder and follows no link by itself, so that a link in an
image leads within the image, and never to the node's file of the same name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from pod_runner.images.looks import OPAQUE

LINKS_MAX = 40  # MAXSYMLINKS of the kernel
FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read_file(layers: Sequence[Path], path: str, limit: int) -> bytes | None:
    """Return the first `limit` bytes of a regular file; None if there is none. `layers`: topmost first."""
    left = _parts(path)
    walked: list[str] = []
    links = 0
    while left:
        name = left.pop(0)
        if name == "..":
            walked = walked[:-1]
            continue
        with ExitStack() as opened:
            folders = _folders(layers, walked, opened)
            found = _entry(folders, name)
            if found is None:
                return None
            folder, status = found
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if links > LINKS_MAX:
                    return None
                target = os.readlink(name, dir_fd=folder)
                walked = [] if target.startswith("/") else walked
                left = _parts(target) + left
            elif not left:
                return _read(folder, name, limit) if stat.S_ISREG(status.st_mode) else None
            else:
                walked.append(name)
    return None


def _parts(path: str) -> list[str]:
    return [one for one in path.split("/") if one not in ("", ".")]


def _folders(layers: Sequence[Path], walked: list[str], opened: ExitStack) -> list[int]:
    """Open a folder in all layers that show something of it, topmost first. `walked` has no links."""
    found = [_open(layer, None, opened) for layer in layers]
    for name in walked:
        below: list[int] = []
        for folder in found:
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if not stat.S_ISDIR(status.st_mode):
                break  # a file or a whiteout hides what lower layers have
            below.append(_open(name, folder, opened))
            if _is_opaque(below[-1]):
                break
        found = below
    return found


def _open(name: Path | str, folder: int | None, opened: ExitStack) -> int:
    descriptor = os.open(name, FOLDER, dir_fd=folder)
    opened.callback(os.close, descriptor)
    return descriptor


def _entry(folders: list[int], name: str) -> tuple[int, os.stat_result] | None:
    """Return the topmost layer's folder that has a name, and what it is; None if nothing is shown."""
    for folder in folders:
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            hidden = stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
            return None if hidden else (folder, status)
    return None


def _is_opaque(folder: int) -> bool:
    for name in OPAQUE:
        with suppress(OSError):
            if os.getxattr(f"/proc/self/fd/{folder}", name) == b"y":
                return True
    return False


def _read(folder: int, name: str, limit: int) -> bytes | None:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:  # exchanged for a link, in a folder that somebody writes to
        return None
    try:
        return os.read(file, limit)  # of a regular file all of it
    except OSError:  # exchanged for a folder
        return None
    finally:
        os.close(file)

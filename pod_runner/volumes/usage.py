"""How much a pod takes on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

BLOCK = 512  # bytes of st_blocks (stat(2))


def disk_usage(folder: Path) -> int:
    """Return how many bytes a folder takes on its own disk: what a pod's containers wrote, its volumes.

    What is mounted below is not the folder's; a file with several names counts once. What vanishes meanwhile
    is not counted.
    """
    try:
        top = folder.stat()
    except FileNotFoundError:
        return 0
    total, seen, left = top.st_blocks * BLOCK, set[int](), [str(folder)]
    while left:
        for one, status in _entries(left.pop()):
            if status.st_dev != top.st_dev or status.st_ino in seen:
                continue
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                seen.add(status.st_ino)
            total += status.st_blocks * BLOCK
            if stat.S_ISDIR(status.st_mode):
                left.append(one)
    return total


def _entries(folder: str) -> list[tuple[str, os.stat_result]]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for one in entries:
                found.append((one.path, one.stat(follow_symlinks=False)))
    except OSError:  # it has just gone, or its name has become too long to be reached
        return found
    return found

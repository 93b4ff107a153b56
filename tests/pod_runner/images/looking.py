"""What a folder has, and what overlayfs makes of layers."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def dump(folder: Path) -> dict[str, str]:
    """Say what is in a folder: mode, owner, and content or target, by path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        kind = stat.filemode(status.st_mode)
        what = ""
        if path.is_symlink():
            what = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            what = path.read_bytes()[:100].decode("latin-1")
        elif stat.S_ISCHR(status.st_mode):
            what = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        found[str(path.relative_to(folder))] = f"{kind} {status.st_uid}:{status.st_gid} {what}".strip()
    return found


@contextmanager
def overlay(layers: Sequence[Path], folder: Path) -> Iterator[Path]:
    """Mount layers, topmost first, and give where."""
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(parents=True)
    names = ":".join(map(str, layers))
    options = f"lowerdir={names},upperdir={folder}/upper,workdir={folder}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, folder / "root"], check=True)
    try:
        yield folder / "root"
    finally:
        subprocess.run(["umount", folder / "root"], check=True)

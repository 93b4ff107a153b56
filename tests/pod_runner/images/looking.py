"""What a folder has, and what overlayfs makes of layers."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pod_runner.container.spec import RootFs, RootPart


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
    for name in ("upper", "work"):
        (folder / name).mkdir(parents=True)
    with mounted(RootFs(tuple(layers), folder / "upper", folder / "work"), folder / "root") as root:
        yield root


@contextmanager
def mounted(root: RootFs, folder: Path) -> Iterator[Path]:
    """Mount a root with its parts, as mount(8) does."""
    folder.mkdir(parents=True)
    _mount(root, folder)
    try:
        for part in root.parts:
            _mount(part, folder / part.target)
        yield folder
    finally:
        subprocess.run(["umount", "--recursive", folder], check=True)


def _mount(root: RootFs | RootPart, target: Path) -> None:
    names = ":".join(map(str, root.lower))
    options = f"lowerdir={names},upperdir={root.upper},workdir={root.work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(target)], check=True)

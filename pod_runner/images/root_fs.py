"""An image and a container's folder -> RootFs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pod_runner.container.spec import ContainerError, RootFs, RootPart
from pod_runner.images.image import HOST, Image
from pod_runner.images.node_root import mounts_below, owns_mounts
from pod_runner.images.shelves import Shelves

HOST_IMAGE = HOST


def root_fs(image: Image, folder: Path) -> RootFs:
    """Make the folders of a container's root and return it; what is there already is kept.

    `folder` is `root/<container>` of the pod's folder; the image's layers are kept while it is there.

    Raises:
        ContainerError: the folders cannot be made.
    """
    try:
        upper, work = _writable(folder, image.layers)
        parts = [one for path in image.parts for one in _parts(path, folder)]
        if image.store is not None:
            Shelves(image.store).note_use(folder, image.layers)
    except OSError as error:
        raise ContainerError(f"cannot make a root in {folder}: {error.filename}: {error.strerror}") from error
    return RootFs(image.layers, upper, work, parts=tuple(parts))


def _parts(path: Path, folder: Path) -> list[RootPart]:
    """Return a folder of the node as part of a root, and what is mounted below it.

    overlayfs sees what is on the folder's own file system alone, so each mount is a part by itself. In a user
    namespace, mounts that came with it cannot be taken apart: there the whole is bound as it is.
    """
    below = mounts_below(path)
    if below and not owns_mounts():
        return [RootPart(_target(path), (path,))]
    found = []
    for one in (path, *below):
        if one.is_dir():
            upper, work = _writable(folder / "parts" / _target(one).replace("/", "-"), (one,))
            found.append(RootPart(_target(one), (one,), upper, work))
        else:
            found.append(RootPart(_target(one), (one,)))  # a file that is a mount
    return found


def _target(path: Path) -> str:
    return str(path).lstrip("/")


def _writable(folder: Path, layers: Sequence[Path]) -> tuple[Path, Path]:
    """Make `upper` and `work`; an overlay's root looks like that of `upper`, so it is like the topmost."""
    upper, work = folder / "upper", folder / "work"
    if not upper.is_dir():
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / "fresh"
        fresh.mkdir(exist_ok=True)
        there = layers[0].stat()
        try:
            os.chown(fresh, there.st_uid, there.st_gid)
        except OSError:  # an owner that this user namespace has no number for: it stays ours
            fresh.chmod(0o755)
        fresh.chmod(there.st_mode & 0o7777)
        fresh.rename(upper)
    return upper, work

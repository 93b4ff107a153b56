"""A layer's tar -> a folder that overlayfs takes (OCI image specification 1.1, layer.md).

Nothing that the tar says is believed: names are cleaned, links are not followed out (layer_tree), attributes
that overlayfs or security modules would act on are left out, sizes are counted while they are written.
"""

from __future__ import annotations

import os
import stat
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from pod_runner.images.errors import ImageError
from pod_runner.images.layer_tree import LayerTree
from pod_runner.images.looks import Look
from pod_runner.images.streams import CHUNK, Forward, Reader

WHITEOUT = ".wh."  # + a name: it is gone
OPAQUE = ".wh..wh..opq"  # nothing of lower layers is in this folder
AUFS = ".wh..wh."  # what else begins so is aufs' own
ATTRIBUTE = "SCHILY.xattr."  # GNU tar's and star's key in a pax header
TAKEN_ATTRIBUTES = ("security.capability", "user.")  # others mean something to this kernel, not to the image
REFUSED_ATTRIBUTES = ("user.overlay.",)  # overlayfs acts on them: they could lead out of the root
# What tarfile may raise on a tar that somebody made up
DAMAGE = (tarfile.TarError, EOFError, ValueError, OverflowError, struct.error, RecursionError, IndexError)
OLDEST, NEWEST = 0.0, float(1 << 33)  # seconds since 1970 that every file system takes: until 2242


@dataclass(frozen=True)
class Limits:
    """What a layer may at most be."""

    size: int = 32 << 30  # bytes; the largest honest ones (CUDA, models) have some 15 GiB
    entries: int = 2_000_000


LIMITS = Limits()


@dataclass
class Unpacked:
    """What a layer was: bytes of its files, and how many entries; devices that could not be made."""

    size: int = 0
    entries: int = 0
    skipped: int = 0


def unpack(stream: Reader, folder: Path, limits: Limits = LIMITS) -> Unpacked:
    """Unpack a plain tar into an empty folder.

    Raises:
        ImageError: it is no tar, it leads out of the folder, or it is larger than the limits.
    """
    done = Unpacked()
    tree = LayerTree(folder)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", Forward(stream)), mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile keeps them all; typeshed knows nothing of it
                _unpack_member(archive, member, tree, done, limits)
        tree.dress()
    except tarfile.ReadError as error:
        if done.entries or str(error) != "empty file":  # an empty layer may be an empty file
            raise ImageError(f"not a tar file: {error}") from error
    except DAMAGE as error:
        raise ImageError(f"a damaged tar file: {error}") from error
    except OSError as error:
        raise ImageError(f"cannot unpack {error.filename or ''}: {error.strerror or error}") from error
    finally:
        tree.close()
    return done


def _unpack_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, tree: LayerTree, done: Unpacked, limits: Limits
) -> None:
    done.entries += 1
    if done.entries > limits.entries:
        raise ImageError(f"more than {limits.entries} files")
    path = clean(member.name)
    above, _, name = path.rpartition("/")
    if name.startswith(WHITEOUT):
        _hide(tree, above, name)
        return
    look = _look(member)
    if member.isdir():
        tree.make_folder(path, look)
    elif not path:
        raise ImageError("the root is no folder")
    elif member.issym():
        tree.make_symlink(path, member.linkname, look)
    elif member.islnk():
        tree.make_link(path, clean(member.linkname))
    elif member.ischr() or member.isblk() or member.isfifo():
        done.skipped += not _make_node(tree, path, look, member)
    elif member.isreg():
        tree.make_file(path, look, lambda file: _copy(archive, member, file, done, limits))


def clean(name: str) -> str:
    """Return a name without a leading /, "." and doubled slashes. Raises ImageError: it has ".."."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise ImageError(f"{name[:80]!r} leads out of the layer")
    return "/".join(parts)


def _hide(tree: LayerTree, above: str, name: str) -> None:
    if name == OPAQUE:
        tree.hide_content(above)
    elif not name.startswith(AUFS):
        hidden = name.removeprefix(WHITEOUT)
        if hidden in ("", ".", ".."):
            raise ImageError(f"{name}: hides nothing that could be there")
        tree.hide(f"{above}/{hidden}" if above else hidden)


def _make_node(tree: LayerTree, path: str, look: Look, member: tarfile.TarInfo) -> bool:
    if member.isfifo():
        return tree.make_node(path, look, stat.S_IFIFO, 0)
    device = os.makedev(member.devmajor, member.devminor)
    if member.ischr() and device == 0:
        return False  # overlayfs takes it for a whiteout; an image has its own way to say so
    return tree.make_node(path, look, stat.S_IFCHR if member.ischr() else stat.S_IFBLK, device)


def _copy(
    archive: tarfile.TarFile, member: tarfile.TarInfo, file: int, done: Unpacked, limits: Limits
) -> None:
    source = archive.extractfile(member)
    assert source is not None  # it is a file
    wanted = member.size
    while wanted and (data := source.read(min(CHUNK, wanted))):
        wanted -= len(data)
        done.size += len(data)
        if done.size > limits.size:
            raise ImageError(f"more than {limits.size} bytes when unpacked")
        while data:
            data = data[os.write(file, data) :]
    if wanted:
        raise ImageError(f"{member.name}: it ends {wanted} bytes early")


def _look(member: tarfile.TarInfo) -> Look:
    attributes = tuple(
        (name, value.encode("utf-8", "surrogateescape"))
        for key, value in member.pax_headers.items()
        if key.startswith(ATTRIBUTE) and _is_taken(name := key.removeprefix(ATTRIBUTE))
    )
    time = float(member.mtime)
    time = min(max(time, OLDEST), NEWEST) if time == time else OLDEST  # not a number is none
    return Look(member.mode & 0o7777, member.uid, member.gid, time, attributes)


def _is_taken(name: str) -> bool:
    return name.startswith(TAKEN_ATTRIBUTES) and not name.startswith(REFUSED_ATTRIBUTES) and "\0" not in name

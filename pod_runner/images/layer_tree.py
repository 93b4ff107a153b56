"""The folder of a layer while it is filled: every path is walked by descriptors, and none leads out of it.

A name's folders are opened as if the layer were `/` (openat2(2)), so that neither `..` nor a link that came
with the layer leads anywhere else; its last part is never followed. What overlayfs needs to hide what lies
below: a whiteout is a character device 0:0, a folder that hides everything has an attribute (overlayfs.rst).
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pod_runner.images.errors import ImageError
from pod_runner.images.looks import UNNAMED, Look, give, mark_opaque, own
from pod_runner.kernel.opening import open_in_root

DEPTH_MAX = 256  # folders below each other; PATH_MAX allows 2048, honest images have 30
PATH_MAX = 4096  # bytes (linux/limits.h)
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Place:
    """A name in a folder that is open."""

    folder: int
    name: str

    def stat(self) -> os.stat_result | None:
        """Return what is there, None if nothing is."""
        with suppress(FileNotFoundError):
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        return None


class LayerTree:
    """The folder of a layer."""

    def __init__(self, folder: Path) -> None:
        self._root = os.open(folder, FOLDER)
        self._known: tuple[str, int] | None = None  # the folder that was used last, open
        self._folders: dict[
            str, Look
        ] = {}  # to be dressed at the end: what is put into them changes their times

    def close(self) -> None:
        """Let go of it."""
        self._forget()
        os.close(self._root)

    def make_file(self, path: str, look: Look, copy: Callable[[int], None]) -> None:
        """Make a file; `copy` writes its content into a descriptor."""
        place = self._cleared(path)
        file = os.open(place.name, NEW_FILE, 0o600, dir_fd=place.folder)
        try:
            copy(file)
            own(lambda: os.chown(file, look.uid, look.gid))
            os.fchmod(file, look.mode)  # after chown, which takes setuid away
            give(file, look)
            os.utime(file, (look.time, look.time))
        finally:
            os.close(file)

    def make_folder(self, path: str, look: Look) -> None:
        """Make a folder, or keep the one that is there."""
        if not path:
            self._folders[path] = look
            return
        place = self._place(path)
        there = place.stat()
        if there is None or not stat.S_ISDIR(there.st_mode):
            self._clear(place, there)
            os.mkdir(place.name, 0o700, dir_fd=place.folder)
            if there is not None and _is_whiteout(there):
                self._hide(place)  # removed and made anew: nothing of the old one is seen
        self._folders[path] = look

    def make_symlink(self, path: str, target: str, look: Look) -> None:
        """Make a symbolic link, whatever it says."""
        place = self._cleared(path)
        os.symlink(target, place.name, dir_fd=place.folder)
        own(lambda: os.chown(place.name, look.uid, look.gid, dir_fd=place.folder, follow_symlinks=False))
        times = (look.time, look.time)
        os.utime(place.name, times, dir_fd=place.folder, follow_symlinks=False)

    def make_link(self, path: str, target: str) -> None:
        """Make another name of a file of this layer. Raises ImageError if there is none."""
        self._forget()  # the two folders are open at once
        place = self._place(path)
        folder, name = self._open_parent(target)
        try:
            there = Place(folder, name).stat()
            if there is None or stat.S_ISDIR(there.st_mode):
                raise ImageError(f"{path}: a link to {target}, which the layer does not have")
            if (own := place.stat()) is not None and os.path.samestat(own, there):
                return
            self._clear(place, own)
            os.link(name, place.name, src_dir_fd=folder, dst_dir_fd=place.folder, follow_symlinks=False)
        finally:
            os.close(folder)

    def make_node(self, path: str, look: Look, kind: int, device: int) -> bool:
        """Make a device or a FIFO; False where this process may not."""
        place = self._cleared(path)
        try:
            os.mknod(place.name, kind | 0o600, device, dir_fd=place.folder)
        except PermissionError:  # in a user namespace: a device of the node is nothing an image may bring
            return False
        own(lambda: os.chown(place.name, look.uid, look.gid, dir_fd=place.folder, follow_symlinks=False))
        os.chmod(place.name, look.mode, dir_fd=place.folder)
        return True

    def hide(self, path: str) -> None:
        """Hide what lower layers have at this path: a whiteout."""
        place = self._place(path)
        there = place.stat()
        if there is None:
            os.mknod(place.name, stat.S_IFCHR, 0, dir_fd=place.folder)
        elif stat.S_ISDIR(there.st_mode):
            self._hide(place)  # the new folder came first in the tar

    def hide_content(self, path: str) -> None:
        """Hide what lower layers have in this folder: it is opaque."""
        if path:
            self.make_folder(path, self._folders.get(path, UNNAMED))
            self._hide(self._place(path))
        else:
            mark_opaque(self._root)

    def dress(self) -> None:
        """Give the folders their owners, modes and times."""
        for path, look in reversed(self._folders.items()):
            folder = self._open_made(path)
            if folder is None:
                continue
            try:
                own(lambda folder=folder, look=look: os.chown(folder, look.uid, look.gid))  # type: ignore[misc]  # mypy infers no defaults
                give(folder, look)
                os.utime(folder, (look.time, look.time))
                os.fchmod(folder, look.mode)
            finally:
                os.close(folder)

    def _open_made(self, path: str) -> int | None:
        place = self._place(path) if path else Place(self._root, ".")
        with suppress(FileNotFoundError, NotADirectoryError):  # a later entry has taken its place
            return os.open(place.name, FOLDER, dir_fd=place.folder)
        return None

    def _hide(self, place: Place) -> None:
        folder = os.open(place.name, FOLDER, dir_fd=place.folder)
        try:
            mark_opaque(folder)
        finally:
            os.close(folder)

    def _cleared(self, path: str) -> Place:
        place = self._place(path)
        self._clear(place, place.stat())
        return place

    def _clear(self, place: Place, there: os.stat_result | None) -> None:
        """Remove what an earlier entry of the same layer made."""
        if there is None:
            return
        if stat.S_ISDIR(there.st_mode):
            shutil.rmtree(place.name, dir_fd=place.folder)
            return
        os.unlink(place.name, dir_fd=place.folder)

    def _place(self, path: str) -> Place:
        above, _, name = path.rpartition("/")
        if self._known is None or self._known[0] != above:
            self._forget()
            self._known = (above, self._open_parent(path)[0])
        return Place(self._known[1], name)

    def _open_parent(self, path: str) -> tuple[int, str]:
        """Open the folder of a path, made where it is missing."""
        above, _, name = path.rpartition("/")
        if not name or name in (".", "..") or len(os.fsencode(path)) >= PATH_MAX:
            raise ImageError(f"{path[:80]}: no path for a file")
        try:
            folder = open_in_root(self._root, above, FOLDER & ~os.O_NOFOLLOW)
        except FileNotFoundError:
            folder = self._make_way(above)
        except NotADirectoryError as error:
            raise ImageError(f"{path}: a file stands where its folder should be") from error
        if self._depth(folder) > DEPTH_MAX:
            os.close(folder)
            raise ImageError(f"{path[:80]}: more than {DEPTH_MAX} folders below each other")
        return folder, name

    def _make_way(self, path: str) -> int:
        """Make the folders of a path, as a tar may not name them (`mkdir -p`)."""
        above = ""
        for name in path.split("/"):
            folder = open_in_root(self._root, above, FOLDER & ~os.O_NOFOLLOW)
            above = f"{above}/{name}" if above else name
            try:
                os.mkdir(name, 0o700, dir_fd=folder)
                self._folders.setdefault(above, UNNAMED)
            except FileExistsError:  # a link that leads nowhere yet, or a folder
                continue
            finally:
                os.close(folder)
        return open_in_root(self._root, path, FOLDER & ~os.O_NOFOLLOW)

    def _depth(self, folder: int) -> int:
        try:
            there = _path_of(folder)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            return DEPTH_MAX + 1
        return there.count("/") - _path_of(self._root).count("/")

    def _forget(self) -> None:
        if self._known is not None:
            os.close(self._known[1])
            self._known = None


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _is_whiteout(there: os.stat_result) -> bool:
    return stat.S_ISCHR(there.st_mode) and there.st_rdev == 0

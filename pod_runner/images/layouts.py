"""OCI layouts and archives of them, and archives of `docker save` -> ImageSources.

podman, skopeo, containerd and Docker write an OCI layout, or the older manifest.json, or both in one archive.
"""

from __future__ import annotations

import os
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from pod_runner.images.documents import (
    Configuration,
    Descriptor,
    Index,
    SavedImage,
    choose,
    read_document,
    read_saved,
    this_machine,
)
from pod_runner.images.errors import ImageError
from pod_runner.images.sources import ImageSource, LayerSource, digest_of, oci_image, read_all
from pod_runner.images.streams import Reader
from pod_runner.kernel.opening import open_beneath

INDEX, SAVED = "index.json", "manifest.json"
NAME_KEYS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")  # the second may be a mere tag
MEMBERS_MAX = 100_000  # files of an archive; a large one has a thousand
LINKS_MAX = 5  # Docker once wrote a layer that is there already as a link to it


class Files(Protocol):
    """The files of a layout."""

    def open(self, path: str) -> AbstractContextManager[Reader]:
        """Open one. Raises ImageError: it is not there."""

    def has(self, path: str) -> bool:
        """Tell whether it is there."""


class FolderFiles:
    """A layout that is a folder. No link leads out of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, path: str) -> Iterator[Reader]:
        """Open a file."""
        root = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            descriptor = open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise ImageError(f"{self._folder}/{path}: {error.strerror}") from error
        finally:
            os.close(root)
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def has(self, path: str) -> bool:
        """Tell whether a file is there."""
        return (self._folder / path).is_file()


class ArchiveFiles:
    """A layout in a tar, which may be compressed."""

    def __init__(self, archive: tarfile.TarFile, what: str) -> None:
        self._archive, self._what = archive, what
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in archive:
            self._members[posixpath.normpath(member.name)] = member
            if len(self._members) > MEMBERS_MAX:
                raise ImageError(f"{what}: more than {MEMBERS_MAX} files")

    @contextmanager
    def open(self, path: str) -> Iterator[Reader]:
        """Open a file."""
        file = self._find(path)
        if file is None:
            raise ImageError(f"{self._what} has no file {path}")
        with file:
            yield file

    def has(self, path: str) -> bool:
        """Tell whether a file is there."""
        return posixpath.normpath(path) in self._members

    def _find(self, path: str) -> IO[bytes] | None:
        path = posixpath.normpath(path)
        for _ in range(LINKS_MAX):
            member = self._members.get(path)
            if member is None:
                return None
            if member.isreg():
                return self._archive.extractfile(member)
            if member.issym():
                path = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname))
            else:
                path = posixpath.normpath(member.linkname)
        return None


@contextmanager
def open_layout(source: Path, tag: str = "") -> Iterator[list[ImageSource]]:
    """Open an archive or a layout, and give the images in it for this machine; they can be read inside.

    `tag`: only what is called so, whole or behind its last colon.

    Raises:
        ImageError: it is neither, or it is damaged.
    """
    try:
        if source.is_dir():
            yield images_in(FolderFiles(source), str(source), tag)
            return
        with tarfile.open(source) as archive:
            yield images_in(ArchiveFiles(archive, str(source)), str(source), tag)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ImageError(f"{source} is no archive of images: {error}") from error
    except OSError as error:
        raise ImageError(f"{error.filename or source}: {error.strerror or error}") from error


def images_in(files: Files, what: str, tag: str) -> list[ImageSource]:
    """Return the images of a layout; `tag`: that one alone, "": all. Raises ImageError."""
    if files.has(INDEX):
        with files.open(INDEX) as stream:
            index = read_document(Index, read_all(stream, what), f"{what}: {INDEX}")
        found = _fitting(index, tag, what)
        return _unite([oci_image(_LayoutBlobs(files), one, _names(one)) for one in found])
    if files.has(SAVED):
        with files.open(SAVED) as stream:
            saved = read_saved(read_all(stream, what), f"{what}: {SAVED}")
        return [_saved_image(files, one) for one in saved if not tag or _has_tag(one.names, tag)]
    raise ImageError(f"{what} is no image: it has neither {INDEX} (OCI) nor {SAVED} (docker save)")


class _LayoutBlobs:
    def __init__(self, files: Files) -> None:
        self._files = files

    def open(self, digest: str) -> AbstractContextManager[Reader]:
        kind, _, name = digest.partition(":")
        return self._files.open(f"blobs/{kind}/{name}")


def _names(descriptor: Descriptor) -> tuple[str, ...]:
    found = [name for key in NAME_KEYS if (name := descriptor.annotations.get(key, ""))]
    return tuple(found[:1])


def _fitting(index: Index, tag: str, what: str) -> list[Descriptor]:
    """Return one descriptor for each name: where a name has several, they are for several machines."""
    groups: dict[tuple[str, ...], list[Descriptor]] = {}
    for one in index.manifests:
        if not tag or _has_tag(_names(one), tag):
            groups.setdefault(_names(one), []).append(one)
    machine = this_machine()
    return [one[0] if len(one) == 1 else choose(tuple(one), machine, what) for one in groups.values()]


def _has_tag(names: tuple[str, ...], tag: str) -> bool:
    return any(tag in (name, name.rpartition(":")[2]) for name in names)


def _unite(images: list[ImageSource]) -> list[ImageSource]:
    """Make one of those that are the same under several names."""
    by_digest: dict[str, ImageSource] = {}
    for one in images:
        names = by_digest[one.digest].names if one.digest in by_digest else ()
        by_digest[one.digest] = ImageSource(
            one.digest, one.configuration, one.layers, tuple(dict.fromkeys((*names, *one.names)))
        )
    return list(by_digest.values())


def _saved_image(files: Files, saved: SavedImage) -> ImageSource:
    with files.open(saved.config) as stream:
        body = read_all(stream, saved.config)
    count = len(read_document(Configuration, body, saved.config).rootfs.diff_ids)
    if count != len(saved.layers):
        raise ImageError(f"{saved.config}: {count} layers, but {len(saved.layers)} files of them")
    layers = tuple(LayerSource(partial(files.open, one)) for one in saved.layers)
    return ImageSource(digest_of(body), body, layers, saved.names)

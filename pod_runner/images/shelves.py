"""Layers and configurations on disk, by their digests, and who uses them.

    layers/HEX32        a layer, unpacked; HEX32 begins its diff id: overlayfs gets many of them in one line
    layers/HEX32.json   its whole diff id and its size; the file's time: when somebody last asked for it
    blobs/sha256/HEX    configurations
    used/HEX32          a container's folder, and the layers that its root is made of
    gone/               what is being removed
    fresh/HEX32         a layer while it is unpacked, by the holder of locks/HEX32; left over if nobody is

A layer is there when its folder has its name, and not before: a kill in the middle leaves nothing that is
used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from pod_runner.images.errors import ImageError
from pod_runner.images.locks import held, write_whole
from pod_runner.images.sources import LayerSource, check_digest
from pod_runner.images.streams import Hashed, decompressed
from pod_runner.images.unpacking import LIMITS, Limits, unpack

FOLDERS = ("layers", "blobs/sha256", "used", "fresh", "gone", "locks")
HEX = 32  # digits of a digest that make a name: 128 bits


class Shelves:
    """The folder of a store."""

    def __init__(self, root: Path, limits: Limits = LIMITS) -> None:
        self.root, self._limits = root, limits

    def make(self) -> None:
        """Make the folders. Nobody else may look in: images have programs with setuid."""
        if not (self.root / FOLDERS[-1]).is_dir():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in FOLDERS:
                (self.root / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def lock(self, name: str) -> Path:
        """Return the file of a lock."""
        return self.root / "locks" / name

    def layer(self, diff_id: str) -> Path:
        """Return where a layer is, or would be."""
        return self.root / "layers" / short(diff_id)

    def has(self, layers: Iterable[str]) -> bool:
        """Tell whether all layers are there; those that are stay for a while (`prune`, spare)."""
        found = True
        for diff_id in layers:
            try:
                os.utime(_note(self.layer(diff_id)))
            except FileNotFoundError:
                found = False
            found = found and self.layer(diff_id).is_dir()
        return found

    def size(self, diff_id: str) -> int:
        """Return the bytes of a layer's files, 0 if it is not there."""
        try:
            return int(json.loads(_note(self.layer(diff_id)).read_bytes())["size"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0

    def take_layer(self, diff_id: str, source: LayerSource) -> None:
        """Unpack a layer, unless it is there; who comes second waits for the first.

        Raises:
            ImageError: it cannot be read, or is not what its digests say.
        """
        with held(self.lock(short(diff_id))):
            if self.has((diff_id,)):
                return
            fresh = self.root / "fresh" / short(diff_id)
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o755)
            try:
                size = self._fill(fresh, diff_id, source)
                self.place(fresh, diff_id, size)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)  # it has gone to its place, or it is of no use

    def place(self, fresh: Path, diff_id: str, size: int) -> None:
        """Give a filled folder its name."""
        note = {"diff_id": diff_id, "size": size}
        write_whole(_note(self.layer(diff_id)), json.dumps(note).encode())
        fresh.rename(self.layer(diff_id))

    def put_blob(self, digest: str, body: bytes) -> None:
        """Keep a document."""
        path = self._blob(digest)
        if not path.exists():
            with held(self.lock(short(digest))):
                write_whole(path, body)

    def blob(self, digest: str) -> bytes:
        """Return a document. Raises ImageError: it is missing, or damaged."""
        try:
            body = self._blob(digest).read_bytes()
        except FileNotFoundError as error:
            raise ImageError(f"{digest} is not in {self.root}") from error
        check_digest(body, digest)
        return body

    def note_use(self, folder: Path, layers: Iterable[Path]) -> None:
        """Note that a container's root, in this folder, is made of these layers."""
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:HEX]
        body = {"folder": str(folder), "layers": [one.name for one in layers]}
        write_whole(self.root / "used" / name, json.dumps(body).encode())

    def sweep(self, layers: Collection[str], blobs: Collection[str], spare: float) -> int:
        """Remove all but these diff ids and digests, and what containers use; return how many bytes that was.

        The caller keeps everybody else from fetching meanwhile, and calls `empty_bin` when they may again.
        What was asked for in the last `spare` seconds stays.
        """
        for one in (self.root / "fresh").iterdir():
            self._discard(one)
        kept = {short(one) for one in layers} | self._used()
        removed = 0
        for note in (self.root / "layers").glob("*.json"):
            if note.stem not in kept and time.time() - note.stat().st_mtime >= spare:
                removed += self._remove_layer(note)
        for blob in (self.root / "blobs/sha256").iterdir():
            if f"sha256:{blob.name}" not in blobs:
                blob.unlink()
        return removed

    def empty_bin(self) -> None:
        """Remove the files of what was swept; it takes long, and disturbs nobody."""
        for one in (self.root / "gone").iterdir():
            shutil.rmtree(one, ignore_errors=True)  # somebody else may be at it

    def _discard(self, folder: Path) -> None:
        """Take a folder away at once: half a layer is no layer."""
        folder.rename(self.root / "gone" / f"{folder.name}-{time.monotonic_ns()}")

    def _remove_layer(self, note: Path) -> int:
        layer = note.with_suffix("")
        size = int(json.loads(note.read_bytes()).get("size", 0))
        if layer.exists():
            self._discard(layer)
        note.unlink()
        return size

    def _used(self) -> set[str]:
        """Return the names of layers that containers use; forget containers whose folder has gone."""
        names: set[str] = set()
        for one in (self.root / "used").iterdir():
            try:
                use = json.loads(one.read_bytes())
                if Path(use["folder"]).exists():
                    names |= set(use["layers"])
                    continue
            except (ValueError, KeyError, TypeError):  # torn by a full disk
                pass
            one.unlink()
        return names

    def _fill(self, fresh: Path, diff_id: str, source: LayerSource) -> int:
        """Unpack into a folder and compare both digests; return the size of the files."""
        what = source.digest or diff_id
        with source.open() as stream:
            packed = Hashed(stream, source.size or self._limits.size, what)
            plain = Hashed(decompressed(packed, what), 2 * self._limits.size, what)  # headers, padding
            size = unpack(plain, fresh, self._limits).size
            _compare(plain.finish(), diff_id)
            if source.digest:
                _compare(packed.finish(), source.digest)
        return size

    def _blob(self, digest: str) -> Path:
        return self.root / "blobs" / digest.replace(":", "/", 1)


def short(digest: str) -> str:
    """Return the name that a digest has in a store."""
    return digest.partition(":")[2][:HEX]


def _note(layer: Path) -> Path:
    return layer.with_name(f"{layer.name}.json")


def _compare(came: str, wanted: str) -> None:
    if came != wanted:
        raise ImageError(f"a damaged layer: expected {wanted}, came {came}")

"""Streams of bytes that are read forward, once: counted, hashed, decompressed, and never much at a time."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import threading
import zlib
from typing import Protocol, cast

from pod_runner.images.errors import ImageError

CHUNK = 1 << 20  # bytes that are read at once
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # how they begin (RFC 1952, RFC 8878)


class Reader(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, b"" at the end."""


class Hashed:
    """A stream whose digest and length are known once it was read to its end."""

    def __init__(self, source: Reader, limit: int, what: str) -> None:
        """Wrap a stream; beyond `limit` bytes it raises ImageError, where `what` is named."""
        self._source, self._limit, self._what = source, limit, what
        self._hash = hashlib.sha256()
        self.length = 0

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes."""
        data = self._source.read(size)
        self.length += len(data)
        if self.length > self._limit:
            raise ImageError(f"{self._what}: more than {self._limit} bytes")
        self._hash.update(data)
        return data

    def finish(self) -> str:
        """Read to the end and return the digest, "sha256:..."."""
        while self.read(CHUNK):
            continue
        return f"sha256:{self._hash.hexdigest()}"


class Begun:
    """A stream whose first bytes were looked at already."""

    def __init__(self, source: Reader, length: int) -> None:
        self._source = source
        self.first = b""
        while len(self.first) < length and (data := source.read(length - len(self.first))):
            self.first += data
        self._left = self.first

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes."""
        if self._left:
            data, self._left = self._left[:size], self._left[size:]
            return data
        return self._source.read(size)


class Forward:
    """A stream with a position, as tarfile wants it: it goes forward only, and no read is larger than CHUNK.

    tarfile reads headers whole, however long they say they are; no honest one is that long.
    """

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._at = 0

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._at

    def seek(self, position: int) -> int:
        """Go forward."""
        if position < self._at:
            raise ImageError("a tar file that leads backwards")
        while self._at < position and self.read(min(CHUNK, position - self._at)):
            continue
        return self._at

    def read(self, size: int, /) -> bytes:
        """Return so many bytes; fewer only at the end."""
        if not 0 <= size <= CHUNK:
            raise ImageError(f"a tar file with a header of {size} bytes")
        parts, left = [], size
        while left and (data := self._source.read(left)):
            parts.append(data)
            left -= len(data)
        self._at += size - left
        return parts[0] if len(parts) == 1 else b"".join(parts)


def decompressed(source: Reader, what: str) -> Reader:
    """Return the plain bytes of a stream, by how it begins: gzip, zstd, or plain already.

    Raises:
        ImageError: it is zstd, and nothing here reads that.
    """
    begun = Begun(source, 4)
    if begun.first.startswith(GZIP):
        return _Gunzipped(begun, what)
    return _unzstd(begun, what) if begun.first == ZSTD else begun


class _Gunzipped:
    def __init__(self, source: Reader, what: str) -> None:
        self._file = gzip.GzipFile(fileobj=cast("gzip._ReadableFileobj", source))
        self._what = what

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ImageError(f"{self._what}: damaged: {error}") from error


def _unzstd(source: Reader, what: str) -> Reader:
    if program := shutil.which("zstd"):
        return _Unzstd(source, program, what)
    raise ImageError(f"{what}: compressed by zstd, and there is no program zstd here to read it")


class _Unzstd:
    """zstd(1) between two pipes; a thread feeds it."""

    def __init__(self, source: Reader, program: str, what: str) -> None:
        self._source, self._what = source, what
        self._failure: BaseException | None = None
        self._process = subprocess.Popen(
            [program, "-dcq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._thread = threading.Thread(target=self._feed, name="zstd", daemon=True)
        self._thread.start()

    def read(self, size: int, /) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if not data:
            self._thread.join()
            if self._process.wait() or self._failure:
                raise ImageError(f"{self._what}: damaged: {self._failure or 'zstd cannot read it'}")
        return data

    def _feed(self) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                while data := self._source.read(CHUNK):
                    pipe.write(data)
        except BrokenPipeError:  # zstd has refused it; its exit status tells
            return
        except (OSError, ImageError) as error:
            self._failure = error

    def __del__(self) -> None:
        self._process.kill()  # where the reader gave up
        self._process.wait()

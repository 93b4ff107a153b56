"""ImageSource: an image that can be read, wherever it is. OCI's documents and blobs become one here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from pod_runner.images.documents import (
    DOCUMENT_MAX,
    Descriptor,
    Index,
    Manifest,
    choose,
    is_index,
    read_document,
    this_machine,
)
from pod_runner.images.errors import ImageError
from pod_runner.images.streams import CHUNK, Reader

NESTING_MAX = 4  # indexes in indexes; archives of containerd have two


class Blobs(Protocol):
    """Where blobs are."""

    def open(self, digest: str) -> AbstractContextManager[Reader]:
        """Open a blob. Raises ImageError: it is not there."""


@dataclass(frozen=True)
class LayerSource:
    """A layer that can be read. `digest` and `size` of the blob; "" and 0 where an archive does not say."""

    open: Callable[[], AbstractContextManager[Reader]]
    digest: str = ""
    size: int = 0


@dataclass(frozen=True)
class ImageSource:
    """An image. `names` are those it has there; `layers` begin with the lowest."""

    digest: str
    configuration: bytes
    layers: tuple[LayerSource, ...]
    names: tuple[str, ...] = ()


def oci_image(blobs: Blobs, descriptor: Descriptor, names: tuple[str, ...] = ()) -> ImageSource:
    """Return the image for this machine that a descriptor leads to. Raises ImageError."""
    for _ in range(NESTING_MAX):
        body = read_blob(blobs, descriptor)
        if not is_index(body, descriptor.media_type, descriptor.digest):
            return image_of(blobs, read_document(Manifest, body, descriptor.digest), descriptor.digest, names)
        index = read_document(Index, body, descriptor.digest)
        descriptor = choose(index.manifests, this_machine(), descriptor.digest)
    raise ImageError(f"{descriptor.digest}: indexes of indexes of indexes")


def image_of(blobs: Blobs, manifest: Manifest, digest: str, names: tuple[str, ...] = ()) -> ImageSource:
    """Return the image of a manifest. Raises ImageError."""
    layers = tuple(
        LayerSource(partial(blobs.open, one.digest), one.digest, one.size) for one in manifest.layers
    )
    return ImageSource(digest, read_blob(blobs, manifest.config), layers, names)


def read_blob(blobs: Blobs, descriptor: Descriptor) -> bytes:
    """Return a document that a descriptor names. Raises ImageError: it is too large, or another."""
    with blobs.open(descriptor.digest) as stream:
        body = read_all(stream, descriptor.digest)
    check_digest(body, descriptor.digest)
    return body


def read_all(stream: Reader, what: str) -> bytes:
    """Return a document. Raises ImageError if it is larger than any."""
    parts, length = [], 0
    while data := stream.read(CHUNK):
        parts.append(data)
        length += len(data)
        if length > DOCUMENT_MAX:
            raise ImageError(f"{what}: larger than {DOCUMENT_MAX >> 20} MiB")
    return b"".join(parts)


def digest_of(body: bytes) -> str:
    """Return a document's digest."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def check_digest(body: bytes, digest: str) -> None:
    """Raise ImageError if a document is not what was asked for."""
    if (came := digest_of(body)) != digest:
        raise ImageError(f"damaged: expected {digest}, came {came}")

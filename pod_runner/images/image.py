"""Image: what a container needs of an image, whatever it came from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOST = "host"  # the reference that names the node's own files
# Where an image does not say; podman's and Docker's
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """An image that is there. `layers` are folders, topmost first; nothing is written to them.

    `digest` is what a status shows as imageID: of the manifest, or of the configuration where an archive has
    none; "" for a plain folder and the node's own files. `user` as the image says it: "www-data", "33:33".
    `parts` are folders of the node that are seen in the root at the same place. `store`: whose layers these
    are.
    """

    reference: str
    layers: tuple[Path, ...]
    digest: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH})
    cwd: str = "/"
    user: str = ""
    stop_signal: int = 15
    parts: tuple[Path, ...] = ()
    store: Path | None = None


@dataclass(frozen=True)
class StoredImage:
    """A line of the list of images. `size`: bytes of its layers, unpacked; `made`: seconds since 1970."""

    reference: str
    digest: str
    size: int
    made: float

"""ImageStore: the images of a node, in one folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pod_runner.images.image import Image, StoredImage


@dataclass(frozen=True)
class ImageStore:
    """A folder of images. Several processes may use it at once; a pull that several ask for is done once."""

    root: Path

    def ensure(self, reference: str, policy: str = "IfNotPresent") -> Image:
        """Return an image, fetched first as imagePullPolicy says: Always, IfNotPresent or Never.

        Raises:
            ContainerError: ErrImagePull, ErrImageNeverPull or InvalidImageName.
        """
        raise NotImplementedError

    def add(self, source: Path, name: str = "") -> list[StoredImage]:
        """Take the images of an archive or a layout, under their own names or this one.

        Raises:
            ContainerError: ErrImagePull; it is none, or it is damaged.
        """
        raise NotImplementedError

    def list(self) -> list[StoredImage]:
        """Return what is there, by name."""
        raise NotImplementedError

    def remove(self, reference: str) -> bool:
        """Forget a name; False if nobody has it. What it alone needed goes with the next `prune`."""
        raise NotImplementedError

    def prune(self, pods: Iterable[Path] = (), *, spare: float = 60.0) -> int:
        """Remove what no name and no pod's folder below `pods` needs; return how many bytes that was.

        What somebody asked for in the last `spare` seconds stays: its pod may be about to begin.
        """
        raise NotImplementedError

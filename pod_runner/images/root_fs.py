"""An image and a container's folder -> RootFs."""

from __future__ import annotations

from pathlib import Path

from pod_runner.container.spec import RootFs
from pod_runner.images.image import HOST, Image

HOST_IMAGE = HOST


def root_fs(image: Image, folder: Path, *, read_only: bool = False) -> RootFs:
    """Make the folders of a container's root and return it; what is there already is kept.

    `folder` is `root/<container>` of the pod's folder; the image's layers are noted there, so that they stay.
    `read_only`: nobody will write to it, so nothing is made for what would be written.
    """
    raise NotImplementedError

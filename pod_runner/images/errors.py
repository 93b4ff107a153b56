"""ImageError: an image could not be fetched, read or unpacked."""

from __future__ import annotations

from pod_runner.container.spec import ContainerError

PULL, NEVER, NAME = "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"  # kubelet's words


class ImageError(ContainerError):
    """Which image, what was tried, and what was said."""

    def __init__(self, message: str, reason: str = PULL) -> None:
        super().__init__(message, reason)

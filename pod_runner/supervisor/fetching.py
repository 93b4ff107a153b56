"""A container's image: the node's own files at once, others by a task, which may take minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pod_runner.container.spec import ContainerError
from pod_runner.images.image import HOST, Image
from pod_runner.images.store import ImageStore
from pod_runner.manifests.container import Container
from pod_runner.supervisor.loop import Loop
from pod_runner.supervisor.tasks import Task


def is_nodes_own(reference: str) -> bool:
    """Tell whether an image is the node's own files."""
    return reference in ("", HOST)


class Fetching:
    """Gets one container's image. `failures` counts those in a row."""

    def __init__(self, loop: Loop, container: Container, images: str) -> None:
        self.failures = 0
        self._loop, self._container, self._images = loop, container, images
        self._image: Image | None = None
        self._task: Task[Image] | None = None

    @property
    def is_busy(self) -> bool:
        """Tell whether it is being fetched."""
        return self._task is not None

    def fetch(self, got: Callable[[Image], None], failed: Callable[[ContainerError], None]) -> None:
        """Call `got`, now or later, or `failed`."""
        reference, policy = self._container.image, self._container.image_pull_policy
        store = ImageStore(Path(self._images))
        if self._image is not None and (policy != "Always" or is_nodes_own(reference)):
            got(self._image)
            return

        def ended(result: Image | ContainerError) -> None:
            self._task = None
            if isinstance(result, ContainerError):
                self.failures += 1
                failed(self._said(result))
            else:
                self.failures, self._image = 0, result
                got(result)

        if not is_nodes_own(reference):
            self._task = Task(self._loop, lambda: store.ensure(reference, policy), ended)
            return
        try:
            ended(store.ensure(HOST))  # nothing to wait for
        except ContainerError as error:  # a full disk: /etc could not be copied
            ended(error)

    def cancel(self) -> None:
        """Stop it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _said(self, error: ContainerError) -> ContainerError:
        """Return the error as kubelet names it: the first as it is, later ones as a back-off."""
        if error.reason != "ErrImagePull" or self.failures == 1:
            return error
        return ContainerError(
            f'Back-off pulling image "{self._container.image}": {error}', "ImagePullBackOff"
        )

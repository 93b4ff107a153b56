"""A container's volumeMounts -> Mount values."""

from __future__ import annotations

from pod_runner.container.spec import Mount, Tmpfs
from pod_runner.manifests.container import Container
from pod_runner.volumes.preparing import Volumes


def mounts_of(container: Container, volumes: Volumes) -> tuple[Mount | Tmpfs, ...]:
    """Return what is mounted in a container: the files of /etc first, then its volumeMounts.

    `volumes` is what `prepare_volumes` returned.

    Raises:
        ContainerError: a subPath leads out of its volume.
    """
    raise NotImplementedError

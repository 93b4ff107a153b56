"""A container's volumeMounts -> Mount values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pod_runner.container.spec import Mount, Tmpfs
from pod_runner.supervisor.order import PodOrder


def mounts_of(
    order: PodOrder, container: str, volumes: Mapping[str, Path], env: Mapping[str, str]
) -> tuple[Mount | Tmpfs, ...]:
    """Return what is mounted in a container of this name: /etc's files first, then its volumeMounts.

    `volumes` is what `prepare_volumes` returned; `env` the container's variables, for subPathExpr.

    Raises:
        ContainerError: a subPath leads out of its volume.
    """
    raise NotImplementedError

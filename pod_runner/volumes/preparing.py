"""A pod's volumes -> folders of the node."""

from __future__ import annotations

from pathlib import Path

from pod_runner.supervisor.order import JsonObject, PodOrder


def prepare_volumes(order: PodOrder, *, pause: int = 0) -> dict[str, Path]:
    """Make a pod's volumes, and return where each one is; what is there already is kept.

    To be called before the sandbox is started: volumes in memory are mounted in a mount namespace of this
    process's own, which the pause process inherits. `pause`: the pid of a pause process that runs already, of an
    earlier supervisor; this process then moves into its mount namespace.

    Raises:
        ContainerError: a volume cannot be made; a ConfigMap is missing (reason CreateContainerConfigError).
    """
    raise NotImplementedError


def update_config_maps(order: PodOrder) -> list[str]:
    """Write files anew where a ConfigMap of the order has changed; return the volumes that did.

    Running containers see the new files, but where a subPath or a single file was mounted (as in Kubernetes).
    """
    raise NotImplementedError


def disk_usage(folder: Path) -> int:
    """Return how many bytes a pod's folder takes on disk: written files, volumes, logs that lie there."""
    raise NotImplementedError


__all__ = ["JsonObject", "disk_usage", "prepare_volumes", "update_config_maps"]

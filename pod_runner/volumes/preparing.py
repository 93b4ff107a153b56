"""A pod's volumes -> folders of the node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.order import PodOrder


@dataclass(frozen=True)
class PreparedVolume:
    """Where a volume is on the node. `is_read_only` says so whatever a container asks for."""

    path: Path
    is_read_only: bool = False


Volumes = dict[str, PreparedVolume]  # by name; the files of /etc by their path, which is no volume's name


def prepare_volumes(order: PodOrder, pod: Pod, *, pause: int = 0) -> Volumes:
    """Make a pod's volumes, and return where each one is; what is there already is kept.

    To be called before the sandbox is started: volumes in memory are mounted in a mount namespace of this
    process's own, which the pause process inherits. `pause`: the pid of a pause process of an earlier
    supervisor; this process then moves into its mount namespace. The process must have one thread.

    Raises:
        ContainerError: a volume cannot be made; a ConfigMap is missing (reason CreateContainerConfigError).
    """
    raise NotImplementedError


def update_config_maps(order: PodOrder, pod: Pod) -> list[str]:
    """Write files anew where a ConfigMap of the order has changed; return the volumes that did.

    Running containers see the new files, but where a subPath was mounted (as in Kubernetes).
    """
    raise NotImplementedError

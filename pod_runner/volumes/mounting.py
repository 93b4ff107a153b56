"""A container's volumeMounts -> Mount values."""

from __future__ import annotations

from pathlib import PurePosixPath

from pod_runner.container.spec import ContainerError, Mount, Tmpfs
from pod_runner.manifests.container import Container
from pod_runner.manifests.volumes import VolumeMount
from pod_runner.volumes.preparing import PreparedVolume, Volumes

PROPAGATION = {
    "None": "private",
    "HostToContainer": "slave",
    "Bidirectional": "shared",
}  # core/v1 -> mount(8)


def mounts_of(container: Container, volumes: Volumes) -> tuple[Mount | Tmpfs, ...]:
    """Return what is mounted in a container: the files of /etc first, then its volumeMounts.

    `volumes` is what `prepare_volumes` returned.

    Raises:
        ContainerError: a subPath leads out of its volume, or there is no such volume.
    """
    own = {str(PurePosixPath(one.mount_path)) for one in container.volume_mounts}
    etc = [
        Mount(one.path, target) for target, one in volumes.items() if target[0] == "/" and target not in own
    ]
    return (*etc, *(_mount(container, one, volumes) for one in container.volume_mounts))


def _mount(container: Container, one: VolumeMount, volumes: Volumes) -> Mount:
    volume: PreparedVolume | None = volumes.get(one.name)
    if volume is None:
        raise ContainerError(f"container {container.name}: there is no volume {one.name!r}")
    below = PurePosixPath(one.sub_path)
    if below.is_absolute() or ".." in below.parts:
        raise ContainerError(f"container {container.name}: subPath {one.sub_path!r} leads out of {one.name}")
    return Mount(
        source=volume.path,
        target=str(PurePosixPath(one.mount_path)),
        read_only=one.read_only or volume.is_read_only,
        sub_path="" if str(below) == "." else str(below),
        propagation=PROPAGATION[one.mount_propagation],
    )

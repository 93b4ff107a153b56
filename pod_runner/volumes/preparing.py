"""A pod's volumes -> folders of the node."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pod_runner.container.ids import require_groups
from pod_runner.container.spec import ContainerError
from pod_runner.manifests.pod import Pod
from pod_runner.manifests.volumes import Volume
from pod_runner.supervisor.fields import Facts
from pod_runner.supervisor.order import PodOrder
from pod_runner.volumes import memory
from pod_runner.volumes.config_files import files_of, write_files
from pod_runner.volumes.etc_files import ETC_FILES, hostname_of
from pod_runner.volumes.host_paths import ensure_host_path
from pod_runner.volumes.memory import MemoryVolume


@dataclass(frozen=True)
class PreparedVolume:
    """Where a volume is on the node. `is_read_only` says so whatever a container asks for."""

    path: Path
    is_read_only: bool = False


Volumes = dict[str, PreparedVolume]  # by name; the files of /etc by their path, which is no volume's name


def prepare_volumes(order: PodOrder, pod: Pod, *, pause: int = 0) -> Volumes:
    """Make a pod's volumes, and return where each one is; what is there already is kept.

    Volumes in memory are mounted in a mount namespace of this process's own, which it makes where it needs
    one: the process must have one thread. `pause`: the pause process of an earlier supervisor, which keeps
    them.

    Raises:
        ContainerError: a volume cannot be made; a ConfigMap, or the group that owns them, is missing (reason
            CreateContainerConfigError).
    """
    if (group := pod.spec.security_context.fs_group) is not None and pod.spec.host_users:
        require_groups("volumes of the pod", [group])
    try:
        memory.ensure_mounted(memory_volumes(order, pod), pause)
        found = {one.name: _prepare(order, pod, one) for one in pod.spec.volumes}
        for target, path in etc_paths(order).items():
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            path.touch(mode=0o644)
            found[target] = PreparedVolume(path)
    except OSError as error:
        raise ContainerError(f"volumes of the pod: {error.filename}: {error.strerror}") from error
    return found


def keep_volumes(order: PodOrder, pod: Pod, pause: int) -> None:
    """Let the pause process keep the volumes in memory, for the supervisor after this one.

    Raises:
        ContainerError: it is not so; what is in them would end with this process.
    """
    try:
        if in_memory := memory_volumes(order, pod):
            memory.keep(in_memory, pause)
    except OSError as error:
        raise ContainerError(f"volumes in memory: {error.filename}: {error.strerror}") from error


def update_config_maps(order: PodOrder, pod: Pod) -> list[str]:
    """Write files anew where a ConfigMap of the order has changed; return the volumes that did.

    Running containers see the new files, but where a subPath was mounted (as in Kubernetes). What a volume
    has stays if its ConfigMap, or a key that it names, has gone.
    """
    changed = []
    for volume in pod.spec.volumes:
        try:
            if _write_config(order, pod, volume):
                changed.append(volume.name)
        except ContainerError:  # what is there is better than nothing
            continue
    return changed


def memory_volumes(order: PodOrder, pod: Pod) -> list[MemoryVolume]:
    """Return the volumes that are memory. One without a size may fill what the pod's containers may have."""
    limits = [one.resources.memory_limit for one in pod.spec.containers]
    most = sum(one for one in limits if one is not None) if all(limits) else None
    gid = pod.spec.security_context.fs_group
    return [
        MemoryVolume(_own_folder(order, one), most if one.empty_dir.size is None else one.empty_dir.size, gid)
        for one in pod.spec.volumes
        if one.empty_dir is not None and one.empty_dir.medium == "Memory"
    ]


def etc_paths(order: PodOrder) -> dict[str, Path]:
    """Return where the pod's files of /etc are, by where containers see them."""
    return {f"/etc/{name}": order.folder / "etc" / name for name in ETC_FILES}


def _prepare(order: PodOrder, pod: Pod, volume: Volume) -> PreparedVolume:
    own, gid = _own_folder(order, volume), pod.spec.security_context.fs_group
    if volume.empty_dir is not None:
        if volume.empty_dir.medium != "Memory":
            _make_shared(own, gid)
        return PreparedVolume(own)
    if volume.host_path is not None:
        return PreparedVolume(ensure_host_path(volume.name, volume.host_path))
    if (claim := volume.persistent_volume_claim) is not None:
        path = Path(order.node.volumes, _name(pod.metadata.namespace or "default"), _name(claim.claim_name))
        _make_shared(path, gid)
        return PreparedVolume(path, claim.read_only)
    _write_config(order, pod, volume)
    return PreparedVolume(own, is_read_only=True)


def _write_config(order: PodOrder, pod: Pod, volume: Volume) -> bool:
    """Write the files of a volume that is made of texts; return whether they changed."""
    files = files_of(volume, order.config_maps, _facts(order, pod))
    gid = pod.spec.security_context.fs_group
    return files is not None and write_files(_own_folder(order, volume), files, gid)


def _facts(order: PodOrder, pod: Pod) -> Facts:
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    node = order.node
    return Facts(pod, hostname_of(pod), (), node.address, node.name, os.cpu_count() or 1, pages)


def _own_folder(order: PodOrder, volume: Volume) -> Path:
    return order.folder / "volumes" / _name(volume.name)


def _name(text: str) -> str:
    """Return what names one folder. Raises ContainerError if it leads anywhere else."""
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        raise ContainerError(f"{text[:80]!r} is no name of a volume")
    return text


def _make_shared(path: Path, gid: int | None) -> None:
    """Make a folder that every container may write to, as kubelet does; with fsGroup, files are that group's.

    A folder that is there already stays as it is: a named volume's files may be somebody's.
    """
    if path.is_dir():
        return
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.mkdir(exist_ok=True)
    if gid is not None:
        os.chown(fresh, -1, gid)
    fresh.chmod(0o777 if gid is None else 0o2777)
    fresh.rename(path)

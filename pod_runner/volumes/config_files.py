"""ConfigMaps, and what a pod says of itself, as files; written so that they change all at once.

As kubelet's atomic writer (pkg/volume/util/atomic_writer.go) has it: the files are in a folder with a time
for a name, `..data` is a link to it, and each name is a link through `..data`. To change them is to rename
one link.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from pod_runner.container.spec import ContainerError
from pod_runner.manifests.container import Container
from pod_runner.manifests.volumes import ConfigMapProjection, DownwardProjection, Volume
from pod_runner.supervisor.fields import CONFIG_ERROR, Facts, field_of, resource_of

DATA, NEXT = "..data", "..data_tmp"
ConfigMaps = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class TextFile:
    """A file of a volume."""

    body: bytes
    mode: int


Files = dict[str, TextFile]  # by their path in the volume


def files_of(volume: Volume, config_maps: ConfigMaps, facts: Facts) -> Files | None:
    """Return the files of a volume, None if it is of another kind.

    Raises:
        ContainerError: a ConfigMap or a key of it is missing, a path leads out (CreateContainerConfigError).
    """
    found: Files = {}
    if volume.config_map is not None:
        found |= _of_config_map(volume.name, volume.config_map, volume.config_map.default_mode, config_maps)
    elif volume.downward_api is not None:
        found |= _of_pod(volume.downward_api, volume.downward_api.default_mode, facts)
    elif volume.projected is not None:
        for one in volume.projected.sources:
            if one.config_map is not None:
                mode = volume.projected.default_mode
                found |= _of_config_map(volume.name, one.config_map, mode, config_maps)
            if one.downward_api is not None:
                found |= _of_pod(one.downward_api, volume.projected.default_mode, facts)
    else:
        return None
    for path in found:
        _judge(volume.name, path)
    return found


def write_files(folder: Path, files: Files, gid: int | None = None) -> bool:
    """Make a folder have these files and no others; return whether anything changed. Raises OSError.

    `gid`: the pod's fsGroup, which may read them.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if gid is not None:
        files = {path: TextFile(one.body, one.mode | 0o440) for path, one in files.items()}
    before = folder / DATA
    if before.is_symlink() and _read(before) == files:
        return False
    fresh = Path(mkdtemp(prefix="..", dir=folder))
    for path, one in files.items():
        target = fresh / path
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        target.write_bytes(one.body)
        _own(target, one.mode, gid)
    _own(fresh, 0o755, None)
    (folder / NEXT).unlink(missing_ok=True)
    (folder / NEXT).symlink_to(fresh.name)
    (folder / NEXT).replace(before)
    _link(folder, {PurePosixPath(path).parts[0] for path in files})
    _remove_old(folder, fresh.name)
    return True


def _of_config_map(volume: str, source: ConfigMapProjection, mode: int, config_maps: ConfigMaps) -> Files:
    texts = config_maps.get(source.name)
    if texts is None:
        if source.optional:
            return {}
        raise ContainerError(f"volume {volume}: there is no ConfigMap {source.name!r}", CONFIG_ERROR)
    if not source.items:
        return {key: TextFile(text.encode(), mode) for key, text in texts.items()}
    found = {}
    for one in source.items:
        if one.key in texts:
            file_mode = mode if one.mode is None else one.mode
            found[one.path] = TextFile(texts[one.key].encode(), file_mode)
        elif not source.optional:
            raise ContainerError(
                f"volume {volume}: ConfigMap {source.name!r} has no key {one.key!r}", CONFIG_ERROR
            )
    return found


def _of_pod(source: DownwardProjection, mode: int, facts: Facts) -> Files:
    found = {}
    for one in source.items:
        text = ""
        if one.field_ref is not None:
            text = field_of(facts, one.field_ref.field_path)
        elif one.resource_field_ref is not None:
            reference = one.resource_field_ref
            text = resource_of(facts, reference, _container(facts, reference.container_name))
        found[one.path] = TextFile(text.encode(), mode if one.mode is None else one.mode)
    return found


def _container(facts: Facts, name: str) -> Container:
    spec = facts.pod.spec
    for one in (*spec.containers, *spec.init_containers):
        if one.name == name:
            return one
    raise ContainerError(f"there is no container {name!r}", CONFIG_ERROR)


def _judge(volume: str, path: str) -> None:
    """Refuse what kubelet's validatePath refuses."""
    parts = path.split("/")
    if "" in parts or ".." in parts or parts[0].startswith("..") or len(path) > 4096 or "\0" in path:
        raise ContainerError(
            f"volume {volume}: {path[:80]!r} is no path for a file of a volume", CONFIG_ERROR
        )


def _read(folder: Path) -> Files:
    return {
        str(one.relative_to(folder)): TextFile(one.read_bytes(), one.stat().st_mode & 0o7777)
        for one in _walk(folder)
    }


def _walk(folder: Path) -> Iterator[Path]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _walk(one)
        else:
            yield one


def _link(folder: Path, names: set[str]) -> None:
    """Have a link for each name, and none for others."""
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA}/{name}")
    for one in folder.iterdir():
        if one.name not in names and not one.name.startswith(".."):
            one.unlink()


def _remove_old(folder: Path, kept: str) -> None:
    for one in folder.iterdir():
        if one.name.startswith("..") and one.name not in (DATA, kept) and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)


def _own(path: Path, mode: int, gid: int | None) -> None:
    if gid is not None:
        os.chown(path, -1, gid)
    path.chmod(mode)

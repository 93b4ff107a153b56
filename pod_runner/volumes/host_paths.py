"""hostPath: a path of the node, looked at as its type says (core/v1 HostPathType)."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from pod_runner.container.spec import ContainerError
from pod_runner.manifests.volumes import HostPathSource

FAILED = "CreateContainerError"
_KINDS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a folder"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a folder"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def ensure_host_path(volume: str, source: HostPathSource) -> Path:
    """Return the path, made first where the type says so; without a type a missing one becomes a folder.

    Raises:
        ContainerError: it is missing, or something else.
    """
    path = Path(source.path)
    if not path.is_absolute() or ".." in path.parts:
        raise ContainerError(f"volume {volume}: hostPath {source.path!r} is no path from the root on", FAILED)
    try:
        if not path.exists():
            _make(path, source.type)
        mode = path.stat().st_mode
    except OSError as error:
        raise ContainerError(f"volume {volume}: hostPath {path}: {error.strerror}", FAILED) from error
    if source.type:
        if source.type not in _KINDS:
            raise ContainerError(f"volume {volume}: hostPath has no type {source.type!r}", FAILED)
        fits, wanted = _KINDS[source.type]
        if not fits(mode):
            raise ContainerError(f"volume {volume}: hostPath {path} is not {wanted}", FAILED)
    return path


def _make(path: Path, kind: str) -> None:
    """Make what is missing, as kubelet and containerd do. Another type is the caller's to find missing."""
    if kind in ("", "DirectoryOrCreate"):
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch(mode=0o644)

"""What an install and an uninstall would do. Everything is looked at here, nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from cni_spec.errors import INVALID_CONFIG, IO_FAILURE, CniError
from cni_spec.network_list import parse_network_list
from pod_runner.cni.lists import read_file
from podwire.install.actions import Action, BackUp, Keep, Remove, Restore, Write
from podwire.install.launchers import is_launcher
from podwire.install.manifest import Installed, Manifest, backup_of, digest

SAMPLES = ("bridge", "ptp", "podman", "overlay")
SAMPLE_NAME = "10-podwire-{}.conflist"  # 10: before what distributions call 87-podman or 99-loopback


def sample(name: str) -> bytes:
    """Return a configuration list to begin with. Raises CniError 7 if there is none of that name."""
    if name not in SAMPLES:
        raise CniError(INVALID_CONFIG, f'there is no sample "{name}"; there are {", ".join(SAMPLES)}')
    return files("podwire.samples").joinpath(f"{name}.conflist").read_bytes()


def chosen_list(choice: str) -> tuple[str, bytes]:
    """Return name and content of the configuration list to install: a sample, or a file of the caller's.

    A choice with a slash is a file's path, and keeps its name. Raises CniError if it is no list.
    """
    if "/" not in choice:
        return SAMPLE_NAME.format(choice), sample(choice)
    path = Path(choice)
    if path.suffix != ".conflist":
        raise CniError(INVALID_CONFIG, f"{path}: runtimes look for lists in files named *.conflist")
    data = read_file(path)
    parse_network_list(data, choice)
    return path.name, data


def plan_install(
    wanted: Mapping[Path, tuple[bytes, int]], known: Manifest, *, force: bool
) -> tuple[tuple[Action, ...], Manifest]:
    """Return what puts the wanted files (content and mode) in place, and the manifest that will be true.

    Raises:
        CniError: a directory is missing or cannot be written, or another's file is in the way.
    """
    for directory in sorted({path.parent for path in wanted}):
        _require_writable(directory)
    foreign = [path for path in wanted if _is_foreign(path, known)]
    if foreign and not force:
        names = ", ".join(str(path) for path in foreign)
        raise CniError(
            IO_FAILURE, f"not ours: {names}; --force keeps each as {foreign[0].name}.podwire-backup"
        )
    actions: list[Action] = []
    installed = dict(known.files)
    for path, (data, mode) in wanted.items():
        actions += _plan_file(path, data, mode, is_foreign=path in foreign)
        had_backup = path in installed and installed[path].has_backup
        has_backup = path in foreign or had_backup
        installed[path] = Installed(path=str(path), sha256=digest(data), has_backup=has_backup)
    return tuple(actions), Manifest(known.directory, installed)


def plan_uninstall(known: Manifest) -> tuple[Action, ...]:
    """Return what takes an install away; a file that someone else has written since stays."""
    actions: list[Action] = []
    for path, installed in sorted(known.files.items()):
        if not os.path.lexists(path) and not installed.has_backup:
            continue
        if _is_same_file(path, installed.backup):  # an install was killed before it wrote over the first
            actions.append(Remove(installed.backup))
        elif os.path.lexists(path) and not _is_as_installed(path, installed):
            actions.append(Keep(path, "it was changed since"))
        elif installed.has_backup and os.path.lexists(installed.backup):
            actions.append(Restore(path, installed.backup))
        else:
            actions.append(Remove(path))
    return tuple(actions)


def _plan_file(path: Path, data: bytes, mode: int, *, is_foreign: bool) -> list[Action]:
    if not is_foreign:
        is_same = path.is_file() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode
        return [Keep(path, "it is so already")] if is_same else [Write(path, data, mode)]
    backup = backup_of(path)
    if _is_same_file(path, backup):
        return [Write(path, data, mode)]
    if os.path.lexists(backup):
        raise CniError(IO_FAILURE, f"{backup} is in the way: it would be lost if {path.name} were kept there")
    return [BackUp(path, backup), Write(path, data, mode)]


def _is_foreign(path: Path, known: Manifest) -> bool:
    if path.is_dir():
        raise CniError(IO_FAILURE, f"{path} is a directory")
    if not os.path.lexists(path) or is_launcher(path):
        return False
    return path not in known.files or not _is_as_installed(path, known.files[path])


def _is_as_installed(path: Path, installed: Installed) -> bool:
    """Tell whether a file is what was written: ours by its marker, or by its hash if it has none."""
    return is_launcher(path) or (path.is_file() and digest(path.read_bytes()) == installed.sha256)


def _is_same_file(path: Path, backup: Path) -> bool:
    return (
        os.path.lexists(path) and os.path.lexists(backup) and os.path.samestat(path.lstat(), backup.lstat())
    )


def _require_writable(directory: Path) -> None:
    if not directory.is_dir():
        raise CniError(
            IO_FAILURE, f"there is no directory {directory}; make it with mkdir -p, or name another"
        )
    is_read_only = os.statvfs(directory).f_flag & os.ST_RDONLY
    if is_read_only or not os.access(directory, os.W_OK | os.X_OK):
        why = "its file system is read-only" if is_read_only else "you may not write there"
        raise CniError(IO_FAILURE, f"nothing can be installed in {directory}: {why}")

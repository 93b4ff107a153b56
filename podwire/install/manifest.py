"""What was installed, so that it can be taken away exactly.

Written before the first change: an install that is killed half-way can be taken away too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from cni_spec.config import SpecModel, validate
from cni_spec.json_input import decode_object
from pod_runner.cni.lists import read_file
from podwire.install.actions import Write

STATE_DIRECTORY = Path("/var/lib/podwire/install")
BACKUP_SUFFIX = ".podwire-backup"


class Installed(SpecModel):
    """One file: its path, the hash of what was written, whether another's file was kept beside it."""

    path: str
    sha256: str
    has_backup: bool = Field(False, alias="hasBackup")

    @property
    def backup(self) -> Path:
        """Return where the file that was there before is kept."""
        return backup_of(Path(self.path))


class _ManifestFile(SpecModel):
    directory: str
    files: tuple[Installed, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """The files of one target directory, by path."""

    directory: Path
    files: dict[Path, Installed]

    def to_json(self) -> bytes:
        """Return what is kept on disk."""
        listed = [one.model_dump(by_alias=True) for _, one in sorted(self.files.items())]
        return json.dumps({"directory": str(self.directory), "files": listed}, indent=4).encode() + b"\n"


def backup_of(path: Path) -> Path:
    """Return where another project's file is kept."""
    return path.with_name(path.name + BACKUP_SUFFIX)


def digest(data: bytes) -> str:
    """Return a file's hash as the manifest has it."""
    return hashlib.sha256(data).hexdigest()


def manifest_path(directory: Path, state: Path = STATE_DIRECTORY) -> Path:
    """Return the manifest's file of a target directory."""
    return state / f"{digest(str(directory.absolute()).encode())[:16]}.json"


def read_manifest(directory: Path, state: Path = STATE_DIRECTORY) -> Manifest:
    """Return what was installed into a directory; nothing, if there is no manifest.

    Raises:
        CniError: the manifest cannot be read, or is none.
    """
    path = manifest_path(directory, state)
    if not path.exists():
        return Manifest(directory.absolute(), {})
    read = validate(_ManifestFile, decode_object(read_file(path), str(path)))
    return Manifest(Path(read.directory), {Path(one.path): one for one in read.files})


def write_manifest(manifest: Manifest, state: Path = STATE_DIRECTORY) -> None:
    """Keep a manifest; one without files is removed."""
    path = manifest_path(manifest.directory, state)
    if not manifest.files:
        path.unlink(missing_ok=True)
        return
    state.mkdir(parents=True, exist_ok=True)
    Write(path, manifest.to_json(), 0o644).apply()

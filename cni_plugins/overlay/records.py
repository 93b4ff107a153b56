"""What an ADD leaves for the verbs after it: the delegate's configuration, one file an attachment.

`<dataDir>/<container id>:<ifname>`; neither can hold a colon. flannel's plugin writes `<dataDir>/<container
id>`, so that two interfaces of one container share a file, and the second's DEL finds none. Its files are
read where ours is missing: a node moves over with its pods running.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cni_plugins.delegate import require_plugin_name
from cni_plugins.overlay.config import look
from cni_plugins.whole_file import write_whole
from cni_spec.errors import IO_FAILURE, CniError
from cni_spec.json_input import JsonObject, decode_object
from linuxnet.owner import Attachment

NAME_LIMIT = 255  # bytes; NAME_MAX


@dataclass(frozen=True)
class Record:
    """One file that was found. `body` is the delegate's configuration at the time of ADD, None if damaged."""

    path: Path
    body: JsonObject | None
    is_flannels: bool

    @property
    def network(self) -> object:
        """Return the name of the network it is about."""
        return look(self.body or {}, "name")

    def remove(self) -> None:
        """Remove the file; gone already is fine."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Records:
    """The files of one `dataDir`."""

    folder: Path

    def path(self, owner: Attachment) -> Path:
        """Return where an attachment's file is; an id too long for a file name is hashed."""
        name = f"{owner.container_id}:{owner.ifname}"
        if len(os.fsencode(name)) > NAME_LIMIT:
            name = f"#{hashlib.sha256(owner.container_id.encode()).hexdigest()}:{owner.ifname}"
        return self.folder / name

    def find(self, owner: Attachment) -> Record | None:
        """Return an attachment's file, else flannel's for its container if it is of the same network."""
        mine = _read(self.path(owner), is_flannels=False)
        if mine is not None:
            return mine
        if len(owner.container_id) > NAME_LIMIT:
            return None
        theirs = _read(self.folder / owner.container_id, is_flannels=True)
        return theirs if theirs is not None and theirs.network in (owner.network, None) else None

    def write(self, owner: Attachment, content: bytes) -> bytes | None:
        """Write a file, whole or not at all; return what was there before. Raises CniError 5."""
        path = self.path(owner)
        before = path.read_bytes() if path.is_file() else None
        self.restore(owner, content)
        return before

    def restore(self, owner: Attachment, content: bytes | None) -> None:
        """Put back what was there before, None for nothing. Raises CniError 5."""
        path = self.path(owner)
        if content is None:
            path.unlink(missing_ok=True)
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, content)
        except OSError as error:
            raise CniError(IO_FAILURE, f"{path} cannot be written, DEL will need it: {error}") from error

    def of_network(self, network: str) -> Iterator[Record]:
        """Yield the files that are about a network."""
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if path.name.startswith(".") or not path.is_file():
                continue
            record = _read(path, is_flannels=":" not in path.name)
            if record is not None and record.body is not None and record.network == network:
                yield record


def owner_of(record: Record, network: str) -> Attachment | None:
    """Return whose a file of ours is, None where its name does not tell."""
    container_id, _, ifname = record.path.name.rpartition(":")
    if record.is_flannels or container_id.startswith("#"):
        return None
    return Attachment(network, container_id, ifname)


def _read(path: Path, *, is_flannels: bool) -> Record | None:
    """Read a file; one that cannot be understood tells nothing, but is there."""
    try:
        body: JsonObject | None = decode_object(path.read_bytes(), str(path))
        require_plugin_name(look(body or {}, "type"), str(path))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except CniError:
        body = None
    return Record(path, body, is_flannels)

"""What a link was like before it was tuned: a small file, in the reference plugin's form.

`<dataDir>/<container id>_<ifname>.json`, written whole or not at all. We add who made it, which the
reference ignores, so that GC can tell a network's files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cni_plugins.whole_file import write_whole
from cni_spec.errors import IO_FAILURE, CniError
from linuxnet.owner import Attachment, is_of_network

NAMES = {"mac": "mac", "promisc": "promisc", "mtu": "mtu", "allmulti": "allmulti", "txqlen": "txQLen"}
OWNER = "podwire"  # the key of the owner's mark
NAME_LIMIT = 255  # bytes; NAME_MAX


@dataclass(frozen=True)
class Backup:
    """Where one attachment's file is."""

    folder: Path
    owner: Attachment

    @property
    def path(self) -> Path:
        """Return the file's path; an id too long for a file name is hashed."""
        name = f"{self.owner.container_id}_{self.owner.ifname}.json"
        if len(name) > NAME_LIMIT:
            digest = hashlib.sha256(self.owner.container_id.encode()).hexdigest()
            name = f"{digest}_{self.owner.ifname}.json"
        return self.folder / name

    def write(self, state: dict[str, Any]) -> None:
        """Write what was there before, under `LinkState`'s names. Raises CniError 5."""
        body = {NAMES[key]: value for key, value in state.items()} | {OWNER: self.owner.mark}
        try:
            self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_whole(self.path, json.dumps(body).encode())
        except OSError as error:
            raise CniError(IO_FAILURE, f"the backup {self.path} cannot be written: {error}") from error

    def read(self) -> dict[str, Any]:
        """Return what was there before, {} if no file says."""
        try:
            body = json.loads(self.path.read_text())
        except (OSError, ValueError):  # none, or one that a crash of another plugin cut short
            return {}
        if not isinstance(body, dict):
            return {}
        return {key: body[name] for key, name in NAMES.items() if body.get(name) not in (None, "")}

    def remove(self) -> None:
        """Remove the file; gone already is fine."""
        self.path.unlink(missing_ok=True)


def collect(folder: Path, network: str, valid_marks: frozenset[str]) -> None:
    """Remove a network's files whose attachment is not listed."""
    for path in folder.glob("*.json"):
        try:
            body = json.loads(path.read_text())
        except (OSError, ValueError):  # removed meanwhile, or not ours to judge
            continue
        mark = body.get(OWNER, "") if isinstance(body, dict) else ""
        if is_of_network(str(mark), network) and mark not in valid_marks:
            path.unlink(missing_ok=True)

"""Where a site's objects are: a directory of files, or an API server with faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]


class Registry(Protocol):
    """What a user has at hand: kubectl apply, kubectl delete."""

    source: str

    def apply(self, *objects: Json) -> None:
        """Make objects, or change those that are there."""

    def delete(self, *objects: Json) -> None:
        """Remove objects; those that are not there are passed over."""

    def state(self) -> str:
        """Return what may explain a failure."""

    def end(self) -> None:
        """Leave nothing behind."""


class DirectoryRegistry:
    """A file for each object, replaced as a whole; every second one is YAML, since both are read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = str(folder)
        folder.mkdir(exist_ok=True)

    def apply(self, *objects: Json) -> None:
        for one in objects:
            path = self._path(one)
            draft = path.with_name(f".{path.name}.draft")
            draft.write_text(_yaml(one) if path.suffix == ".yaml" else json.dumps(one, indent=1))
            draft.replace(path)

    def delete(self, *objects: Json) -> None:
        for one in objects:
            self._path(one).unlink(missing_ok=True)

    def state(self) -> str:
        return f"{len(list(self.folder.iterdir()))} files"

    def end(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()

    def _path(self, one: Json) -> Path:
        name = f"{one['kind'].lower()}-{one['metadata'].get('namespace', '')}-{one['metadata']['name']}"
        return self.folder / (name + (".yaml" if len(name) % 2 else ".json"))


def _yaml(one: Json) -> str:
    """Write an object's top level as YAML does; what is deeper is JSON, which is YAML as well."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in one.items())

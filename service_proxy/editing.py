"""Objects written where a source reads them, and taken away: `podwire service apply` and `delete`.

In a folder each object that is written here has a file of its own; what a person has written, a person
removes. In a store the objects are the store's. An API server has its own tools.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Protocol

from cluster_store.opening import open_store, prefix_of
from cluster_store.store import StoreRefused
from service_proxy.catalogue import Key, Kind
from service_proxy.objects import RefusedObject, parse
from service_proxy.opening import options_of
from service_proxy.settings import SourceSettings
from service_proxy.sources.documents import objects_in
from service_proxy.sources.identity import (
    JsonObject,
    Unnamed,
    key_of,
    key_path,
    kind_of,
    shown,
    with_namespace,
)
from service_proxy.sources.object_store import ObjectStore
from service_proxy.sources.yaml_text import BadDocument


class Editor(Protocol):
    """Where objects are written."""

    def put(self, kind: Kind, item: JsonObject) -> None:
        """Write an object, whatever was there."""

    def delete(self, kind: Kind, key: Key) -> bool:
        """Remove an object; tell whether it was there."""


class FolderEditor:
    """Objects as files of a folder, each replaced as a whole."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, kind: Kind, item: JsonObject) -> None:
        """Write an object's file. Raises OSError."""
        path = self._path(kind, key_of(kind, item))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(item, indent=4) + "\n")
        draft.replace(path)

    def delete(self, kind: Kind, key: Key) -> bool:
        """Remove an object's file."""
        path = self._path(kind, key)
        was_there = path.exists()
        path.unlink(missing_ok=True)
        return was_there

    def _path(self, kind: Kind, key: Key) -> Path:
        return self._root / f"{key_path(kind, key, '').strip('/').replace('/', '.')}.json"


def open_editor(settings: SourceSettings) -> Editor:
    """Return what writes where these settings read. Raises StoreRefused: an API server's objects are its."""
    if settings.is_kubernetes:
        raise StoreRefused("the services are an API server's: kubectl writes them")
    if settings.source.startswith("/"):
        return FolderEditor(Path(settings.source))
    store = open_store(settings.source, options_of(settings))
    return ObjectStore(store, f"{prefix_of(settings.source)}{settings.prefix}")


def read_objects(text: bytes) -> list[tuple[Kind, JsonObject]]:
    """Return the objects of a text in YAML or JSON, judged as a source judges them.

    Raises:
        StoreRefused: one of them cannot be used; the message says which and why.
    """
    found = []
    try:
        for item in objects_in(text):
            kind = kind_of(item)
            if kind is None:
                raise StoreRefused(f"kind {item.get('kind')!r} is none that services are made of")
            whole = with_namespace(kind, item)
            parse(kind, whole)
            key_of(kind, whole)
            found.append((kind, whole))
    except (BadDocument, RefusedObject, Unnamed) as error:
        raise StoreRefused(f"{error}") from error
    return found


def name_of(kind: Kind, item: JsonObject) -> str:
    """Return an object's kind and name, for a person."""
    return shown(kind, key_of(kind, item))

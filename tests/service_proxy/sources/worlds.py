"""The sources that one suite judges: how a test writes objects into each, and breaks it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from cluster_store.kubernetes_access import Access, FixedToken
from cluster_store.store import Delete, Put
from service_proxy.catalogue import Catalogue
from service_proxy.sources.identity import PLACES, key_path, kind_of
from service_proxy.sources.identity import key_of as key_in
from service_proxy.sources.kubernetes import Pods, Wanted, kubernetes_source
from service_proxy.sources.opening import directory_source, store_source
from service_proxy.sources.source import Source
from tests.cluster_store.etcd_server import missing
from tests.cluster_store.registries import DirectoryRegistry, EtcdRegistry, Registry
from tests.kube_api.collection import Json, Objects
from tests.kube_api.server import ApiServer, running_api

PATIENCE = 60.0  # seconds; a deadline, not a wait


class World(Protocol):
    """Where objects are written, and the source that reads them."""

    def put(self, item: Json) -> None:
        """Write an object."""

    def remove(self, item: Json) -> None:
        """Remove it."""

    def break_down(self) -> None:
        """Make it unavailable at once."""

    def mend(self) -> None:
        """Make it available again."""

    def source(self) -> Source:
        """Return a source; the test closes it."""


class FolderWorld:
    """A folder of files, an object each."""

    def __init__(self, folder: Path) -> None:
        self.root, self._away = folder / "services", folder / "unmounted"
        self.root.mkdir()

    def put(self, item: Json) -> None:
        self._file(item).write_text(json.dumps(item))

    def remove(self, item: Json) -> None:
        self._file(item).unlink()

    def break_down(self) -> None:
        self.root.rename(self._away)
        self.root.write_text("a file in the way, or the source would make the folder")

    def mend(self) -> None:
        self.root.unlink()
        self._away.rename(self.root)

    def source(self) -> Source:
        return directory_source(self.root)

    def _file(self, item: Json) -> Path:
        root = self._away if self._away.exists() else self.root
        return root / f"{item['kind']}-{item['metadata']['name']}.json"


class StoreWorld:
    """A store. What is bad is written past `ObjectStore`, which would refuse it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        registry.start()
        self._is_broken, self._late = False, list[Callable[[], None]]()

    def put(self, item: Json) -> None:
        self._write(item, json.dumps(item))

    def remove(self, item: Json) -> None:
        self._write(item, None)

    def break_down(self) -> None:
        self._registry.break_down()
        self._is_broken = True

    def mend(self) -> None:
        self._registry.start()
        self._is_broken = False
        for write in self._late:
            write()
        self._late.clear()

    def source(self) -> Source:
        return store_source(self._registry.open())

    def _write(self, item: Json, text: str | None) -> None:
        kind = kind_of(item)
        assert kind
        path = key_path(kind, key_in(kind, item), "/podwire")

        def write() -> None:
            store = self._registry.open()
            store.commit((), [Put(path, text) if text is not None else Delete(path)])
            store.close()

        if self._is_broken:
            self._late.append(write)
        else:
            write()


class KubeWorld:
    """An API server."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api

    def put(self, item: Json) -> None:
        self._objects(item).create(item)

    def remove(self, item: Json) -> None:
        objects = self._objects(item)
        objects.delete(objects.name_of(item))

    def break_down(self) -> None:
        self.api.token = "of nobody"
        self.api.drop_connections()

    def mend(self) -> None:
        self.api.token = ""

    def source(self) -> Source:
        wanted = Wanted(node="n1", is_for_names=True, pods=Pods.ALL)
        return kubernetes_source(access_to(self.api), wanted)

    def _objects(self, item: Json) -> Objects:
        kind = kind_of(item)
        assert kind
        found = self.api.objects_at(PLACES[kind].path)
        assert found is not None
        return found


def access_to(api: ApiServer) -> Access:
    """Return the way to the tests' API server."""
    return Access(api.url, "127.0.0.1", api.http.server_port, FixedToken(""))


@contextmanager
def _folder(folder: Path) -> Iterator[World]:
    yield FolderWorld(folder)


@contextmanager
def _store_folder(folder: Path) -> Iterator[World]:
    yield StoreWorld(DirectoryRegistry(folder))


@contextmanager
def _etcd(folder: Path) -> Iterator[World]:
    registry = EtcdRegistry(folder)
    try:
        yield StoreWorld(registry)
    finally:
        registry.end()


@contextmanager
def _kubernetes(folder: Path) -> Iterator[World]:
    with running_api() as api:
        yield KubeWorld(api)


WORLDS: dict[str, tuple[Callable[[Path], AbstractContextManager[World]], Callable[[], str]]] = {
    "folder": (_folder, str),
    "store": (_store_folder, str),
    "etcd": (_etcd, missing),
    "kubernetes": (_kubernetes, str),
}


class Reader:
    """What the loop does with a source: a catalogue that follows it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.catalogue = Catalogue("n1", source.kinds)

    def wait_until(self, holds: Callable[[], object], why: str = "") -> None:
        """Follow until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            left = deadline - time.monotonic()
            assert left > 0, (why, self.source.conditions(), self.catalogue.missing)
            for event in self.source.next(min(left, 0.05)):
                self.catalogue.take(event)

    def begin(self) -> None:
        """Follow until all is listed."""
        self.wait_until(lambda: self.catalogue.is_complete)

    def told(self, name: str) -> list[str]:
        """Return the messages of conditions of a name."""
        return [one.message for one in self.source.conditions() if one.name == name]


@contextmanager
def reading(world: World) -> Iterator[Reader]:
    """Follow a world's source from its beginning."""
    source = world.source()
    try:
        reader = Reader(source)
        reader.begin()
        yield reader
    finally:
        source.close()

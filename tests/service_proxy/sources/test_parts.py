"""What stands between feeds and the loop, and who writes into a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cluster_store.directory import DirectoryStore
from service_proxy.catalogue import Changed, Kind, Listed
from service_proxy.model import Service, ServiceName
from service_proxy.objects import RefusedObject
from service_proxy.sources.filling import Filling
from service_proxy.sources.identity import JsonObject, Unnamed
from service_proxy.sources.object_store import ObjectStore
from service_proxy.sources.pending import Pending
from tests.service_proxy.sources.objects import service

WEB, DB = ServiceName("default", "web"), ServiceName("default", "db")


def changed(name: ServiceName, port: int = 0) -> Changed:
    return Changed(Kind.SERVICE, name, Service(name, health_check_node_port=port))


def test_of_what_nobody_took_the_newest_is_left() -> None:
    pending = Pending()
    for port in range(1000):
        pending.put([changed(WEB, port), changed(DB)])
    assert pending.take(0) == [changed(WEB, 999), changed(DB)]
    assert pending.take(0) == []
    pending.close()


def test_a_list_replaces_what_was_told_of_its_kind_before() -> None:
    pending = Pending()
    listed = Listed(Kind.SERVICE, {})
    pending.put([changed(WEB), Changed(Kind.NODE, "n1", None), listed, changed(DB)])
    assert pending.take(0) == [Changed(Kind.NODE, "n1", None), listed, changed(DB)]
    pending.close()
    pending.put([changed(WEB)])
    assert pending.take(60) == []


class Giver:
    """Gives port 1 to everybody but those that must wait."""

    def __init__(self) -> None:
        self.waiting: set[ServiceName] = set()
        self.gone: list[ServiceName] = []

    def fill(self, services: Iterable[Service]) -> Mapping[ServiceName, Service]:
        found = (one for one in services if one.name not in self.waiting)
        return {one.name: replace(one, health_check_node_port=1) for one in found}

    def again(self) -> set[ServiceName]:
        return set()

    def offer(self, cidrs: Iterable[str]) -> None:
        """Nothing is asked for by name here."""

    def vanished(self, names: Iterable[ServiceName]) -> None:
        self.gone += names


def test_the_list_waits_until_every_service_has_what_it_needs() -> None:
    giver = Giver()
    stage = Filling(giver)
    giver.waiting = {DB}
    assert stage.take([Listed(Kind.SERVICE, {WEB: Service(WEB), DB: Service(DB)})]) == []
    giver.waiting = set()
    (listed,) = stage.take([])
    assert isinstance(listed, Listed)
    assert {one.health_check_node_port for one in listed.items.values()} == {1}  # type: ignore[union-attr]


def test_a_service_that_waits_is_told_when_it_has_what_it_needs() -> None:
    giver = Giver()
    stage = Filling(giver)
    stage.take([Listed(Kind.SERVICE, {})])
    giver.waiting = {DB}
    assert stage.take([changed(WEB), changed(DB)]) == [changed(WEB, 1)]
    giver.waiting = set()
    assert stage.take([]) == [changed(DB, 1)]
    assert stage.take([Changed(Kind.SERVICE, WEB, None)]) == [Changed(Kind.SERVICE, WEB, None)]
    assert giver.gone == [WEB]
    (listed,) = stage.take([Listed(Kind.SERVICE, {})])
    assert listed == Listed(Kind.SERVICE, {})
    assert giver.gone == [WEB, DB]


def test_a_later_list_does_not_wait_for_what_is_new_in_it() -> None:
    giver = Giver()
    stage = Filling(giver)
    stage.take([Listed(Kind.SERVICE, {WEB: Service(WEB)})])
    giver.waiting = {WEB, DB}
    (listed,) = stage.take([Listed(Kind.SERVICE, {WEB: Service(WEB), DB: Service(DB)})])
    assert isinstance(listed, Listed)
    assert set(listed.items) == {WEB}  # with what it was given before
    giver.waiting = set()
    assert {one.key for one in stage.take([]) if isinstance(one, Changed)} == {WEB, DB}


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    """Give a writer into a folder."""
    return ObjectStore(DirectoryStore(tmp_path), "/podwire")


def test_what_was_written_can_be_read_and_removed(objects: ObjectStore) -> None:
    objects.put(Kind.SERVICE, service("web"))
    assert objects.get(Kind.SERVICE, WEB) == service("web")
    assert objects.list(Kind.SERVICE) == [service("web")]
    assert objects.delete(Kind.SERVICE, WEB)
    assert not objects.delete(Kind.SERVICE, WEB)
    assert objects.get(Kind.SERVICE, WEB) is None


def test_what_the_source_would_refuse_is_not_written(objects: ObjectStore) -> None:
    with pytest.raises(RefusedObject, match=r"default/web: spec.ports\[0\].port"):
        objects.put(Kind.SERVICE, service("web", ports=[{"port": 0}]))
    with pytest.raises(Unnamed):
        objects.put(Kind.SERVICE, {"kind": "Service"})
    with pytest.raises(Unnamed, match="is to be called"):
        objects.change(Kind.SERVICE, DB, lambda _: service("web"))
    assert objects.list(Kind.SERVICE) == []


def test_a_change_is_decided_on_what_is_there_whoever_is_faster(objects: ObjectStore, tmp_path: Path) -> None:
    objects.put(Kind.SERVICE, service("web"))
    other = ObjectStore(DirectoryStore(tmp_path), "/podwire")
    seen: list[str] = []

    def renumber(item: JsonObject | None) -> JsonObject | None:
        seen.append(json.dumps(item))
        if len(seen) == 1:
            other.put(Kind.SERVICE, service("web", "10.96.0.7"))
        return None if item is None else {**item, "status": {}}

    objects.change(Kind.SERVICE, WEB, renumber)
    assert len(seen) == 2
    assert objects.get(Kind.SERVICE, WEB) == {**service("web", "10.96.0.7"), "status": {}}

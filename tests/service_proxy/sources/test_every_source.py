"""One suite for every source: the same changes, the same catalogue, whatever happens on the way."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service_proxy.catalogue import Kind
from service_proxy.model import ServiceName, SliceName
from service_proxy.objects import parse
from tests.kube_api.collection import Json
from tests.service_proxy.sources.objects import endpoints, node, service
from tests.service_proxy.sources.worlds import WORLDS, Reader, World, reading

WEB, DB = ServiceName("default", "web"), ServiceName("default", "db")


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, host: None, tmp_path: Path) -> Iterator[World]:
    """Give a place for objects, with nothing in it."""
    make, missing = WORLDS[request.param]
    if reason := missing():
        pytest.skip(reason)
    with make(tmp_path) as made:
        yield made


def test_what_is_there_is_listed_first_and_changes_follow(world: World) -> None:
    world.put(service("web"))
    world.put(endpoints("web-1", "10.1.0.1"))
    world.put(node("n1", "zone-a"))
    with reading(world) as reader:
        assert set(reader.catalogue.services) == {WEB}
        assert [one.endpoints[0].address for one in reader.catalogue.slices_of(WEB)] == [bytes([10, 1, 0, 1])]
        assert reader.catalogue.own_node is not None
        assert reader.catalogue.own_node.zone == "zone-a"

        world.put(service("db", "10.96.0.2"))
        reader.wait_until(lambda: DB in reader.catalogue.services)
        world.put(endpoints("web-1", "10.1.0.1", "10.1.0.2"))
        reader.wait_until(lambda: len(reader.catalogue.slices_of(WEB)[0].endpoints) == 2)
        world.remove(service("web"))
        world.remove(endpoints("web-1"))
        reader.wait_until(lambda: not reader.catalogue.slices and WEB not in reader.catalogue.services)
        assert reader.source.conditions() == ()


def test_a_bad_object_is_a_condition_and_harms_no_other(world: World) -> None:
    world.put(service("web"))
    world.put(service("bad", ports=[{"port": "x"}]))
    with reading(world) as reader:
        assert set(reader.catalogue.services) == {WEB}
        (message,) = reader.told("BadObject")
        assert "default/bad: spec.ports[0].port" in message

        world.put(service("bad", "10.96.0.9"))
        reader.wait_until(lambda: len(reader.catalogue.services) == 2)
        assert reader.source.conditions() == ()


def test_an_object_that_becomes_bad_says_what_it_said_before(world: World) -> None:
    world.put(service("web"))
    with reading(world) as reader:
        before = reader.catalogue.services[WEB]
        world.put(service("web", ports=[{"port": 0}]))
        reader.wait_until(lambda: reader.told("BadObject"))
        assert reader.catalogue.services[WEB] == before

        world.remove(service("web"))
        reader.wait_until(lambda: not reader.catalogue.services)
        assert reader.told("BadObject") == []


def test_what_is_lost_stays_as_it_was_and_is_caught_up_with(world: World) -> None:
    world.put(service("web"))
    with reading(world) as reader:
        world.break_down()
        reader.wait_until(lambda: reader.told("SourceLost"))
        world.put(service("db", "10.96.0.2"))
        world.remove(service("web"))
        assert set(reader.catalogue.services) == {WEB}

        world.mend()
        reader.wait_until(lambda: set(reader.catalogue.services) == {DB})
        reader.wait_until(lambda: not reader.source.conditions())


def test_nothing_is_listed_while_the_source_cannot_be_read(world: World) -> None:
    world.put(service("web"))
    source = world.source()
    world.break_down()
    try:
        reader = Reader(source)
        reader.wait_until(lambda: reader.told("SourceLost"))
        assert Kind.SERVICE in reader.catalogue.missing
        world.mend()
        reader.begin()
        assert set(reader.catalogue.services) == {WEB}
    finally:
        source.close()


def test_closing_ends_a_wait_in_another_thread(world: World) -> None:
    with reading(world) as reader:
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(reader.source.next(60)))
        thread.start()
        began = time.monotonic()
        reader.source.close()
        thread.join(10)
        assert found == [[]]
        assert time.monotonic() - began < 5


def test_a_walk_ends_at_the_same_catalogue(world: World) -> None:
    """Two hundred changes, followed or not: what is known at the end is what is there."""
    walk = random.Random(5)
    there: dict[str, Json] = {}
    with reading(world) as reader:
        for _ in range(200):
            number = walk.randrange(12)
            item = service(f"s{number}", f"10.96.1.{walk.randrange(1, 255)}")
            if number % 2:
                item = endpoints(f"e{number}", f"10.1.0.{walk.randrange(1, 255)}", service=f"s{number - 1}")
            if item["metadata"]["name"] in there and walk.random() < 0.3:
                world.remove(there.pop(item["metadata"]["name"]))
            else:
                world.put(item)
                there[item["metadata"]["name"]] = item
            if walk.random() < 0.2:
                reader.wait_until(lambda: True)
        reader.wait_until(lambda: _is_as(reader, there))


def _is_as(reader: Reader, there: dict[str, Json]) -> bool:
    wanted = [parse(Kind(one["kind"]), one) for one in there.values()]
    known = [*reader.catalogue.services.values(), *reader.catalogue.slices.values()]
    return sorted(map(_said, wanted)) == sorted(map(_said, known))


def _said(value: object) -> str:
    text = repr(value)
    for word in ("version=", "created="):  # the server's own
        start = text.find(word)
        if start >= 0:
            text = text[:start] + text[text.find("'", start + len(word) + 1) + 1 :]
    return text


def test_the_keys_of_a_slice_are_a_slices(world: World) -> None:
    world.put(endpoints("web-1", "10.1.0.1"))
    with reading(world) as reader:
        assert set(reader.catalogue.slices) == {SliceName("default", "web-1")}

"""An API server that forgets, cuts, repeats itself, shuffles and dawdles; what is asked of it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from service_proxy.catalogue import Kind
from service_proxy.model import ServiceName
from service_proxy.sources.kubernetes import HEADLESS, PROXY_NAME, Pods, Wanted, kubernetes_source, queries
from tests.kube_api.server import ApiServer, running_api
from tests.service_proxy.sources.objects import endpoints, node, pod, service
from tests.service_proxy.sources.worlds import KubeWorld, Reader, access_to, reading

WEB = ServiceName("default", "web")


@pytest.fixture
def api(host: None) -> Iterator[ApiServer]:
    """Serve in a fresh namespace."""
    with running_api() as server:
        yield server


@pytest.fixture
def world(api: ApiServer) -> KubeWorld:
    """Give the server as a place for objects."""
    return KubeWorld(api)


def last_octets(reader: Reader) -> dict[str, int]:
    services = reader.catalogue.services.values()
    return {one.name.name: one.cluster_ips[0][3] for one in services}


@pytest.mark.parametrize("fault", ["is_told_twice", "is_shuffled", "delay", "both"])
def test_events_in_disorder_end_at_what_is_there(world: KubeWorld, fault: str) -> None:
    walk, api = random.Random(fault), world.api
    with reading(world) as reader:
        api.wait_watchers(len(reader.source.kinds))
        if fault == "delay":
            api.delay = 0.002
        else:
            api.is_told_twice = fault in ("is_told_twice", "both")
            api.is_shuffled = fault in ("is_shuffled", "both")
        for _ in range(40):
            with api.objects.changed:  # so many events of one moment
                for _ in range(walk.randrange(1, 6)):
                    item = service(f"s{walk.randrange(4)}", f"10.96.0.{walk.randrange(1, 255)}")
                    is_there = f"default/{item['metadata']['name']}" in api.of["services"].items
                    if is_there and walk.random() < 0.3:
                        world.remove(item)
                    else:
                        world.put(item)
        there = api.of["services"].items.values()
        wanted = {one["metadata"]["name"]: int(one["spec"]["clusterIP"].split(".")[3]) for one in there}
        reader.wait_until(lambda: last_octets(reader) == wanted)


def test_forgotten_history_is_one_more_list(world: KubeWorld) -> None:
    api = world.api
    world.put(service("web"))
    with reading(world) as reader:
        api.wait_watchers(len(reader.source.kinds))
        world.put(service("db", "10.96.0.2"))
        reader.wait_until(lambda: len(reader.catalogue.services) == 2)
        with api.objects.changed:
            api.end_watches()
            world.remove(service("web"))
            for objects in (api.objects, *api.of.values()):
                objects.compact()
        reader.wait_until(lambda: set(last_octets(reader)) == {"db"})
        assert WEB not in reader.catalogue.services


def test_a_server_that_forgets_at_once_is_asked_with_pauses(world: KubeWorld) -> None:
    """Each watch is answered by 410: a list each time, but not as fast as they come."""
    api = world.api
    for objects in (api.objects, *api.of.values()):
        objects.compacted = 10**9
    with reading(world) as reader:
        world.put(service("web"))
        reader.wait_until(lambda: reader.catalogue.services)
        lists = [
            one for one in api.questions() if one.path.endswith("/services") and "watch" not in one.query
        ]
        assert 2 <= len(lists) < 20


def test_cut_connections_lose_nothing(world: KubeWorld) -> None:
    with reading(world) as reader:
        for number in range(1, 9):
            world.put(service("web", f"10.96.0.{number}"))
            world.api.drop_connections()
            reader.wait_until(lambda number=number: last_octets(reader) == {"web": number})  # type: ignore[misc]
        reader.wait_until(lambda: not reader.source.conditions())


@pytest.mark.parametrize("trouble", ["absent", "hidden"])
def test_a_server_without_service_cidrs_is_done_without(world: KubeWorld, trouble: str) -> None:
    getattr(world.api, trouble).add("servicecidrs")
    with reading(world) as reader:
        assert reader.catalogue.service_cidrs == {}
        assert reader.source.conditions() == ()


def test_a_kind_that_must_be_there_is_waited_for(world: KubeWorld) -> None:
    world.api.hidden.add("endpointslices")
    source = world.source()
    try:
        reader = Reader(source)
        reader.wait_until(lambda: reader.told("SourceLost"))
        reader.wait_until(lambda: reader.catalogue.missing == {Kind.SLICE})
        assert "bind a ClusterRole" in reader.told("SourceLost")[0]
        world.api.hidden.clear()
        reader.begin()
    finally:
        source.close()


def test_only_what_is_for_this_proxy_is_asked_for(api: ApiServer) -> None:
    world = KubeWorld(api)
    theirs = service("theirs", "10.96.0.2")
    theirs["metadata"]["labels"] = {PROXY_NAME: "other"}
    for item in (service("web"), theirs, endpoints("web-1", "10.1.0.1"), node("n1"), node("n2")):
        world.put(item)
    world.put(endpoints("web-2", "10.1.0.2", **{HEADLESS: ""}))
    for name, expected in (("", {"web"}), ("other", {"theirs"})):
        source = kubernetes_source(access_to(api), Wanted(node="n1", proxy_name=name))
        try:
            reader = Reader(source)
            reader.begin()
            assert set(last_octets(reader)) == expected
            assert {one.name for one in reader.catalogue.slices} == ({"web-1"} if not name else set())
            assert set(reader.catalogue.nodes) == {"n1"}
        finally:
            source.close()


def test_a_label_that_gives_a_service_to_another_proxy_takes_it_from_this_one(api: ApiServer) -> None:
    world = KubeWorld(api)
    world.put(service("web"))
    source = kubernetes_source(access_to(api), Wanted())
    try:
        reader = Reader(source)
        reader.begin()
        api.wait_watchers(3)
        api.of["services"].update("default/web", lambda one: one["metadata"].update(labels={PROXY_NAME: "x"}))
        reader.wait_until(lambda: not reader.catalogue.services)
        api.of["services"].update("default/web", lambda one: one["metadata"].update(labels={}))
        reader.wait_until(lambda: reader.catalogue.services)
    finally:
        source.close()


def test_names_ask_for_everything_and_values_say_whose_it_is(world: KubeWorld) -> None:
    world.put(endpoints("web-1", "10.1.0.1", **{HEADLESS: "", PROXY_NAME: "other"}))
    world.put(pod("a", "10.1.0.1"))
    with reading(world) as reader:
        (found,) = reader.catalogue.slices_of(WEB)
        assert found.is_headless
        assert found.proxy_name == "other"
        assert len(reader.catalogue.pods) == 1


def test_pods_of_this_node_alone_can_be_asked_for(api: ApiServer) -> None:
    world = KubeWorld(api)
    world.put(pod("mine", "10.1.0.1", node="n1"))
    world.put(pod("other", "10.1.0.2", node="n2"))
    source = kubernetes_source(access_to(api), Wanted(node="n1", pods=Pods.OF_NODE))
    try:
        reader = Reader(source)
        reader.begin()
        assert {one.name for one in reader.catalogue.pods} == {"mine"}
    finally:
        source.close()


def test_lists_are_read_in_pages(world: KubeWorld) -> None:
    for number in range(250):
        world.put(service(f"s{number}", f"10.96.1.{number}"))
    with reading(world) as reader:
        assert len(reader.catalogue.services) == 250
        pages = [one for one in world.api.questions() if "limit" in one.query and "services" in one.path]
        assert len(pages) == 3


def test_a_proxy_alone_asks_for_neither_pods_nor_namespaces() -> None:
    assert {one.kind for one in queries(Wanted(node="n1"))} == {
        Kind.SERVICE,
        Kind.SLICE,
        Kind.SERVICE_CIDR,
        Kind.NODE,
    }

"""Objects of every shape, through the whole loop: what is wrong harms its own service, and nobody else's.

After each a real client connects to a healthy service. What is too much is bounded: in the kernel, in memory,
in time and in words.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.overlay_world import memory_of
from cluster_store.conditions import Conditions
from service_proxy.allocation import Allocation
from service_proxy.catalogue import Changed, Kind, Listed
from service_proxy.claims_file import FileLedger
from service_proxy.model import (
    Endpoint,
    Service,
    ServiceName,
    ServicePort,
    ServiceType,
)
from service_proxy.node import ServiceNode
from service_proxy.ranges import Ranges
from service_proxy.settings import ProxySettings
from service_proxy.sources.filling import Filling
from service_proxy.sources.source import Source
from tests.rounds import rounds
from tests.service_proxy.hostile_objects import OBJECTS, SLICE, WRONG
from tests.service_proxy.hostile_world import (
    FAR,
    HUGE,
    ONE,
    POD,
    VIP,
    WEB,
    Client,
    Told,
    at,
    said,
    slice_of,
    sound,
    told,
)
from tests.service_proxy.world import (
    Folder,
    elements,
    make_node,
    running,
    service,
    table,
    wait_for,
    wait_until,
)


@pytest.fixture
def client(host: None) -> Iterator[Client]:
    made = Client()
    with made.server:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path / "services")
    found.put(WEB, ONE)
    return found


def test_every_member_wrong_harms_nobody_else(client: Client, folder: Folder) -> None:
    """Each round leaves objects with a wrong member each, and a sound one; when that is known, all are."""
    numbers = iter(range(10_000))
    with running(make_node(folder.path)) as node:

        @settings(max_examples=rounds(30), suppress_health_check=list(HealthCheck), database=None)
        @given(st.lists(WRONG, min_size=1, max_size=8))
        def try_them(objects: list[dict[str, object]]) -> None:
            number = next(numbers)
            folder.put(*objects, service("sound", "10.96.0.6", port=1000 + number))
            wait_for(lambda: sound_port(node) == 1000 + number)
            assert client.is_served()
            assert all(len(one) < FAR for one in said(node)), "nothing is repeated at length"

        try_them()
        wait_for(lambda: VIP in elements("services4"))
        folder.delete(*(one for one in OBJECTS if folder.has(one)))
        wait_for(lambda: not said(node))
        assert client.is_served()


def sound_port(node: ServiceNode) -> int:
    found = node.catalogue.services.get(ServiceName("default", "sound"))
    return found.ports[0].port if found else 0


def test_names_of_a_megabyte_are_a_condition_each(client: Client, folder: Folder) -> None:
    bad = [
        service("a", "10.96.1.1") | {"metadata": {"name": HUGE, "namespace": "default"}},
        service("b", "10.96.1.2") | {"metadata": {"name": "b", "namespace": HUGE}},
        service("c", "10.96.1.3")
        | {"metadata": {"name": "c", "namespace": "default", "labels": {HUGE: HUGE}}},
        service("d", "10.96.1.4", ports=[{"name": HUGE, "port": 80}]),
        service("e", HUGE),
        service("f", "10.96.1.6", type="ExternalName", externalName=HUGE),
        service("g", "10.96.1.7", selector={HUGE: HUGE}),
    ]
    with running(make_node(folder.path)) as node:
        for number, one in enumerate(bad):
            folder.put_as(f"bad-{number}", one)
        wait_for(lambda: len(said(node)) == len(bad))
        assert all(len(one) < FAR for one in said(node)), "nobody repeats them"
        assert client.is_served()
        for number in range(len(bad)):
            (folder.path / f"bad-{number}.json").unlink()
        wait_for(lambda: not said(node))


def test_a_million_endpoints_in_one_service_are_served_as_far_as_there_are_slots(client: Client) -> None:
    big = ServiceName("default", "big")
    many, _ = sound(big, bytes([10, 96, 0, 9]))
    web, web_slice = sound()
    slices = [
        slice_of(big, [Endpoint(at(1000 * i + j, 0x0B000000)) for j in range(1000)], i) for i in range(1000)
    ]
    with told([web], [web_slice]) as (node, feed):
        memory = memory_of("self")
        started = time.monotonic()
        feed.tell(Changed(Kind.SERVICE, big, many), *(Changed(Kind.SLICE, one.name, one) for one in slices))
        wait_until(node, lambda: "goto pick_65536" in elements("services4"))
        assert time.monotonic() - started < 10.0
        assert client.is_served()
        assert len(said(node)) == 1 and "65536" in said(node)[0]
        assert memory_of("self") - memory < 250.0, "MiB, with the million themselves"
        feed.tell(Changed(Kind.SERVICE, big, None))
        wait_for(lambda: not said(node))
        wait_for(lambda: "10.96.0.9 " not in table())
        assert client.is_served()


def test_more_node_ports_wanted_than_there_are(client: Client, tmp_path: Path) -> None:
    """Those that came first have them; a condition for each of the others, whose ClusterIPs are served."""
    wanted = [service_without_ports(number) for number in range(1000)]
    first = replace(wanted[0], cluster_ips=(socket.inet_aton(VIP),))
    web_slice = slice_of(first.name, [Endpoint(socket.inet_aton(POD), node="one")])
    feed = Told(
        Listed(Kind.SERVICE, {one.name: one for one in (first, *wanted[1:])}),
        Listed(Kind.SLICE, {web_slice.name: web_slice}),
    )
    chosen = ProxySettings.model_validate({"node": "one", "node_ports": "30000-30099", "addresses": (POD,)})
    kinds = frozenset({Kind.SERVICE, Kind.SLICE})

    def opened(conditions: Conditions) -> Source:
        ranges = Ranges(chosen.service_cidrs, chosen.node_port_range, ())
        filling = Filling(Allocation(FileLedger(tmp_path / "claims"), ranges, conditions))
        return Source("told", kinds, [feed], [filling])

    with running(ServiceNode(chosen, opened)) as node:
        given = [
            port.node_port for one in node.catalogue.services.values() for port in one.ports if port.node_port
        ]
        assert len(set(given)) == len(given) == 100
        assert len(node.catalogue.services) == 1000 and len(said(node)) == 900
        assert all(len(one) < FAR for one in said(node))
        port = node.catalogue.services[first.name].ports[0].node_port
        assert client.is_served() and client.is_served(POD, port)


def service_without_ports(number: int) -> Service:
    """Return a service that is to get a NodePort, and made in this order."""
    name = ServiceName("default", f"np-{number:05}")
    ports = (ServicePort("", "tcp", 80, 0, 8080),)
    return Service(name, ServiceType.NODE_PORT, ports, created=f"2026-01-01T{number:06}")


def test_slices_that_contradict_each_other_are_joined(client: Client, folder: Folder) -> None:
    """One endpoint in many slices is one; families and ports that do not fit are left out."""

    def odd_slice(
        suffix: str, address: str, *, ready: bool = True, port: int = 8080, **more: object
    ) -> dict[str, object]:
        metadata = {
            "name": f"odd-{suffix}",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "odd"},
        }
        ends = [{"addresses": [address], "conditions": {"ready": ready}}]
        return SLICE | {"metadata": metadata, "endpoints": ends, "ports": [{"name": "", "port": port}]} | more

    by_hand = service("odd", "10.96.0.77", selector={})
    with running(make_node(folder.path)) as node:
        folder.put(by_hand, *(odd_slice(f"same-{i}", POD, ready=i % 2 == 0) for i in range(20)))
        folder.put(odd_slice("six", "fd00::1"), odd_slice("names", "a.example", addressType="FQDN"))
        folder.put(
            odd_slice("word", "ten.one", addressType="IPv4"), odd_slice("type", POD, addressType="IPv5")
        )
        folder.put(odd_slice("other", POD, ports=[{"name": "other", "port": 1}]))
        folder.put(
            odd_slice("lost", POD, ports=[]), odd_slice("udp", POD, ports=[{"port": 8080, "protocol": "UDP"}])
        )
        wait_for(lambda: len(said(node)) == 3)
        wait_for(lambda: "10.96.0.77 . tcp . 80 counter : goto pick_1" in elements("services4"))
        assert client.is_served() and client.is_served("10.96.0.77")
        folder.put(odd_slice("port", "10.244.0.6", port=9090))
        wait_for(lambda: "10.244.0.6 . 9090" in elements("endpoints4"))
        assert "goto pick_2" in elements("services4")
        assert client.is_served()


def test_families_mixed_in_one_slice_never_reach_the_kernel(client: Client) -> None:
    """A source of another make may tell such: the service is set aside or served without, others go on."""
    odd = ServiceName("default", "odd")
    made, _ = sound(odd, bytes([10, 96, 0, 77]))
    web, web_slice = sound()
    mixed = slice_of(
        odd, [Endpoint(bytes(15) + b"\1"), Endpoint(socket.inet_aton(POD)), Endpoint(b""), Endpoint(b"\1")]
    )
    with told([web, made], [web_slice, mixed]) as (node, feed):
        assert client.is_served()
        _, sane = sound(odd)
        feed.tell(Changed(Kind.SLICE, mixed.name, sane))
        wait_for(lambda: "10.96.0.77 . tcp . 80 counter : goto pick_1" in elements("services4"))
        wait_for(lambda: not said(node))
        assert client.is_served("10.96.0.77") and client.is_served()

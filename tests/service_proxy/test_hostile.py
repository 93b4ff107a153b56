"""Objects of every shape, through the whole loop: what is wrong harms its own service, and nobody else's.

After each a real client connects to a healthy service. What is too much is bounded: in the kernel, in memory,
in time and in words.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.overlay_world import memory_of
from service_proxy.allocation import Allocation
from service_proxy.catalogue import Changed, Event, Kind, Listed
from service_proxy.claims_file import FileLedger
from service_proxy.conditions import Conditions
from service_proxy.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Service,
    ServiceName,
    ServicePort,
    ServiceType,
    SliceName,
)
from service_proxy.node import ServiceNode
from service_proxy.ranges import Ranges
from service_proxy.settings import ProxySettings
from service_proxy.sources.filling import Filling
from service_proxy.sources.refusals import Condition
from service_proxy.sources.source import Source
from tests.service_proxy.world import (
    Folder,
    elements,
    make_node,
    pod,
    running,
    service,
    table,
    wait_for,
    wait_until,
)

VIP, POD = "10.96.0.5", "10.244.0.5"
WEB = service("web", VIP)
ONE = pod("web-1", POD, app="web")
FAR = 1_000  # characters of all that is said of one object
HUGE = "x" * 1_000_000
NAME = ServiceName("default", "web")


class Client:
    """A server on the healthy service's pod, and a client of its ClusterIP."""

    def __init__(self) -> None:
        for words in (f"addr add {POD}/32 dev lo", "route add 10.96.0.0/12 dev lo"):
            subprocess.run(["ip", *words.split()], check=True)
        self.server = socket.create_server((POD, 8080))
        self.server.settimeout(5)

    def is_served(self, address: str = VIP, port: int = 80) -> bool:
        """Connect, and tell whether a word arrives."""
        with socket.create_connection((address, port), timeout=5) as client:
            client.sendall(b"hello")
            with self.server.accept()[0] as served:
                return served.recv(5) == b"hello"


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


def said(node: ServiceNode) -> list[str]:
    """Return all conditions, in words."""
    own = [f"{one['name']} {one['about']} {one['message']}" for one in node.conditions.as_json()]
    return own + [f"{one.name} {one.about} {one.message}" for one in node.source.conditions()]


# --- every field wrong ---

SLICE: dict[str, Any] = {
    "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
    "metadata": {"name": "odd-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "odd"}},
    "addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    "endpoints": [
        {
            "addresses": ["10.244.9.9"], "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "one", "zone": "a", "hostname": "h", "targetRef": {"kind": "Pod", "name": "odd-1"},
            "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "one"}]},
        }
    ],
}  # fmt: skip
ODD = service(
    "odd", "10.96.0.77", clusterIPs=["10.96.0.77"], type="LoadBalancer", sessionAffinity="ClientIP",
    sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10}}, externalTrafficPolicy="Local",
    internalTrafficPolicy="Cluster", externalIPs=["192.0.2.1"], loadBalancerSourceRanges=["10.0.0.0/8"],
    healthCheckNodePort=31000, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack", trafficDistribution="PreferClose",
    publishNotReadyAddresses=True, loadBalancerIP="192.0.2.2", allocateLoadBalancerNodePorts=True,
    ports=[{"name": "p", "port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"}],
) | {
    "metadata": {
        "name": "odd", "namespace": "default", "labels": {"a": "b"}, "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {
            "podwire.io/algorithm": "maglev", "podwire.io/weights": "a=1", "podwire.io/drain": "x",
            "podwire.io/load-balancer-ips": "192.0.2.3",
        },
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9", "ipMode": "VIP"}]}},
}  # fmt: skip
OBJECTS: tuple[dict[str, Any], ...] = (
    ODD,
    SLICE,
    pod("odd-1", "10.244.0.99", app="odd"),
    {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "two", "labels": {"x": "y"}},
        "spec": {"podCIDR": "10.244.7.0/24", "podCIDRs": ["10.244.7.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.77"}]},
    },
    {
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "more"},
        "spec": {"cidrs": ["10.111.0.0/24"]},
    },
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "odd", "labels": {"a": "b"}}},
)  # fmt: skip
EVIL: st.SearchStrategy[object] = st.sampled_from(
    [
        None, True, 0, -1, 1 << 70, 1e308, "", "\0", "\ud800", "None", "10.96.0.5", "::1", "0.0.0.0/0", "x" * 300,
        [], {}, [[]], [None], {"": ""}, "../../etc", "80; drop", "１２", "-0", "65536", 65536, 70000, "255.255.255.255",
    ]
)  # fmt: skip
JSON = st.recursive(
    EVIL | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def places(item: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield the way to every member, however deep, but to what an object is and which."""
    members = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in members:
        if (*path, key) not in {("kind",), ("apiVersion",), ("metadata",), ("metadata", "name")}:
            yield (*path, key)
            yield from places(value, (*path, key))


def with_other(item: object, path: tuple[object, ...], value: object) -> object:
    """Return an object that has another value at a place."""
    if not path:
        return value
    if isinstance(item, dict):
        return {k: with_other(v, path[1:], value) if k == path[0] else v for k, v in item.items()}
    assert isinstance(item, list)
    return [with_other(v, path[1:], value) if i == path[0] else v for i, v in enumerate(item)]


WRONG = st.sampled_from(OBJECTS).flatmap(
    lambda item: st.builds(with_other, st.just(item), st.sampled_from(list(places(item))), JSON)
)


def test_every_member_wrong_harms_nobody_else(client: Client, folder: Folder) -> None:
    """Each round leaves objects with a wrong member each, and a sound one; when that is known, all are."""
    rounds = iter(range(10_000))
    with running(make_node(folder.path)) as node:

        @settings(max_examples=80, suppress_health_check=list(HealthCheck), database=None)
        @given(st.lists(WRONG, min_size=1, max_size=8))
        def try_them(objects: list[dict[str, object]]) -> None:
            number = next(rounds)
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


# --- too much ---


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


class Told:
    """A feed that says what a test tells it."""

    name = "the test"

    def __init__(self, *events: Event) -> None:
        self._events: SimpleQueue[Sequence[Event]] = SimpleQueue()
        self._events.put(events)

    def tell(self, *events: Event) -> None:
        """Have it say more."""
        self._events.put(events)

    def next(self, timeout: float) -> Sequence[Event]:
        """Return what was told, once."""
        try:
            return self._events.get(timeout=timeout)
        except Empty:
            return ()

    def conditions(self) -> Sequence[Condition]:
        """Return nothing."""
        return ()

    def close(self) -> None:
        """End a wait."""
        self._events.put(())


def at(number: int, base: int = 0x0AF40000) -> bytes:
    """Return an address of the pods'."""
    return (base + number).to_bytes(4, "big")


def sound(name: ServiceName = NAME, vip: bytes = socket.inet_aton(VIP)) -> tuple[Service, EndpointSlice]:
    """Return a service that the client's server is behind."""
    made = Service(name, ports=(ServicePort("", "tcp", 80, 0, 8080),), cluster_ips=(vip,))
    ends = (Endpoint(socket.inet_aton(POD), node="one"),)
    return made, slice_of(name, ends)


def slice_of(
    name: ServiceName, ends: Sequence[Endpoint], suffix: object = 0, port: int = 8080
) -> EndpointSlice:
    """Return a slice of a service."""
    slice_name = SliceName(name.namespace, f"{name.name}-{suffix}")
    return EndpointSlice(slice_name, name, 4, (EndpointPort("", "tcp", port),), tuple(ends))


@contextmanager
def told(services: Sequence[Service], slices: Sequence[EndpointSlice]) -> Iterator[tuple[ServiceNode, Told]]:
    """Run a loop on objects as they come out of a source."""
    feed = Told(
        Listed(Kind.SERVICE, {one.name: one for one in services}),
        Listed(Kind.SLICE, {one.name: one for one in slices}),
    )
    chosen = ProxySettings.model_validate({"node": "one"})
    kinds = frozenset({Kind.SERVICE, Kind.SLICE})
    with running(ServiceNode(chosen, lambda _: Source("told", kinds, [feed]))) as node:
        yield node, feed


def test_a_million_endpoints_in_one_service_are_served_as_far_as_there_are_slots(client: Client) -> None:
    big = ServiceName("default", "big")
    many, _ = sound(big, bytes([10, 96, 0, 9]))
    web, web_slice = sound()
    slices = [
        slice_of(big, [Endpoint(at(1000 * i + j, 0x0B000000)) for j in range(1000)], i) for i in range(1000)
    ]
    with told([web], [web_slice]) as (node, feed):
        before, memory = table(), memory_of("self")
        started = time.monotonic()
        feed.tell(Changed(Kind.SERVICE, big, many), *(Changed(Kind.SLICE, one.name, one) for one in slices))
        wait_until(node, lambda: "goto pick_65536" in elements("services4"))
        assert time.monotonic() - started < 10.0
        assert client.is_served()
        assert len(said(node)) == 1 and "65536" in said(node)[0]
        assert memory_of("self") - memory < 250.0, "MiB, with the million themselves"
        feed.tell(Changed(Kind.SERVICE, big, None))
        wait_for(lambda: not said(node))
        wait_for(lambda: table() == before)
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


# --- contradictions ---


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

"""Endpoints follow pods: as Kubernetes' controller decides, and the same step by step as at once."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TypeVar

import pytest

from service_proxy.catalogue import Changed, Event, Kind, Listed
from service_proxy.model import (
    Distribution,
    EndpointPort,
    EndpointSlice,
    Hints,
    Node,
    Pod,
    Service,
    ServiceName,
    ServicePort,
    ServiceType,
    SliceName,
)
from service_proxy.sources.pod_endpoints import as_endpoints
from service_proxy.sources.pod_slices import PodSlices

K = TypeVar("K", ServiceName, SliceName, str)
V = TypeVar("V", Service, Pod, Node)
WEB = ServiceName("default", "web")
HTTP = ServicePort("http", "tcp", 80, target="web")
SERVICE = Service(WEB, ports=(HTTP,), selector={"app": "web"})
POD = Pod(
    SliceName("default", "a"),
    (bytes([10, 1, 0, 1]),),
    "n1",
    {"app": "web", "tier": "x"},
    is_ready=True,
    ports=(EndpointPort("web", "tcp", 8080),),
)


@pytest.mark.parametrize(
    ("service", "pod", "flags"),
    [
        ({}, {}, (True, True, False)),
        ({}, {"is_ready": False}, (False, False, False)),
        ({}, {"is_terminating": True}, (False, True, True)),
        ({}, {"is_terminating": True, "is_ready": False}, (False, False, True)),
        ({"publishes_not_ready": True}, {"is_ready": False}, (True, False, False)),
        ({"publishes_not_ready": True}, {"is_ready": False, "is_terminating": True}, (True, False, True)),
    ],
)
def test_ready_serving_terminating(
    service: dict[str, bool], pod: dict[str, bool], flags: tuple[bool, ...]
) -> None:
    changed = replace(POD, **pod)  # type: ignore[arg-type]
    (_, found) = as_endpoints(replace(SERVICE, **service), changed, "")[4]  # type: ignore[arg-type]
    assert (found.is_ready, found.is_serving, found.is_terminating) == flags


@pytest.mark.parametrize(
    ("distribution", "zone", "hints"),
    [
        (Distribution.NONE, "a", None),
        (Distribution.SAME_ZONE, "a", Hints(("a",))),
        (Distribution.SAME_ZONE, "", None),
        (Distribution.SAME_NODE, "a", Hints(("a",), ("n1",))),
        (Distribution.SAME_NODE, "", Hints((), ("n1",))),
    ],
)
def test_traffic_distribution_becomes_hints(
    distribution: Distribution, zone: str, hints: Hints | None
) -> None:
    (_, found) = as_endpoints(replace(SERVICE, distribution=distribution), POD, zone)[4]
    assert found.hints == hints


def test_another_traffic_distribution_is_followed() -> None:
    slices = PodSlices()
    node = Node("n1", zone="a")
    nothing: list[Event] = [
        Listed(kind, {}) for kind in Kind if kind not in (Kind.SERVICE, Kind.POD, Kind.NODE)
    ]
    known: list[Event] = [
        Listed(Kind.SERVICE, {WEB: SERVICE}),
        Listed(Kind.POD, {POD.name: POD}),
        Listed(Kind.NODE, {"n1": node}),
    ]
    slices.take([*nothing, *known])
    near = replace(SERVICE, distribution=Distribution.SAME_ZONE)
    told = slices.take([Changed(Kind.SERVICE, WEB, near)])
    made = [one.value for one in told if isinstance(one, Changed) and one.kind is Kind.SLICE]
    (found,) = made
    assert isinstance(found, EndpointSlice) and found.endpoints[0].hints == Hints(("a",))


def test_a_pod_that_is_over_or_without_an_address_is_no_endpoint() -> None:
    assert as_endpoints(SERVICE, replace(POD, is_over=True), "") == {}
    assert as_endpoints(SERVICE, replace(POD, addresses=()), "") == {}
    assert as_endpoints(replace(SERVICE, families=(6,)), POD, "") == {}


def test_node_zone_and_hostname_are_told() -> None:
    named = replace(POD, hostname="db-0", subdomain="web")
    found = as_endpoints(SERVICE, named, "zone-a")[4][1]
    assert (found.node, found.zone, found.hostname, found.pod) == ("n1", "zone-a", "db-0", "a")
    assert as_endpoints(SERVICE, replace(named, subdomain="other"), "")[4][1].hostname == ""


def test_a_port_is_a_number_a_name_or_the_services_own() -> None:
    for target, ports in (("web", [8080]), (9000, [9000]), (0, [80]), ("nobody", [])):
        service = replace(SERVICE, ports=(HTTP._replace(target=target),))
        assert [one.port for one in as_endpoints(service, POD, "")[4][0]] == ports


class Follower:
    """What a stage has told of slices."""

    def __init__(self) -> None:
        self.stage = PodSlices()
        self.slices: dict[SliceName, EndpointSlice] = {}
        self.changes = 0
        self.is_listed = False

    def take(self, *events: Event) -> None:
        for event in self.stage.take(events):
            if event.kind is not Kind.SLICE:
                continue
            if isinstance(event, Listed):
                self.slices = dict(event.items)  # type: ignore[arg-type]
                self.is_listed = True
            elif event.value is None:
                self.changes += 1
                del self.slices[event.key]  # type: ignore[arg-type]
            else:
                self.changes += 1
                self.slices[event.key] = event.value  # type: ignore[index,assignment]

    def begin(self, **items: object) -> None:
        for kind in (Kind.SERVICE, Kind.POD, Kind.SLICE, Kind.NODE):
            assert not self.is_listed
            self.take(Listed(kind, items.get(kind.name, {})))  # type: ignore[arg-type]
        assert self.is_listed


def test_pods_whose_ports_have_other_numbers_are_in_slices_of_their_own() -> None:
    other = replace(POD, name=SliceName("default", "b"), ports=(EndpointPort("web", "tcp", 9090),))
    follower = Follower()
    follower.begin(SERVICE={WEB: SERVICE}, POD={POD.name: POD, other.name: other})
    assert sorted(one.ports[0].port for one in follower.slices.values()) == [8080, 9090]


def test_slices_that_somebody_wrote_pass() -> None:
    mine = EndpointSlice(SliceName("default", "mine"), WEB, 4, (), ())
    follower = Follower()
    follower.begin(SERVICE={WEB: replace(SERVICE, selector={})}, SLICE={mine.name: mine})
    assert follower.slices == {mine.name: mine}
    follower.take(Changed(Kind.SLICE, mine.name, None))
    assert follower.slices == {}


def test_one_pods_change_touches_the_services_that_select_it() -> None:
    services = {ServiceName("default", f"s{n}"): _service(n, {"app": f"a{n}"}) for n in range(50)}
    pods = {(one := _pod(n, {"app": f"a{n}"})).name: one for n in range(50)}
    follower = Follower()
    follower.begin(SERVICE=services, POD=pods)
    follower.take(
        Changed(Kind.POD, SliceName("default", "p7"), replace(_pod(7, {"app": "a7"}), is_ready=False))
    )
    assert follower.changes == 2  # a slice for each family
    follower.take(Changed(Kind.POD, SliceName("default", "p7"), _pod(7, {"app": "a8"})))
    assert follower.changes == 6  # two have gone, two have changed


def test_step_by_step_ends_where_all_at_once_does() -> None:
    walk = random.Random(3)
    follower = Follower()
    follower.begin()
    services: dict[ServiceName, Service] = {}
    pods: dict[SliceName, Pod] = {}
    nodes: dict[str, Node] = {}
    for _ in range(1500):
        _step(walk, follower, services, pods, nodes)
        if walk.random() < 0.03:
            whole = Follower()
            whole.begin(SERVICE=services, POD=pods, NODE=nodes)
            assert follower.slices == whole.slices
            assert set(follower.stage._members) <= set(services)
    assert follower.slices


def _step(
    walk: random.Random,
    follower: Follower,
    services: dict[ServiceName, Service],
    pods: dict[SliceName, Pod],
    nodes: dict[str, Node],
) -> None:
    labels = {"app": walk.choice("abc"), "tier": walk.choice("xy")}
    number, is_gone = walk.randrange(8), walk.random() < 0.2
    match walk.randrange(5):
        case 0:
            key = ServiceName("default", f"s{number}")
            one = _service(number, dict(walk.sample(sorted(labels.items()), walk.randrange(3))))
            if walk.random() < 0.1:
                one = replace(one, type=ServiceType.EXTERNAL_NAME)
            _do(follower, Kind.SERVICE, services, key, None if is_gone else one)
        case 1:
            name = f"n{walk.randrange(2)}"
            _do(follower, Kind.NODE, nodes, name, None if is_gone else Node(name, zone=walk.choice("ab")))
        case _:
            pod = replace(
                _pod(number, labels),
                is_ready=walk.random() < 0.7,
                ports=(EndpointPort("web", "tcp", walk.choice((8080, 9090))),),
            )
            _do(follower, Kind.POD, pods, pod.name, None if is_gone else pod)


def _do(follower: Follower, kind: Kind, known: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        known.pop(key, None)
    else:
        known[key] = value
    follower.take(Changed(kind, key, value))


def _service(number: int, selector: dict[str, str]) -> Service:
    return Service(ServiceName("default", f"s{number}"), ports=(HTTP,), selector=selector, families=(4, 6))


def _pod(number: int, labels: dict[str, str]) -> Pod:
    addresses = (bytes([10, 1, 0, number]), bytes(15) + bytes([number]))
    return replace(
        POD,
        name=SliceName("default", f"p{number}"),
        addresses=addresses,
        labels=labels,
        node=f"n{number % 2}",
    )

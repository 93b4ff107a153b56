"""Objects at the door: what absence means, one sentence for what is wrong, and nothing else raised."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service_proxy.catalogue import Kind
from service_proxy.model import (
    Algorithm,
    Distribution,
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Hints,
    Namespace,
    Node,
    Pod,
    Service,
    ServiceCidr,
    ServiceName,
    ServicePort,
    ServiceType,
    SliceName,
)
from service_proxy.objects import RefusedObject, key_of, parse
from tests.rounds import rounds
from tests.service_proxy.made import ip, ips

SERVICE: dict[str, object] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "labels": {"app": "web"},
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "annotations": {
            "podwire.io/algorithm": "maglev",
            "podwire.io/weights": "pod-a=3, FD00::1=2,node-b=0",
            "podwire.io/drain": "pod-c",
            "podwire.io/load-balancer-ips": "192.0.2.7, 2001:db8::7",
        },
    },
    "spec": {
        "type": "LoadBalancer",
        "clusterIP": "10.96.0.10",
        "clusterIPs": ["10.96.0.10", "fd96::a"],
        "ipFamilies": ["IPv4", "IPv6"],
        "ipFamilyPolicy": "PreferDualStack",
        "selector": {"app": "web"},
        "ports": [
            {"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080, "appProtocol": "http"},
            {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353},
        ],
        "externalIPs": ["198.51.100.1"],
        "loadBalancerIP": "192.0.2.9",
        "loadBalancerClass": "podwire.io/l2",
        "loadBalancerSourceRanges": [" 203.0.113.0/24 ", "2001:db8::/32"],
        "healthCheckNodePort": 30999,
        "internalTrafficPolicy": "Local",
        "externalTrafficPolicy": "Local",
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
        "trafficDistribution": "PreferClose",
        "publishNotReadyAddresses": True,
        "allocateLoadBalancerNodePorts": False,
    },
    "status": {
        "loadBalancer": {
            "ingress": [
                {"ip": "192.0.2.7"},
                {"ip": "192.0.2.8", "ipMode": "Proxy"},
                {"hostname": "lb.example.com"},
            ]
        }
    },
}
SLICE: dict[str, object] = {
    "metadata": {
        "name": "web-x7k2p",
        "namespace": "shop",
        "labels": {"kubernetes.io/service-name": "web", "service.kubernetes.io/headless": ""},
    },
    "addressType": "IPv4",
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "any", "port": None}],
    "endpoints": [
        {"addresses": ["10.0.0.1", "10.0.0.9"]},
        {
            "addresses": ["10.0.0.2"],
            "conditions": {"ready": False, "serving": True, "terminating": True},
            "nodeName": "node-1",
            "zone": "a",
            "hostname": "web-0",
            "targetRef": {"kind": "Pod", "name": "web-0"},
            "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "node-1"}]},
        },
    ],
}
POD: dict[str, object] = {
    "metadata": {"name": "web-0", "namespace": "shop", "labels": {"app": "web"}, "deletionTimestamp": "now"},
    "spec": {
        "nodeName": "node-1",
        "hostname": "web-0",
        "subdomain": "web",
        "initContainers": [
            {"ports": [{"name": "never", "containerPort": 1}]},
            {"restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 15000}]},
        ],
        "containers": [
            {"ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"containerPort": 9}]}
        ],
    },
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.2",
        "podIPs": [{"ip": "10.0.0.2"}, {"ip": "fd00::2"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
NODE: dict[str, object] = {
    "metadata": {"name": "node-1", "labels": {"topology.kubernetes.io/zone": "a"}},
    "spec": {
        "podCIDR": "10.0.0.0/24",
        "podCIDRs": ["10.0.0.0/24", "fd00::/64"],
        "taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}],
    },
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": "192.0.2.1"},
            {"type": "Hostname", "address": "node-1"},
            {"type": "ExternalIP", "address": "2001:db8::1"},
        ]
    },
}
CIDR: dict[str, object] = {
    "metadata": {"name": "kubernetes"},
    "spec": {"cidrs": ["10.96.0.0/16", "fd96::/108"]},
}
NAMESPACE: dict[str, object] = {"metadata": {"name": "shop"}}
WHOLE = {
    Kind.SERVICE: SERVICE, Kind.SLICE: SLICE, Kind.POD: POD, Kind.NODE: NODE,
    Kind.SERVICE_CIDR: CIDR, Kind.NAMESPACE: NAMESPACE,
}  # fmt: skip


def with_member(item: dict[str, object], place: str, value: object) -> dict[str, object]:
    """Return a copy with another value at `a.b[0].c`."""
    new = copy.deepcopy(item)
    at: object = new
    *way, last = place.replace("[", ".[").split(".")
    for step in way:
        at = at[int(step[1:-1])] if step.startswith("[") else at[step]  # type: ignore[index]
    at[int(last[1:-1]) if last.startswith("[") else last] = value  # type: ignore[index]
    return new


def test_a_service_is_read_whole() -> None:
    notes: list[str] = []
    assert parse(Kind.SERVICE, SERVICE, notes) == Service(
        name=ServiceName("shop", "web"),
        type=ServiceType.LOAD_BALANCER,
        ports=(
            ServicePort("http", "tcp", 80, 30080, "web", "http"),
            ServicePort("dns", "udp", 53, 0, 5353),
        ),
        cluster_ips=ips("10.96.0.10", "fd96::a"),
        families=(4, 6),
        selector={"app": "web"},
        publishes_not_ready=True,
        external_ips=ips("198.51.100.1"),
        load_balancer_ips=ips("192.0.2.7"),
        load_balancer_class="podwire.io/l2",
        wanted_load_balancer_ips=ips("192.0.2.7", "2001:db8::7"),
        source_ranges=("203.0.113.0/24", "2001:db8::/32"),
        health_check_node_port=30999,
        is_local_inside=True,
        is_local_outside=True,
        affinity_timeout=60,
        distribution=Distribution.SAME_ZONE,
        algorithm=Algorithm.MAGLEV,
        weights={"pod-a": 3, "fd00::1": 2, "node-b": 0},
        drained=frozenset(["pod-c"]),
        allocates_node_ports=False,
        labels={"app": "web"},
        version="7",
        created="2026-01-02T03:04:05Z",
    )
    assert notes == []


def test_what_a_service_does_not_say_has_the_apis_meaning() -> None:
    item = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "sessionAffinity": "ClientIP"}}
    assert parse(Kind.SERVICE, item) == Service(
        ServiceName("default", "web"), ports=(ServicePort("", "tcp", 80),), affinity_timeout=10800
    )


def test_a_slice_is_read_whole() -> None:
    assert parse(Kind.SLICE, SLICE) == EndpointSlice(
        name=SliceName("shop", "web-x7k2p"),
        service=ServiceName("shop", "web"),
        family=4,
        ports=(EndpointPort("http", "tcp", 8080),),
        endpoints=(
            Endpoint(ip("10.0.0.1")),
            Endpoint(
                ip("10.0.0.2"), False, True, True, "node-1", "a", "web-0", "web-0", Hints(("a",), ("node-1",))
            ),
        ),
        is_headless=True,
    )


def test_a_slice_of_names_is_empty() -> None:
    found = parse(Kind.SLICE, {**SLICE, "addressType": "FQDN", "endpoints": [{"addresses": ["a.example"]}]})
    assert isinstance(found, EndpointSlice)
    assert (found.family, found.endpoints, found.ports) == (0, (), ())


def test_others_are_read_whole() -> None:
    assert parse(Kind.POD, POD) == Pod(
        name=SliceName("shop", "web-0"),
        addresses=ips("10.0.0.2", "fd00::2"),
        node="node-1",
        labels={"app": "web"},
        is_ready=True,
        is_terminating=True,
        hostname="web-0",
        subdomain="web",
        ports=(EndpointPort("side", "tcp", 15000), EndpointPort("dns", "udp", 53)),
    )
    labels = {"topology.kubernetes.io/zone": "a"}
    addresses = ips("192.0.2.1", "2001:db8::1")
    assert parse(Kind.NODE, NODE) == Node(
        "node-1", addresses, ("10.0.0.0/24", "fd00::/64"), "a", True, labels
    )
    assert parse(Kind.SERVICE_CIDR, CIDR) == ServiceCidr("kubernetes", ("10.96.0.0/16", "fd96::/108"))
    assert parse(Kind.NAMESPACE, NAMESPACE) == Namespace("shop")


REFUSED: dict[tuple[Kind, str], list[tuple[object, str]]] = {
    (Kind.SERVICE, "spec.ports[1].port"): [
        ("x", 'shop/web: spec.ports[1].port: expected a number from 1 to 65535, not "x"'),
        (True, "shop/web: spec.ports[1].port: expected a number from 1 to 65535, not true"),
        (10**5000, "expected a number from 1 to 65535, not a number of more than 64 bits"),
        (80.0, "not 80.0"),
        (0, "not 0"),
        (None, "not nothing"),
        ([], "not a list"),
    ],
    (Kind.SERVICE, "spec.ports[1].name"): [("http", 'a name that no other port has, not "http"')],
    (Kind.SERVICE, "spec.ports"): [
        ("80", "spec.ports: expected a list"),
        ([80], "spec.ports[0]: expected an object"),
    ],
    (Kind.SERVICE, "spec.type"): [("Headless", "spec.type: expected ClusterIP or NodePort or")],
    (Kind.SERVICE, "spec.clusterIPs[1]"): [
        ("127.0.0.1", "loopback"),
        ("::", "unspecified"),
        ("::ffff:10.0.0.1", "unspecified"),
        ("10.96.0.11", "one address of each family"),
        ("fe80::1%eth0", "an IP address"),
        ("\0", "an IP address"),
    ],
    (Kind.SERVICE, "spec.clusterIP"): [("10.96.0.99", "expected the first of spec.clusterIPs, not")],
    (Kind.SERVICE, "spec.ipFamilies"): [(["IPv6", "IPv4"], "the families of spec.clusterIPs in their order")],
    (Kind.SERVICE, "spec.loadBalancerSourceRanges[0]"): [("all", 'a range as "192.0.2.0/24", not "all"')],
    (Kind.SERVICE, "spec.sessionAffinityConfig.clientIP.timeoutSeconds"): [
        (86401, "a number from 1 to 86400")
    ],
    (Kind.SERVICE, "spec.externalTrafficPolicy"): [("local", 'expected Cluster or Local, not "local"')],
    (Kind.SERVICE, "metadata.name"): [
        ("a" * 1_000_000, "63 characters at most, not"),
        ("a/b", "metadata.name"),
        ("", "metadata.name"),
        ("web\n", "metadata.name"),
        (None, "a Service without a name: metadata.name: expected"),
    ],
    (Kind.SERVICE, "spec.selector"): [({"app": 1}, "spec.selector: expected short texts, not 1")],
    (Kind.SLICE, "addressType"): [(None, "expected IPv4 or IPv6 or FQDN, not nothing")],
    (Kind.SLICE, "endpoints"): [({}, "shop/web-x7k2p: endpoints: expected a list, not an object")],
    (Kind.SERVICE_CIDR, "spec.cidrs[0]"): [("10.96.0.0/99", "kubernetes: spec.cidrs[0]: expected a range")],
    (Kind.POD, "spec.containers[0].ports[0].containerPort"): [(0, "a number from 1 to 65535")],
}


@pytest.mark.parametrize(("kind", "place"), REFUSED)
def test_a_wrong_member_is_named_with_its_object(kind: Kind, place: str) -> None:
    for value, words in REFUSED[kind, place]:
        with pytest.raises(RefusedObject) as refused:
            parse(kind, with_member(WHOLE[kind], place, value))
        text = str(refused.value)
        assert words in text
        assert len(text) < 500


@pytest.mark.parametrize("item", [None, [], "x", 1, {}, {"metadata": []}, {"metadata": {"name": {}}}])
@pytest.mark.parametrize("kind", Kind)
def test_what_is_no_object_is_refused(kind: Kind, item: object) -> None:
    with pytest.raises(RefusedObject):
        parse(kind, item)


LEFT_OUT: list[tuple[Kind, str, object, str]] = [
    (
        Kind.SLICE,
        "endpoints[1].addresses[0]",
        "10.0.0.256",
        "[1].addresses[0]: expected an IPv4 address",
    ),
    (Kind.SLICE, "endpoints[1].addresses[0]", "169.254.169.254", "link-local"),
    (Kind.SLICE, "endpoints[1].addresses", [], "not nothing"),
    (
        Kind.SLICE,
        "endpoints[1].conditions.ready",
        "no",
        'conditions.ready: expected true or false, not "no"',
    ),
    (Kind.SLICE, "endpoints[1]", 7, "endpoints[1]: expected an object, not 7"),
    (Kind.SLICE, "endpoints[1].hints", [], "endpoints[1].hints: expected an object"),
    (
        Kind.SERVICE,
        "spec.externalIPs[0]",
        "127.0.0.1",
        "spec.externalIPs[0]: expected an address that",
    ),
    (
        Kind.SERVICE,
        "status.loadBalancer.ingress[0].ip",
        "x",
        "ingress[0].ip: expected an IP",
    ),
    (
        Kind.SERVICE,
        "spec.trafficDistribution",
        "Anywhere",
        "expected PreferSameZone or",
    ),
    (
        Kind.NODE,
        "status.addresses[0].address",
        "x",
        "node-1: status.addresses[0].address: expected",
    ),
]


@pytest.mark.parametrize(("kind", "place", "value", "words"), LEFT_OUT)
def test_what_others_do_not_need_is_left_out_with_a_note(
    kind: Kind, place: str, value: object, words: str
) -> None:
    notes: list[str] = []
    parse(kind, with_member(WHOLE[kind], place, value), notes)
    assert len(notes) == 1
    assert words in notes[0]


@pytest.mark.parametrize("weights", ["pod-a", "pod-a=x", "=3", "pod-a=-1", "pod-a=1001", "pod-a=٣", "a=1=2"])
def test_a_wrong_weight_is_left_out_alone(weights: str) -> None:
    notes: list[str] = []
    item = with_member(SERVICE, "metadata.annotations", {"podwire.io/weights": f"{weights},pod-b=2"})
    found = parse(Kind.SERVICE, item, notes)
    assert isinstance(found, Service)
    assert (found.weights, len(notes)) == ({"pod-b": 2}, 1)


@pytest.mark.parametrize(
    ("spec", "families"),
    [
        ({"clusterIPs": ["fd96::1"]}, (6,)),
        ({"ipFamilyPolicy": "RequireDualStack"}, (4, 6)),
        ({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]}, (6, 4)),
        ({"clusterIP": "None"}, (4, 6)),
        ({"clusterIP": "None", "selector": {"a": "b"}}, (4,)),
        ({"clusterIP": "None", "ipFamilies": ["IPv6"]}, (6,)),
    ],
)
def test_families_follow_the_policy(spec: dict[str, object], families: tuple[int, ...]) -> None:
    found = parse(Kind.SERVICE, {"metadata": {"name": "web"}, "spec": spec})
    assert isinstance(found, Service)
    assert found.families == families
    assert found.is_headless == (spec.get("clusterIP") == "None")


def test_a_hundred_thousand_wrong_endpoints_are_one_note() -> None:
    notes: list[str] = []
    good = {"addresses": ["10.0.0.1"]}
    found = parse(Kind.SLICE, {**SLICE, "endpoints": [{"addresses": ["x" * 1000]}, good] * 50_000}, notes)
    assert isinstance(found, EndpointSlice)
    assert len(found.endpoints) == 50_000
    (note,) = notes
    assert note.endswith("left out; so are 49999 more of its endpoints")
    assert len(note) < 300


def test_deep_nesting_harms_nobody() -> None:
    deep: object = {}
    for _ in range(100_000):
        deep = {"x": deep}
    with pytest.raises(RefusedObject, match=r"spec\.ports: expected a list, not an object"):
        parse(Kind.SERVICE, with_member(SERVICE, "spec.ports", deep))
    while isinstance(deep, dict) and deep:  # taken apart by hand: the interpreter's own way recurses
        deep = deep.popitem()[1]


def test_a_value_is_known_by_its_name() -> None:
    assert key_of(parse(Kind.SERVICE, SERVICE)) == ("shop", "web")
    assert key_of(parse(Kind.NODE, NODE)) == "node-1"


def places(value: object, place: str = "") -> Iterator[str]:
    """Yield every place in an object."""
    if place:
        yield place
    if isinstance(value, dict):
        for key, one in value.items():
            if "." not in key and "/" not in key:
                yield from places(one, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, f"{place}[{index}]")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("a" * 2000)
anything = st.recursive(
    scalars, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(), some, max_size=3)
)
ANYWHERE = [(kind, place) for kind, item in WHOLE.items() for place in places(item)]


@settings(max_examples=rounds(400), deadline=None)
@given(st.sampled_from(ANYWHERE), anything)
def test_any_member_of_any_value_is_read_left_out_or_refused(where: tuple[Kind, str], value: object) -> None:
    kind, place = where
    notes: list[str] = []
    try:
        parse(kind, with_member(WHOLE[kind], place, value), notes)
    except RefusedObject as refused:
        notes.append(str(refused))
    for note in notes:
        assert len(note) < 500
        assert "\n" not in note


@settings(max_examples=rounds(100), deadline=None)
@given(st.sampled_from(list(Kind)), anything)
def test_anything_at_all_is_read_or_refused(kind: Kind, item: object) -> None:
    try:
        parse(kind, item)
    except RefusedObject as refused:
        assert str(refused)

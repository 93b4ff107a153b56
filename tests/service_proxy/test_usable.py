"""Which endpoints a port has: reference proxies' behaviours one by one, and judged by a slow oracle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linuxnet.service_entries import Target
from service_proxy.model import Endpoint, EndpointPort, Hints
from service_proxy.usable import Usable, has_only_others, usable
from tests.rounds import rounds
from tests.service_proxy.made import HERE, HTTP, WEB, ZONE, endpoint, endpoint_slice, ip, service

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def asked(*endpoints: Endpoint, **members: object) -> Usable:
    return usable(service(WEB, **members), HTTP, 4, [endpoint_slice(*endpoints)], HERE, ZONE)


def hosts(targets: tuple[Target, ...]) -> list[str]:
    return sorted(".".join(map(str, address)) for address, _ in targets)


CASES: dict[str, tuple[list[Endpoint], list[str], list[str]]] = {
    "ready ones are used": ([endpoint(A), endpoint(B, "unready")], [A], []),
    "of this node also by its own list": ([endpoint(A), endpoint(B, node=HERE)], [A, B], [B]),
    "terminating ones only if nobody is ready": ([endpoint(A), endpoint(B, "terminating")], [A], []),
    "the last that terminate and serve": ([endpoint(A, "terminating"), endpoint(B, "gone")], [A], []),
    "unready ones never": ([endpoint(A, "unready")], [], []),
    "this node's list falls back by itself": (
        [endpoint(A), endpoint(B, "terminating", HERE)], [A], [B],
    ),
    "the cluster's list falls back whatever is here": (
        [endpoint(A, "terminating"), endpoint(B, "terminating", HERE)], [A, B], [B],
    ),
    "hints for the zone": ([endpoint(A, zones=[ZONE]), endpoint(B, zones=["zone-b"])], [A], []),
    "hints of some only are none": ([endpoint(A, zones=[ZONE]), endpoint(B)], [A, B], []),
    "hints for other zones only": ([endpoint(A, zones=["b"]), endpoint(B, zones=["c"])], [A, B], []),
    "hints for the node come first": (
        [endpoint(A, zones=[ZONE], nodes=[HERE]), endpoint(B, zones=[ZONE], nodes=["node-2"])], [A], [],
    ),
    "hints for other nodes leave those for the zone": (
        [endpoint(A, zones=[ZONE], nodes=["node-3"]), endpoint(B, zones=["b"], nodes=["node-2"])], [A], [],
    ),
    "hints of unready ones are no matter": ([endpoint(A, zones=[ZONE]), endpoint(B, "unready")], [A], []),
    "hints are of no matter to this node's list": (
        [endpoint(A, zones=[ZONE]), endpoint(B, node=HERE, zones=["zone-b"])], [A], [B],
    ),
    "hints are of no matter to the last": (
        [endpoint(A, "terminating", zones=[ZONE]), endpoint(B, "terminating", zones=["b"])], [A, B], [],
    ),
    "one that is on no node is not here": ([endpoint(A, node="")], [A], []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_endpoints_are_chosen(case: str) -> None:
    endpoints, cluster, local = CASES[case]
    found = asked(*endpoints)
    assert (hosts(found.cluster), hosts(found.local)) == (cluster, local)
    assert found.has_any == bool(cluster or local)


def test_two_slices_are_joined_by_the_ports_name() -> None:
    slices = [
        endpoint_slice(endpoint(A), port=8080),
        endpoint_slice(endpoint(B), name="b", port=9090),
        endpoint_slice(endpoint(C), name="c", ports=(EndpointPort("other", "tcp", 8080),)),
        endpoint_slice(endpoint(C), name="d", ports=(EndpointPort("http", "udp", 8080),)),
        endpoint_slice(endpoint("fd00::1"), name="e"),
    ]
    found = usable(service(), HTTP, 4, slices, HERE, ZONE)
    assert set(found.cluster) == {(ip(A), 8080), (ip(B), 9090)}


@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_two_that_contradict_the_one_that_does_not_terminate_is_right(is_reversed: bool) -> None:
    slices = [endpoint_slice(endpoint(A, "terminating")), endpoint_slice(endpoint(A), name="b")]
    found = usable(service(), HTTP, 4, slices[::-1] if is_reversed else slices, HERE, ZONE)
    assert found.cluster == ((ip(A), 8080),)


@pytest.mark.parametrize("name", ["pod-a", "node-2", A])
def test_a_drained_one_gets_nothing_new_and_goes_on_serving(name: str) -> None:
    for members in ({"drained": frozenset([name])}, {"weights": {name: 0}}):
        found = asked(endpoint(A, pod="pod-a"), endpoint(B, node="node-3"), **members)
        assert hosts(found.cluster) == [B]
        assert (ip(A), 8080) in found.serving


def test_draining_all_leaves_none() -> None:
    assert not asked(endpoint(A), endpoint(B), drained=frozenset([A, B])).has_any


def test_a_drained_ones_hints_are_no_matter() -> None:
    found = asked(endpoint(A), endpoint(B, zones=[ZONE]), endpoint(C, zones=["b"]), drained=frozenset([A]))
    assert hosts(found.cluster) == [B]


def test_only_ready_ones_of_this_node_are_healthy() -> None:
    found = asked(endpoint(A, node=HERE), endpoint(B, "terminating", HERE), endpoint(C))
    assert found.local_ready == {ip(A)}
    assert found.local_addresses == {ip(A), ip(B)}


names = st.sampled_from(["", HERE, "node-2", "node-3"])
some_hints = st.none() | st.builds(
    Hints,
    zones=st.lists(st.sampled_from([ZONE, "zone-b"]), max_size=2).map(tuple),
    nodes=st.lists(st.sampled_from([HERE, "node-2"]), max_size=2).map(tuple),
)
endpoints_of_any_kind = st.builds(
    Endpoint,
    address=st.sampled_from([ip(f"10.0.0.{i}") for i in range(1, 7)]),
    is_ready=st.booleans(),
    is_serving=st.booleans(),
    is_terminating=st.booleans(),
    node=names,
    hints=some_hints,
)


def oracle(endpoints: list[Endpoint]) -> tuple[set[bytes], set[bytes]]:
    """Decide as kube-proxy's CategorizeEndpoints says it, one question after the other."""
    ready = [one for one in endpoints if one.is_ready]
    last = [one for one in endpoints if not one.is_ready and one.is_serving and one.is_terminating]
    last += [one for one in ready if one.is_serving and one.is_terminating]
    cluster = ready
    if all(one.hints is not None and one.hints.zones for one in ready) and any(
        ZONE in one.hints.zones for one in ready if one.hints
    ):
        cluster = [one for one in ready if one.hints and ZONE in one.hints.zones]
    if all(one.hints is not None and one.hints.nodes for one in ready) and any(
        HERE in one.hints.nodes for one in ready if one.hints
    ):
        cluster = [one for one in ready if one.hints and HERE in one.hints.nodes]
    local = [one for one in ready if one.node == HERE]
    if not local:
        local = [one for one in last if one.node == HERE]
    return {one.address for one in cluster or last}, {one.address for one in local}


@settings(max_examples=rounds(100), deadline=None)
@given(st.lists(endpoints_of_any_kind, max_size=6, unique_by=lambda one: one.address))
def test_any_endpoints_are_chosen_as_the_oracle_does(endpoints: list[Endpoint]) -> None:
    found = asked(*endpoints)
    assert ({a for a, _ in found.cluster}, {a for a, _ in found.local}) == oracle(endpoints)
    assert found.has_any == any(oracle(endpoints))


@settings(max_examples=rounds(60), deadline=None)
@given(st.lists(endpoints_of_any_kind.map(lambda one: one._replace(hints=None)), max_size=8))
def test_contradictions_are_judged_alike_in_any_order(endpoints: list[Endpoint]) -> None:
    slices = [endpoint_slice(one, name=str(i)) for i, one in enumerate(endpoints)]
    one, other = (usable(service(), HTTP, 4, each, "", "") for each in (slices, slices[::-1]))
    assert (set(one.cluster), one.serving) == (set(other.cluster), other.serving)


@pytest.mark.parametrize(
    ("endpoints", "is_so"),
    [
        ([], False),
        ([endpoint(A, "unready")], False),
        ([endpoint(A)], True),
        ([endpoint(A), endpoint(B, node=HERE)], False),
        ([endpoint(A), endpoint(B, "unready", HERE)], True),
        ([endpoint(A), endpoint(B, "terminating", HERE)], False),
    ],
)
def test_a_service_may_have_endpoints_on_other_nodes_only(endpoints: list[Endpoint], is_so: bool) -> None:
    assert has_only_others([endpoint_slice(*endpoints)], HERE) is is_so

"""What is forgotten when endpoints go."""

from __future__ import annotations

from linuxnet.service_affinity import Gone
from linuxnet.service_entries import Entry, Front
from service_proxy.stale import FrontKey, Stale, StaleFlows, stale

VIP = bytes((10, 96, 0, 10))
ONE, TWO, THREE = ((bytes((10, 244, 0, n)), 5353) for n in (1, 2, 3))
FRONT = Front.at(VIP, "udp", 53)
KEY = FrontKey(4, VIP, 17, 53)


def entries(*targets: tuple[bytes, int], front: Front = FRONT, number: int | None = None) -> list[Entry]:
    found = front.slots(targets)
    return [*found, front.sticky(number)] if number is not None else found


def test_a_flow_of_an_endpoint_that_has_gone_is_stale() -> None:
    assert stale(entries(ONE, TWO), entries(TWO, THREE)) == Stale([StaleFlows(KEY, ONE)], [])


def test_an_endpoint_that_still_serves_keeps_its_flows() -> None:
    assert stale(entries(ONE, TWO), entries(TWO), serving={ONE}) == Stale([], [])


def test_where_nobody_serves_any_more_flows_are_left_alone() -> None:
    assert stale(entries(ONE), []) == Stale([], [])


def test_with_the_first_endpoint_flows_that_nobody_translated_are_stale() -> None:
    assert stale([], entries(ONE)) == Stale([StaleFlows(KEY, None)], [])
    assert stale(entries(ONE), entries(ONE, TWO)) == Stale([], [])


def test_connections_of_tcp_are_never_cut() -> None:
    tcp = Front.at(VIP, "tcp", 53)
    assert stale(entries(ONE, TWO, front=tcp), entries(TWO, front=tcp)) == Stale([], [])


def test_a_node_port_is_known_without_an_address() -> None:
    front = Front.node_port(6, "udp", 30053)
    six = (bytes(15) + b"\1", 53)
    seven = (bytes(15) + b"\2", 53)
    (flow,) = stale(entries(six, seven, front=front), entries(seven, front=front)).flows
    assert flow == StaleFlows(FrontKey(6, b"", 17, 30053), six)


def test_clients_are_forgotten_with_their_endpoint_and_when_affinity_is_switched_off() -> None:
    tcp = Front.at(VIP, "tcp", 80)
    with_both, without_one = entries(ONE, TWO, front=tcp, number=7), entries(TWO, front=tcp, number=7)
    assert stale(with_both, without_one).clients == [Gone(7, *ONE)]
    off = stale(with_both, entries(ONE, TWO, front=tcp)).clients
    assert set(off) == {Gone(7, *ONE), Gone(7, *TWO)}

"""What changes in a namespace is heard of, and a storm too large to hear says so."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from linuxnet.monitor import EVERYTHING, Changed, Monitor
from linuxnet.numbers import OVERLAY_PROTOCOL
from tests.calls import run


@pytest.fixture
def monitor(host: None) -> Iterator[Monitor]:
    run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"])
    for name in ("eth0", "eth1"):
        run(["ip", "link", "set", name, "up"])
    run(["ip", "addr", "add", "192.0.2.1/24", "dev", "eth0"])
    run(["ip", "route", "add", "203.0.113.0/24", "via", "192.0.2.254"])
    run(["ip", "neigh", "add", "192.0.2.9", "lladdr", "02:00:00:00:00:01", "dev", "eth0"])
    run(["ip", "nexthop", "add", "id", "7", "via", "192.0.2.9", "dev", "eth0"])
    opened = Monitor(OVERLAY_PROTOCOL)
    yield opened
    opened.close()


def heard(monitor: Monitor, expected: Changed) -> Changed:
    """Collect what is heard until all that is expected has come."""
    found = Changed.NOTHING
    while expected not in found:
        ready, _, _ = select.select([monitor], [], [], 5)
        assert ready, f"heard {found}, expected {expected}"
        found |= monitor.read()
    return found


EVENTS = {
    "ip link add tunnel type bridge": Changed.LINK,
    "ip link set eth0 mtu 1400": Changed.LINK,
    "ip link del eth1": Changed.LINK,
    "ip addr add 192.0.2.2/24 dev eth0": Changed.ADDRESS,
    "ip addr del 192.0.2.1/24 dev eth0": Changed.ADDRESS,
    "ip addr add 2001:db8::1/64 dev eth0 nodad": Changed.ADDRESS,
    "ip route add 198.51.100.0/24 via 192.0.2.254": Changed.ROUTE,
    "ip route add 2001:db8:1::/48 dev eth0": Changed.ROUTE,
    "ip route del 203.0.113.0/24": Changed.ROUTE | Changed.ENTRY,
    "ip nexthop del id 7": Changed.ENTRY,
    "ip neigh del 192.0.2.9 dev eth0": Changed.ENTRY,
}


@pytest.mark.parametrize("command", EVENTS)
def test_a_change_is_heard_of(monitor: Monitor, command: str) -> None:
    monitor.read()
    run(command.split())
    assert EVENTS[command] in heard(monitor, EVENTS[command])


def test_our_own_routes_are_no_news_but_their_loss_is(monitor: Monitor) -> None:
    monitor.read()
    route = ["198.51.100.0/24", "via", "192.0.2.254", "proto", str(OVERLAY_PROTOCOL)]
    run(["ip", "route", "add", *route])
    run(["ip", "link", "set", "eth0", "alias", "done"])  # whatever was to be heard comes before this
    assert Changed.ROUTE not in heard(monitor, Changed.LINK)
    run(["ip", "route", "del", *route])
    assert Changed.ENTRY in heard(monitor, Changed.ENTRY)


def test_nothing_is_heard_where_nothing_happens(monitor: Monitor) -> None:
    monitor.read()
    run(["ip", "link", "show"])
    assert monitor.read() == Changed.NOTHING


def test_a_storm_that_is_too_large_names_everything(monitor: Monitor) -> None:
    monitor._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    routes = [f"route add 10.{n >> 8}.{n & 255}.0/24 dev eth0" for n in range(300)]
    run(["sh", "-c", "printf '%s\\n' '" + "\n".join(routes) + "' | ip -batch -"])
    assert monitor.read() == EVERYTHING
    monitor.read()
    run(["ip", "link", "set", "eth0", "alias", "after"])
    assert Changed.LINK in heard(monitor, Changed.LINK), "it goes on hearing"

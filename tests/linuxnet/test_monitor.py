"""What the monitor hears of a namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from linuxnet.monitor import Changed, Monitor
from linuxnet.numbers import OVERLAY_PROTOCOL


@pytest.fixture
def monitor(host: None) -> Iterator[Monitor]:
    one = Monitor(OVERLAY_PROTOCOL)
    yield one
    one.close()


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


def _wire() -> None:
    _ip("link add left up type veth peer name right")
    _ip("link set right up")
    _ip("addr add 192.0.2.1/24 dev left")


def test_links_and_addresses_are_heard(monitor: Monitor) -> None:
    _wire()
    assert {Changed.LINK, Changed.ADDRESS} <= set(monitor.read())


def test_a_route_that_another_removes_is_heard(monitor: Monitor) -> None:
    _wire()
    _ip(f"route add 198.51.100.0/24 via 192.0.2.2 proto {OVERLAY_PROTOCOL}")
    monitor.read()
    _ip("route del 198.51.100.0/24")
    assert Changed.ENTRY in monitor.read()


def test_our_own_routes_are_no_news(monitor: Monitor) -> None:
    _wire()
    monitor.read()
    _ip(f"route add 198.51.100.0/24 via 192.0.2.2 proto {OVERLAY_PROTOCOL}")
    assert monitor.read() is Changed.NOTHING


def test_nothing_is_heard_where_nothing_happens(monitor: Monitor) -> None:
    assert monitor.read() is Changed.NOTHING

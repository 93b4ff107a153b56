"""The monitor hears of what others change, and not of our own routes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from select import select

import pytest

from linuxnet.monitor import Changed, Monitor
from linuxnet.numbers import OVERLAY_PROTOCOL


@pytest.fixture
def monitor(host: None) -> Iterator[Monitor]:
    """Listen in a namespace with a veth that is up and has an address."""
    ip("link add w0 type veth peer name w1", "link set w0 addrgenmode none", "link set w1 addrgenmode none")
    ip("link set w0 up", "link set w1 up", "addr add 192.0.2.1/24 dev w0")
    made = Monitor(OVERLAY_PROTOCOL)
    yield made
    made.close()


def ip(*lines: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def heard(monitor: Monitor, wanted: Changed) -> bool:
    """Read until a kind is heard of; nothing more comes after two seconds."""
    found = Changed.NOTHING
    while not wanted & found and select([monitor], [], [], 2.0)[0]:
        found |= monitor.read()
    return bool(wanted & found)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("link set w0 mtu 1400", Changed.LINK),
        ("link del w0", Changed.LINK),
        ("addr add 192.0.2.2/24 dev w0", Changed.ADDRESS),
        ("addr del 192.0.2.1/24 dev w0", Changed.ADDRESS),
        ("route add 198.51.100.0/24 dev w0", Changed.ROUTE),
    ],
)
def test_what_others_change_is_heard(monitor: Monitor, line: str, kind: Changed) -> None:
    ip(line)
    assert heard(monitor, kind)


def test_what_goes_is_heard(monitor: Monitor) -> None:
    ip(f"nexthop add id 7 via 192.0.2.9 dev w0 protocol {OVERLAY_PROTOCOL}")
    ip(f"route add 198.51.100.0/24 nhid 7 proto {OVERLAY_PROTOCOL}")
    assert not heard(monitor, Changed.ROUTE | Changed.ENTRY)
    ip("nexthop del id 7")
    assert heard(monitor, Changed.ENTRY)

"""What stands around a plugin where packets are to flow: routes back, forwarding, hairpin."""

from __future__ import annotations

from pathlib import Path

from conformance.case import Case
from conformance.clause import Kind
from conformance.world.given import BRIDGE
from conformance.world.looking import ip, links, run, succeeds
from conformance.world.waiting import holds_within

NETWORKS = ("10.0.0.0/8", "fc00::/7")  # containers' addresses, in the suite and in most configurations
NEXT_HOPS = ("192.0.2.1", "2001:db8::1")
READY_WITHIN = 10  # seconds; duplicate address detection takes one or two (RFC 4862)
PAUSE = 0.02  # seconds between two looks


def open_roads(case: Case) -> None:
    """Let the outside know the way to containers; on the host, forward for what is given to chained plugins.

    An interface plugin must see to forwarding itself. May be called again when more has been given.
    """
    for network, hop in zip(NETWORKS, NEXT_HOPS, strict=True):
        run("ip", "route", "replace", network, "via", hop, netns=case.outside.path)
    if case.kind is not Kind.CHAINED:
        return
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        Path("/proc/sys/net", name).write_text("1")
    for name, link in links().items():
        if link.get("master") == BRIDGE:
            run("ip", "link", "set", name, "type", "bridge_slave", "hairpin", "on")


def stand_ready(netns: str = "") -> None:
    """Wait until no address of a namespace is tentative: from then on it can be used."""

    def is_ready() -> bool:
        return not any(one.get("addr_info") for one in ip("-6", "addr", "show", "tentative", netns=netns))

    holds_within(READY_WITHIN, is_ready, pause=PAUSE)


def have_neighbour(netns: str, addresses: dict[int, str], device: str) -> None:
    """Give a namespace's device addresses (with prefix lengths) of the containers' own networks."""
    for family, address in addresses.items():
        if not succeeds("ip", "addr", "replace", address, "dev", device, *_now(family), netns=netns):
            run("ip", "addr", "add", address, "dev", device, *_now(family), netns=netns)


def _now(family: int) -> tuple[str, ...]:
    return ("nodad",) if family == 6 else ()

"""What must not arrive: frames that lie about their sender, packets of isolated neighbours; and hairpin."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from conformance.case import Case
from conformance.clause import Kind, Level, clause, expect
from conformance.datapath.frames import (
    ARP,
    EXPERIMENT,
    IPV4,
    IPV6,
    OTHER_EXPERIMENT,
    Wire,
    advertisement,
    arp,
    ethernet,
    ipv4_udp,
    ipv6_udp,
    mac_bytes,
)
from conformance.datapath.promised import Joined, join
from conformance.datapath.talking import connect, echo, exchange_datagrams, is_silent, told

INTERFACE = frozenset({Kind.INTERFACE})
OTHER_MAC = bytes.fromhex("020000000099")  # locally administered, nobody's
ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
NOBODYS = {4: 200, 6: 0x99}  # added to the last byte's network part: an address that no container has


@clause("datapath-spoof-mac", Level.DATAPATH, "beyond", "stops false MAC addresses", kinds=INTERFACE)
def spoof_mac(case: Case) -> None:
    """A frame from a container with another sender's MAC address does not reach a neighbour.

    An honest one that follows it does. Promised as `spoof-mac`.
    """
    liar, neighbour = join(case, "spoof-mac", 2)
    honest = ethernet(mac_bytes(liar.mac), EXPERIMENT, b"honest")
    with _wire(liar, neighbour) as wire:
        frame = ethernet(OTHER_MAC, EXPERIMENT, b"false")
        expect(not wire.carries(frame, honest), "a frame with a false MAC address reached a neighbour")
        frame = ethernet(mac_bytes(neighbour.mac), EXPERIMENT, b"false")
        expect(not wire.carries(frame, honest), "a frame with the neighbour's own MAC address reached it")


@clause("datapath-spoof-address", Level.DATAPATH, "beyond", "stops false IP, ARP and ND", kinds=INTERFACE)
def spoof_address(case: Case) -> None:
    """A packet from a container with another's IP address, or an ARP or ND message that claims it, stops.

    Honest ones pass. Promised as `spoof-address`.
    """
    liar, neighbour = join(case, "spoof-address", 2)
    with _wire(liar, neighbour) as wire:
        for what, frame, honest in _lies(liar, neighbour):
            expect(not wire.carries(frame, honest), f"{what} reached a neighbour")


@clause("datapath-isolation", Level.DATAPATH, "beyond", "keeps isolated containers apart", kinds=INTERFACE)
def isolation(case: Case) -> None:
    """Two isolated containers of one network reach the host, and not each other. Promised as `isolation`."""
    first, second = join(case, "isolation", 2)
    for family, address in second.addresses.items():
        with told("from an isolated container to the host"):
            echo(first.netns, first.gateways[family])
        with told("from the other isolated container to the host"):
            echo(second.netns, second.gateways[family])
        talks = {
            "an echo": is_silent(echo, first.netns, address),
            "a datagram": is_silent(exchange_datagrams, first.netns, second.netns, address),
            "a connection": is_silent(connect, first.netns, second.netns, address),
        }
        reached = [what for what, silent in talks.items() if not silent]
        expect(not reached, f"{' and '.join(reached)} reached an isolated container at {address}")


@clause("datapath-hairpin", Level.DATAPATH, "beyond", "gives frames back to their port", kinds=INTERFACE)
def hairpin(case: Case) -> None:
    """A container's broadcast comes back to it: where bridges translate addresses, host ports need it.

    Promised as `hairpin`.
    """
    (one,) = join(case, "hairpin")
    place = (one.netns, one.attachment.ifname)
    with Wire.between(place, place) as wire:
        frame = ethernet(mac_bytes(one.mac), OTHER_EXPERIMENT, b"hairpin")
        expect(wire.returns(frame), "a broadcast frame did not come back to the container that sent it")


def _wire(sender: Joined, receiver: Joined) -> Wire:
    return Wire.between(
        (sender.netns, sender.attachment.ifname), (receiver.netns, receiver.attachment.ifname)
    )


def _lies(liar: Joined, neighbour: Joined) -> Iterator[tuple[str, bytes, bytes]]:
    """Return pairs of frames with a name: a false one, and an honest one of its kind."""
    mac = mac_bytes(liar.mac)
    if 4 in liar.addresses:
        own, theirs = (socket.inet_aton(one.addresses[4]) for one in (liar, neighbour))
        others = own[:3] + bytes((NOBODYS[4],))
        good = ethernet(mac, ARP, arp(mac, own, theirs))
        yield "an ARP request with another's IP address", ethernet(mac, ARP, arp(mac, others, theirs)), good
        yield (
            "an ARP request with another's MAC address",
            ethernet(mac, ARP, arp(OTHER_MAC, own, theirs)),
            good,
        )
        yield "an IPv4 packet with another's address", _four(mac, others, theirs), _four(mac, own, theirs)
    if 6 in liar.addresses:
        own = socket.inet_pton(socket.AF_INET6, liar.addresses[6])
        others = own[:15] + bytes((NOBODYS[6],))
        yield "an IPv6 packet with another's address", _six(mac, others), _six(mac, own)
        false, good = (ethernet(mac, IPV6, advertisement(own, ALL_NODES, one, mac)) for one in (others, own))
        yield "a neighbour advertisement for another's address", false, good


def _four(mac: bytes, source: bytes, to: bytes) -> bytes:
    return ethernet(mac, IPV4, ipv4_udp(source, to))


def _six(mac: bytes, source: bytes) -> bytes:
    return ethernet(mac, IPV6, ipv6_udp(source, ALL_NODES))


CLAUSES = (spoof_mac, spoof_address, isolation, hairpin)

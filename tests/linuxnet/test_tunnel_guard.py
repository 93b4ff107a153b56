"""Who may speak to the tunnels, and for whom: packets made by hand, from nodes and from strangers."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from linuxnet.errors import KernelError
from linuxnet.netns import inside
from linuxnet.numbers import NFT_OVERLAY_TABLE
from linuxnet.tunnel_guard import UNEVEN, Admitted, Boundaries, Grain, TunnelGuard, peer, source
from tests.calls import ip_json, run

TABLE = NFT_OVERLAY_TABLE
MAC = "02:00:00:00:00:01"
NET = {4: ("10.244.0.0", 16), 6: ("fd00:244::", 48)}
EVEN = Grain(24, 64)
GRAINS = [EVEN, UNEVEN, Grain(24, 0)]
BOUNDARIES = Boundaries(
    (4790, 8472), (4790,), ("10.244.0.0/16", "fd00:244::/48"), ("10.244.0.0/16", "fd00:244::/48")
)
HERE = {4: "192.0.2.1", 6: "2001:db8::1"}
PEER = {4: "192.0.2.2", 6: "2001:db8::2"}
OTHER_PEER = {4: "192.0.2.3", 6: "2001:db8::3"}
STRANGER = {4: "192.0.2.66", 6: "2001:db8::66"}
OWN = {4: "10.244.1.0", 6: "fd00:244:0:1::"}
POD = {4: "10.244.2.9", 6: "fd00:244:0:2::9"}  # of the peer
OTHER_POD = {4: "10.244.3.9", 6: "fd00:244:0:3::9"}  # of the other peer
SUBNET = {4: ("10.244.2.0", 24), 6: ("fd00:244:0:2::", 64)}
OTHER_SUBNET = {4: ("10.244.3.0", 24), 6: ("fd00:244:0:3::", 64)}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
INNER_PORT, END = 9999, b"end"


def packed(address: str) -> bytes:
    return socket.inet_pton(FAMILY[6 if ":" in address else 4], address)


def summed(data: bytes) -> int:
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def inner_packet(inner: int, src: str, payload: bytes) -> bytes:
    """Make an IP packet with a UDP datagram to this node's own tunnel address."""
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", INNER_PORT, INNER_PORT, length, 0) + payload
    ends = packed(src) + packed(OWN[inner])
    if inner == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, 17, 0) + ends
        return head[:10] + struct.pack("!H", summed(head)) + head[12:] + udp
    checked = summed(ends + struct.pack("!IHBB", length, 0, 0, 17) + udp)
    return (
        struct.pack("!IHBB", 6 << 28, length, 17, 64) + ends + udp[:6] + struct.pack("!H", checked) + udp[8:]
    )


def classic(inner: int, src: str, payload: bytes) -> bytes:
    kind = 0x0800 if inner == 4 else 0x86DD
    frame = bytes.fromhex(MAC.replace(":", "")) + bytes.fromhex("020000000099") + struct.pack("!H", kind)
    return struct.pack("!II", 0x08000000, 1 << 8) + frame + inner_packet(inner, src, payload)


def bare(inner: int, src: str, payload: bytes) -> bytes:
    return struct.pack("!BBBBI", 0x0C, 0, 0, 1 if inner == 4 else 2, 1 << 8) + inner_packet(
        inner, src, payload
    )


WIRE = {8472: classic, 4790: bare}


class World:
    """A node with both tunnels, and a network beside it where anybody may be anyone."""

    def __init__(self, stack: ExitStack) -> None:
        run(["ip", "netns", "add", "outside"])
        stack.callback(run, ["ip", "netns", "del", "outside"])
        run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", "outside"])
        for version, length in ((4, "24"), (6, "64")):
            nodad = ["nodad"] if version == 6 else []
            run(["ip", "addr", "add", f"{HERE[version]}/{length}", "dev", "eth0", *nodad])
            for one in (PEER, OTHER_PEER, STRANGER):
                run(["ip", "-n", "outside", "addr", "add", f"{one[version]}/{length}", "dev", "eth0", *nodad])
        run(["ip", "link", "set", "eth0", "up"])
        run(["ip", "-n", "outside", "link", "set", "eth0", "up"])
        (link,) = ip_json("link", "show", "eth0")
        for version in (
            4,
            6,
        ):  # known beforehand: what a neighbour's discovery loses is not the guard's doing
            run(
                [
                    "ip",
                    "-n",
                    "outside",
                    "neigh",
                    "replace",
                    HERE[version],
                    "lladdr",
                    link["address"],
                    "dev",
                    "eth0",
                ]
            )
        for name, version in (("flannel.1", 4), ("flannel-v6.1", 6)):
            way = ["id", "1", "local", HERE[version], "dev", "eth0", "dstport", "8472", "nolearning"]
            run(["ip", "link", "add", name, "address", MAC, "type", "vxlan", *way])
        run(["ip", "link", "add", "gpe", "type", "vxlan", "external", "gpe", "dstport", "4790",
             "udp6zerocsumrx"])  # fmt: skip
        for name in ("flannel.1", "flannel-v6.1", "gpe"):
            run(["ip", "link", "set", name, "up"])
        for version, net in NET.items():
            option = "-6" if version == 6 else "-4"
            run(["ip", option, "route", "add", f"{net[0]}/{net[1]}", "dev", "flannel.1"])
            nodad = ["nodad"] if version == 6 else []
            run(
                [
                    "ip",
                    "addr",
                    "add",
                    f"{OWN[version]}/{32 if version == 4 else 128}",
                    "dev",
                    "flannel.1",
                    *nodad,
                ]
            )
        for address in (HERE[6], OWN[6]):
            wait_for_address(address)
        self.outside = os.open("/run/netns/outside", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, self.outside)
        self.senders = {
            (s, v): stack.enter_context(self._sender(s, v)) for v in (4, 6) for s in self._sources(v)
        }
        self.pods = {version: stack.enter_context(self._pod(version)) for version in (4, 6)}
        self.guard = TunnelGuard()
        stack.callback(self.guard.close)

    def _sources(self, version: int) -> list[str]:
        return [PEER[version], OTHER_PEER[version], STRANGER[version]]

    def _sender(self, source: str, version: int) -> socket.socket:
        with inside(self.outside):
            sock = socket.socket(FAMILY[version], socket.SOCK_DGRAM)
        sock.bind((source, 0))
        return sock

    def _pod(self, version: int) -> socket.socket:
        sock = socket.socket(FAMILY[version], socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        sock.bind((OWN[version], INNER_PORT))
        sock.settimeout(5)
        return sock

    def admit(self, grain: Grain) -> None:
        self.guard.load(BOUNDARIES, grain, nodes(grain), is_new=True)

    def send(self, port: int, outer: int, inner: int, sender: str, src: str, payload: bytes) -> None:
        self.senders[sender, outer].sendto(WIRE[port](inner, src, payload), (HERE[outer], port))

    def arrives(self, port: int, outer: int, inner: int, sender: str, src: str) -> bool:
        """Send a packet and one that may pass behind it; tell whether both have come."""
        self.send(port, outer, inner, sender, src, b"asked")
        self.send(port, outer, inner, PEER[outer], POD[inner], END)
        found = [self.pods[inner].recv(2048)]
        while found[-1] != END:
            found.append(self.pods[inner].recv(2048))
        return b"asked" in found


def wait_for_address(address: str) -> None:
    """Return when the kernel takes packets to an IPv6 address, which it sees to in its own time."""
    end = time.monotonic() + 5
    while not ip_json("-6", "route", "show", "table", "local", "type", "local", address):
        assert time.monotonic() < end, f"{address} is not there"


def nodes(grain: Grain) -> list[Admitted]:
    """Return what two nodes may: each speaks from both its addresses for both its subnets."""
    found: list[Admitted] = []
    for publics, subnets in ((PEER, SUBNET), (OTHER_PEER, OTHER_SUBNET)):
        for public in publics.values():
            found += peer(packed(public))
            found += [source(grain, packed(public), packed(net), length) for net, length in subnets.values()]
    return found


@pytest.fixture
def world(host: None) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


WAYS = [(port, outer, inner) for port in WIRE for outer in (4, 6) for inner in (4, 6)]


def test_without_a_guard_everything_arrives(world: World) -> None:
    for port, outer, inner in WAYS:
        assert world.arrives(port, outer, inner, STRANGER[outer], OTHER_POD[inner]), (port, outer, inner)


@pytest.mark.parametrize("grain", GRAINS, ids=str)
def test_a_node_speaks_for_itself_and_its_pods_and_nobody_else_for_anybody(
    world: World, grain: Grain
) -> None:
    world.admit(grain)
    for port, outer, inner in WAYS:
        way = (port, outer, inner)
        assert world.arrives(*way, PEER[outer], POD[inner]), way
        assert world.arrives(*way, OTHER_PEER[outer], OTHER_POD[inner]), way
        assert not world.arrives(*way, STRANGER[outer], POD[inner]), way
        assert not world.arrives(*way, PEER[outer], OTHER_POD[inner]), way
        assert not world.arrives(*way, PEER[outer], OWN[inner]), way
        assert not world.arrives(*way, PEER[outer], STRANGER[inner]), way
        assert not world.arrives(*way, PEER[outer], OTHER_PEER[inner]), way
        if outer == inner:
            assert world.arrives(*way, PEER[outer], PEER[inner]), "the node itself"


@pytest.mark.parametrize("grain", GRAINS, ids=str)
def test_the_hosts_own_tool_prints_it_and_reads_it_back(world: World, grain: Grain) -> None:
    world.admit(grain)
    text = run(["nft", "list", "table", "inet", TABLE])
    assert PEER[4] in text and PEER[6] in text
    run(["nft", "-j", "list", "table", "inet", TABLE])
    seen = world.guard.seen(grain)
    assert seen == set(nodes(grain)) and world.guard.is_whole(BOUNDARIES, grain)


@pytest.mark.parametrize("grain", GRAINS, ids=str)
def test_what_our_messages_write_is_what_the_text_writes(world: World, grain: Grain) -> None:
    world.admit(grain)
    by_text = run(["nft", "list", "table", "inet", TABLE])
    world.guard.load(BOUNDARIES, grain, is_new=True)
    assert world.guard.seen(grain) == set()
    world.guard.change(nodes(grain), ())
    assert sorted(run(["nft", "list", "table", "inet", TABLE]).split()) == sorted(by_text.split())
    world.guard.change(nodes(grain), ())
    assert world.guard.seen(grain) == set(nodes(grain)), "twice is as once"
    world.guard.change((), nodes(grain))
    assert world.guard.seen(grain) == set()


def test_who_leaves_is_a_stranger(world: World) -> None:
    world.admit(EVEN)
    gone = [one for one in nodes(EVEN) if packed(OTHER_PEER[4]) == one.first[:4]]
    world.guard.change((), gone)
    assert not world.arrives(8472, 4, 4, OTHER_PEER[4], OTHER_POD[4])
    world.guard.change(gone, ())
    assert world.arrives(8472, 4, 4, OTHER_PEER[4], OTHER_POD[4])


def test_a_load_keeps_the_nodes(world: World) -> None:
    world.admit(EVEN)
    world.guard.load(BOUNDARIES, EVEN)
    assert world.guard.seen(EVEN) == set(nodes(EVEN))
    assert not world.arrives(8472, 4, 4, STRANGER[4], POD[4])


def test_a_port_that_is_no_tunnels_is_nobodys_business(world: World) -> None:
    world.guard.load(
        Boundaries((8472,), (), BOUNDARIES.pods, BOUNDARIES.plain), EVEN, nodes(EVEN), is_new=True
    )
    assert world.arrives(4790, 4, 4, STRANGER[4], POD[4]), "no tunnel of ours"
    assert not world.arrives(8472, 4, 4, STRANGER[4], POD[4])


@pytest.mark.parametrize("damage", [
    "flush chain inet {} ethernet", "delete table inet {}", "flush ruleset", "flush chain inet {} arriving",
    "add rule inet {} ethernet accept",
])  # fmt: skip
def test_rules_that_somebody_changed_are_noticed(world: World, damage: str) -> None:
    world.admit(EVEN)
    assert world.guard.is_whole(BOUNDARIES, EVEN) and not world.guard.is_whole(BOUNDARIES, UNEVEN)
    run(["nft", *damage.format(TABLE).split()])
    assert not world.guard.is_whole(BOUNDARIES, EVEN)
    world.admit(EVEN)
    assert world.guard.is_whole(BOUNDARIES, EVEN)
    assert not world.arrives(8472, 4, 4, STRANGER[4], POD[4])


def test_elements_without_a_table_are_refused(world: World) -> None:
    assert not world.guard.is_whole(BOUNDARIES, EVEN) and world.guard.seen(EVEN) == set()
    with pytest.raises(KernelError) as caught:
        world.guard.change(nodes(EVEN), ())
    assert caught.value.errno == 2
    world.guard.remove()


def test_removed_it_leaves_nothing(world: World) -> None:
    world.admit(EVEN)
    world.guard.remove()
    assert run(["nft", "list", "ruleset"]).strip() == ""


def test_a_change_loses_no_packet_and_lets_no_stranger_in(world: World) -> None:
    world.admit(EVEN)
    is_over = threading.Event()
    sent = 0

    def speak() -> None:
        nonlocal sent
        while not is_over.is_set() and sent < 20_000:
            world.send(8472, 4, 4, STRANGER[4], POD[4], b"stranger")
            world.send(8472, 4, 4, PEER[4], POD[4], struct.pack("!I", sent))
            sent += 1

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        for n in range(60):
            public = bytes([198, 51, 100, n])
            more = [*peer(public), source(EVEN, public, bytes([10, 244, n + 9, 0]), 24)]
            world.guard.change(more, ())
            world.guard.load(BOUNDARIES, EVEN)
            world.guard.change((), more)
            world.admit(EVEN)
    finally:
        is_over.set()
        speaker.join()
    world.send(8472, 4, 4, PEER[4], POD[4], END)
    found = []
    while (payload := world.pods[4].recv(2048)) != END:
        found.append(payload)
    assert found == [struct.pack("!I", n) for n in range(sent)]
    print(f"{sent} packets during 240 changes")


def test_many_nodes_are_admitted_at_once_and_one_more_costs_little(world: World) -> None:
    crowd = [
        one
        for n in range(2500)
        for one in (
            *peer(bytes([172, 16 + (n >> 8), n & 255, 1])),
            source(
                EVEN, bytes([172, 16 + (n >> 8), n & 255, 1]), bytes([10, 100 + (n >> 8), n & 255, 0]), 24
            ),
        )
    ]
    world.guard.load(BOUNDARIES, EVEN, is_new=True)
    world.guard.change([*crowd, *nodes(EVEN)], ())
    assert world.guard.seen(EVEN) == {*crowd, *nodes(EVEN)}
    assert world.arrives(8472, 4, 4, PEER[4], POD[4])
    world.guard.change((), crowd)
    assert world.guard.seen(EVEN) == set(nodes(EVEN))

"""All peers at once, one peer's change, and nothing to do: records -> kernel, beside `ip` and `bridge`.

Each size and mode is measured in a process of its own, so that its memory is its own. Ours and the peer take
turns, each in a fresh namespace with the same devices: the peer is `ip -batch` and `bridge -batch`, fed with
the same objects in iproute2's words, and for the guard's sets `nft -f` with what `nft list` says of ours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from statistics import median

from bench.overlay_records import net_conf, public, records
from bench.overlay_world import Box, boxes, leave_netns, memory_of, say
from bench.report import Row
from cluster_store.conditions import Conditions
from linuxnet.forwarding_dumps import look
from linuxnet.forwarding_entries import Entry, FdbEntry, NeighbourEntry, Nexthop
from linuxnet.netlink import Netlink
from linuxnet.netlink_socket import NETLINK_ROUTE, NetlinkSocket
from linuxnet.netns import inside
from overlay.devices import own_devices
from overlay.difference import difference
from overlay.net_conf import parse_net_conf
from overlay.peers import Peers
from overlay.record import Mode, NodeRecord
from overlay.settings import OverlaySettings
from overlay.standing import Standing, boundaries, draft_record, stand
from overlay.subnet import format_address, parse_subnet

MODES = (Mode.VXLAN, Mode.GPE)
SIZES, QUICK_SIZES = (1_000, 5_000, 20_000), (1_000,)
LIMIT = 4.0  # times what `ip -batch` and `bridge -batch` take
ROUNDS = {1_000: 5, 5_000: 4, 20_000: 3}
CHANGES = 200
SETTINGS = OverlaySettings(node="bench")
OWN = parse_subnet("10.255.255.0/24")


@dataclass
class Figures:
    """What one size and mode took: seconds, and MiB of the whole process."""

    ours: float
    peer: float
    memory: float
    change: float
    diff: float
    resync: float
    peer_diff: float


def rows(*, is_quick: bool) -> Iterator[Row]:
    """Measure every size and mode, each in a process of its own."""
    for size in QUICK_SIZES if is_quick else SIZES:
        for mode in MODES:
            say(f"programming {size:,} peers, {mode.value}")
            yield from _rows_of(size, mode, _apart(size, mode, False))
    size = QUICK_SIZES[0] if is_quick else 5_000
    say(f"programming {size:,} peers and the guard")
    guarded = _apart(size, Mode.VXLAN, True)
    yield Row(f"{size:,} peers and the guard, vxlan", "ms", guarded.ours * 1e3, guarded.peer * 1e3, LIMIT)


def _apart(size: int, mode: Mode, is_guarded: bool) -> Figures:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure_size, size, mode, is_guarded).result()


def _rows_of(size: int, mode: Mode, found: Figures) -> Iterator[Row]:
    what = f"{size:,} peers, {mode.value}"
    yield Row(f"programming {what}", "ms", found.ours * 1e3, found.peer * 1e3, LIMIT)
    yield Row(f"memory of it, {what}", "MiB", found.memory)
    if size == SIZES[1] or size == QUICK_SIZES[0]:
        yield Row(f"one peer's change of {what}", "ms", found.change * 1e3)
        yield Row(f"dump and diff, {what}", "ms", found.diff * 1e3, found.peer_diff * 1e3, LIMIT)
        yield Row(f"full resync, nothing to do, {what}", "ms", found.resync * 1e3, found.peer_diff * 1e3)


def measure_size(size: int, mode: Mode, is_guarded: bool) -> Figures:
    """Measure one size and mode, in this process; of each one's rounds the fastest counts.

    The namespaces of all rounds stay until the end: taking one with 20,000 ways apart keeps the kernel busy,
    under the lock that the next round needs, for longer than that takes.
    """
    leave_netns()
    ours, peer, more = [], [], Figures(0, 0, 0, 0, 0, 0, 0)
    with boxes(2 * ROUNDS[size]) as made:
        for number, left, right in zip(range(ROUNDS[size]), made[::2], made[1::2], strict=True):
            with inside(left.netns), Node.made(left, mode, is_guarded) as node:
                ours.append(node.program(records(size, mode)))
                lines = Lines(list(node.peers.programmer.wanted.values()), node.names)
                ruleset = left.run("nft list ruleset") if is_guarded else ""
                if number == 0:
                    more.memory, more.change = memory_of("self", "VmHWM"), node.change_one_by_one(CHANGES)
                    more.diff, more.resync = node.compare(), node.resync()
                    more.peer_diff = _dump_by_ip(left, node.names)
            with inside(right.netns), Node.made(right, mode, False):
                peer.append(_program_by_ip(right, lines, ruleset))
            _compare_worlds(size, right)
    more.ours, more.peer = min(ours), min(peer)
    return more


class Node:
    """This node, in the namespace the calling thread is in, as the agent sets it up, and its peers."""

    def __init__(self, netlink: Netlink, standing: Standing, peers: Peers) -> None:
        self.netlink, self.standing, self.peers = netlink, standing, peers

    @classmethod
    @contextmanager
    def made(cls, box: Box, mode: Mode, is_guarded: bool) -> Iterator[Node]:
        """Make an uplink and the tunnel of a mode."""
        box.run(
            "ip link add name eth0 up type veth peer name other", "ip link set other up",
            "ip addr add 192.168.77.1/24 dev eth0",
        )  # fmt: skip
        netlink, conf = Netlink(), parse_net_conf(net_conf(mode), "the bench")[0]
        draft, uplinks = draft_record(netlink, SETTINGS, conf, boot="", targets=())
        assert draft is not None
        record = replace(draft, subnets=(OWN,), key="own", created=1)
        standing = stand(netlink, SETTINGS, conf, record, uplinks)
        peers = Peers(SETTINGS, netlink, Conditions())
        peers.set_place(standing.place)
        if is_guarded:
            peers.programmer.guarding.boundaries = boundaries(conf, SETTINGS, standing.place)
        try:
            yield cls(netlink, standing, peers)
        finally:
            peers.close()
            netlink.close()

    @cached_property
    def names(self) -> dict[int, str]:
        """Return the tunnels' names by index."""
        return {index: name for name, index in own_devices(self.netlink).items()}

    def program(self, found: tuple[NodeRecord, ...]) -> float:
        """Take a whole snapshot's records and make the kernel so; return the seconds."""
        started = time.perf_counter()
        self.peers.set_all(found, ())
        self.peers.programmer.may_delete = True
        self.peers.reconcile(time.monotonic())
        took = time.perf_counter() - started
        if self.peers.programmer.troubles or len(self.peers.admission.admitted) != len(found):
            raise RuntimeError(f"not all is programmed: {self.peers.programmer.troubles}")
        return took

    def change_one_by_one(self, number: int) -> float:
        """Give nodes other addresses, one after the other; return the median's seconds."""
        times = []
        for i, record in enumerate(list(self.peers.records.values())[:number]):
            other = replace(record, public4=public(100_000 + i))
            started = time.perf_counter()
            self.peers.change({record.key: other})
            self.peers.refresh(time.monotonic())
            times.append(time.perf_counter() - started)
        return median(times)

    def compare(self) -> float:
        """Dump the kernel and compare, and do nothing about it; return the median's seconds."""
        netlink, times = NetlinkSocket(NETLINK_ROUTE), []
        for _ in range(5):
            started = time.perf_counter()
            found = difference(self.peers.programmer.wanted, look(netlink, self.names))
            times.append(time.perf_counter() - started)
            if found:
                raise RuntimeError(f"there is a difference: {found}")
        netlink.close()
        return median(times)

    def resync(self) -> float:
        """Do a full pass that has nothing to do; return the median's seconds."""
        times = []
        for _ in range(5):
            started = time.perf_counter()
            changes = self.peers.reconcile(time.monotonic())
            times.append(time.perf_counter() - started)
            if changes:
                raise RuntimeError(f"{changes} changes where there was nothing to do")
        return median(times)


class Lines:
    """Entries in iproute2's words: nexthops, neighbours and routes for `ip`, FDB entries for `bridge`."""

    def __init__(self, entries: list[Entry], names: dict[int, str]) -> None:
        self._names = names
        self.bridge = [self._fdb(one) for one in entries if isinstance(one, FdbEntry)]
        ranks = {Nexthop: 0, NeighbourEntry: 1}
        others = [one for one in entries if not isinstance(one, FdbEntry)]
        self.ip = [self._ip(one) for one in sorted(others, key=lambda one: ranks.get(type(one), 2))]

    def _fdb(self, one: FdbEntry) -> str:
        link = f"dev {self._names[one.oif]}"
        return f"fdb replace {one.mac.hex(':')} {link} dst {_text(one.dst)} self permanent"

    def _ip(self, one: Entry) -> str:
        if isinstance(one, Nexthop):
            encap = ""
            if one.encap is not None:
                encap = f" encap ip id {one.encap.vni} dst {_text(one.encap.dst)} src {_text(one.encap.src)}"
            via = f" via {_text(one.gateway)}" if one.gateway else ""
            link = f"dev {self._names[one.oif]}{' onlink' * one.is_onlink}"
            return f"nexthop replace id {one.id}{encap}{via} {link} protocol 156"
        if isinstance(one, NeighbourEntry):
            return str(one).removeprefix("ip ").replace(f"dev {one.oif}", f"dev {self._names[one.oif]}")
        return f"{str(one).removeprefix('ip ')} protocol 156"


def _program_by_ip(box: Box, lines: Lines, ruleset: str) -> float:
    took = box.batch("nft", [ruleset]) if ruleset else 0.0
    took += box.batch("bridge", lines.bridge) if lines.bridge else 0.0
    return took + box.batch("ip", lines.ip)


def _dump_by_ip(box: Box, names: dict[int, str]) -> float:
    """Have everything dumped by iproute2, as JSON for who would compare it; return the seconds."""
    started = time.perf_counter()
    box.run("ip -j nexthop", "ip -j route show proto 156", "ip -j neigh")
    for name in names.values():
        box.run(f"bridge -j fdb show dev {name}")
    return time.perf_counter() - started


def _compare_worlds(size: int, box: Box) -> None:
    routes = box.run("ip route show proto 156").count(" nhid ")
    if routes < size:
        raise RuntimeError(f"the peer has {routes} routes of {size}: what was timed is something else")


def _text(address: bytes) -> str:
    return format_address(4 if len(address) == 4 else 6, int.from_bytes(address, "big"))

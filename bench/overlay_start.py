"""The agent's start with a real etcd, and one lease's way from etcd into the kernel.

Timed from before its process is made until a netlink listener has seen the last route; links, neighbours and
FDB entries are counted then. Of some starts the fastest counts: whatever else the machine does only adds.
The peer's figures are recorded ones: flannel 0.28.9 on a like machine, 1.0 s
for 1,000 leases and 4.2 s for 5,000, 44 MB, 4.8 ms from a put of one lease to its route.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Iterator
from statistics import median

from bench.overlay_records import fill, flannel_lease, subnet
from bench.overlay_world import Agent, Box, agent, boxes, etcd, make_segment, opened, say, wait_until
from bench.report import Row
from cluster_store.store import Delete, Store
from linuxnet.monitor import BUFFER, NETLINK_ADD_MEMBERSHIP, SO_RCVBUFFORCE, SOL_NETLINK
from linuxnet.netlink_socket import NETLINK_ROUTE, split
from linuxnet.netlink_wire import read_attributes
from linuxnet.netns import inside
from linuxnet.numbers import OVERLAY_PROTOCOL
from linuxnet.rtnetlink import RTA_DST, RTM_NEWROUTE, RTMSG
from overlay.lease_keys import Keys

RTNLGRP_IPV4_ROUTE = 7  # linux/rtnetlink.h
SIZES, QUICK_SIZES = (1_000, 5_000), (1_000,)
FLANNEL_START = {1_000: 1.0, 5_000: 4.2}  # seconds, recorded
FLANNEL_CPU = {1_000: 0.58, 5_000: 2.6}  # seconds of processor until all was there, recorded
FLANNEL_MEMORY, FLANNEL_CHANGE = 44.4, 4.8  # MB, ms; recorded with 5,000
LIMIT = 0.25  # of flannel's time
MEMORY_LIMIT = 80.0  # MiB
STARTS, QUICK_STARTS = 5, 3
PUTS, QUICK_PUTS = 200, 50


class Routes:
    """A socket that hears of routes of ours in the namespace of its maker's thread. Close it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER * 4)
        self.socket.bind((0, 0))
        self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, struct.pack("=I", RTNLGRP_IPV4_ROUTE))

    def close(self) -> None:
        """Close it."""
        self.socket.close()

    def wait_for(self, wanted: set[bytes], within: float) -> float:
        """Wait until a route to each of these networks was made; return when the last one was.

        Raises:
            RuntimeError: they were not, in so many seconds.
        """
        missing, deadline = set(wanted), time.monotonic() + within
        while missing:
            if not select.select([self.socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise RuntimeError(f"{len(missing)} of {len(wanted)} routes are missing after {within:g} s")
            missing.difference_update(self._read())
        return time.monotonic()

    def _read(self) -> list[bytes]:
        try:
            data = self.socket.recv(1 << 16)
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise RuntimeError("the listener has lost events: its buffer was full") from error
            raise
        return [
            read_attributes(body, RTMSG.size).get(RTA_DST, b"")
            for _, kind, _, body in split(data)
            if kind == RTM_NEWROUTE and RTMSG.unpack_from(body)[5] == OVERLAY_PROTOCOL
        ]


def rows(*, is_quick: bool) -> Iterator[Row]:
    """Measure the start for each size, and changes at the last one."""
    for size in QUICK_SIZES if is_quick else SIZES:
        with boxes(2) as (node, hub):
            make_segment(hub, [node])
            with etcd(node) as url, opened(node, url) as store:
                fill(store, size, Keys())
                say(f"starting the agent with {size:,} leases in etcd")
                starts = [_start(node, url, size) for _ in range(QUICK_STARTS if is_quick else STARTS)]
                name = f"start of the agent, {size:,} leases in etcd (peer recorded)"
                yield Row(name, "ms", min(starts)[0] * 1e3, FLANNEL_START[size] * 1e3, LIMIT)
                name = f"processor until then, {size:,} leases in etcd (peer recorded)"
                yield Row(name, "ms", median(cpu for _, cpu in starts) * 1e3, FLANNEL_CPU[size] * 1e3)
                yield from _running(node, store, url, size, QUICK_PUTS if is_quick else PUTS)


def _start(node: Box, url: str, size: int) -> tuple[float, float]:
    """Start the agent where nothing is; return the seconds until all is there, and its processor's."""
    clear(node)
    with inside(node.netns):
        listener = Routes()
    try:
        with agent(node, "bench", url) as one:
            took = listener.wait_for({subnet(i).packed for i in range(size)}, 30.0) - one.started
            cpu = one.cpu()
            _count(node, size)
            return took, cpu
    finally:
        listener.close()


def clear(node: Box) -> None:
    """Take away what an agent before has made."""
    for line in node.run("ip -o link show type vxlan").splitlines():
        node.run(f"ip link del {line.split()[1].rstrip(':')}")
    node.run("ip nexthop flush proto 156", "ip route flush proto 156", "nft flush ruleset")


def _count(node: Box, size: int) -> None:
    """See that all is there: the listener heard of routes only."""
    for command, word in (
        ("ip route show proto 156", " nhid "), ("ip neigh show dev flannel.1", "PERMANENT"),
        ("bridge fdb show dev flannel.1", " dst "), ("ip nexthop show proto 156", "id "),
    ):  # fmt: skip
        found = sum(word in f" {line} " for line in node.run(command).splitlines())
        if found < size:
            raise RuntimeError(f"`{command}` shows {found} of {size}")


def _running(node: Box, store: Store, url: str, size: int, puts: int) -> Iterator[Row]:
    """Measure what a running agent takes, and how fast one lease's way is."""
    clear(node)
    with inside(node.netns):
        listener = Routes()
    try:
        with agent(node, "bench", url) as one:
            listener.wait_for({subnet(i).packed for i in range(size)}, 30.0)
            wait_until((one.folder / "state" / "snapshot.json").exists, "the snapshot is written")
            times = [_change(store, listener, size + i) for i in range(puts)]
            yield from _memory(one, size)
            name = f"put of one lease in etcd -> route, {size:,} there (peer recorded)"
            yield Row(name, "ms", median(times) * 1e3, FLANNEL_CHANGE, 1.0)
    finally:
        listener.close()
        for i in range(puts):
            store.commit([], [Delete(flannel_lease(size + i, Keys()).key)])


def _change(store: Store, listener: Routes, number: int) -> float:
    """Put one more lease; return the seconds from before the put to its route."""
    started = time.monotonic()
    store.commit([], [flannel_lease(number, Keys())])
    return listener.wait_for({subnet(number).packed}, 5.0) - started


def _memory(one: Agent, size: int) -> Iterator[Row]:
    name = f"memory of the agent, {size:,} leases"
    limit = MEMORY_LIMIT
    yield Row(name, "MiB", one.memory(), FLANNEL_MEMORY if size == SIZES[-1] else None, limit, "ours")
    yield Row(f"{name}, most ever", "MiB", one.memory("VmHWM"))

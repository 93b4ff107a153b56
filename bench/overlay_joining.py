"""From a node's claim until every other node has an answer from it: ten nodes on one segment, real agents.

The clock starts when a watcher of etcd sees the claim, and stops when the last of the other nodes has the
first answer to its pings, which go out each millisecond, through the tunnel to the newcomer's own address in
its subnet. So both directions are programmed by then, and both guards admit the other.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from statistics import median

from bench.overlay_records import net_conf
from bench.overlay_start import clear
from bench.overlay_world import Box, agent, boxes, etcd, make_segment, opened, say, wait_until
from bench.report import Row
from cluster_store.store import Delete, Follower, Put, Snapshot
from linuxnet.netns import inside
from overlay.flannel_form import parse_lease_key
from overlay.lease_keys import Keys
from overlay.record import Mode

NODES, JOINS, QUICK_JOINS = 10, 30, 6
EVERY = 0.001  # seconds between two pings of one node
WITHIN = 10.0  # seconds; the 99th of a hundred is to be done in one
LIMIT = 1000.0  # ms, of the 99th percentile
HUB = "192.168.77.254"
ECHO, ECHO_REPLY = 8, 0  # RFC 792
Joined = tuple[str, float]
UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.EPERM)


def rows(*, is_quick: bool) -> Iterator[Row]:
    """Let nodes join, one after the other, and yield percentiles."""
    joins = QUICK_JOINS if is_quick else JOINS
    with ExitStack() as stack:
        hub, *nodes = stack.enter_context(boxes(NODES + 1))
        make_segment(hub, nodes)
        hub.run(f"ip addr add {HUB}/24 dev segment")
        url = stack.enter_context(etcd(hub, HUB))
        store = stack.enter_context(opened(hub, url))
        keys = Keys()
        store.commit([], [Put(keys.config, net_conf(Mode.VXLAN))])
        say(f"{NODES} nodes, of which one joins {joins} times")
        *others, newcomer = nodes
        for number, node in enumerate(others):
            stack.enter_context(agent(node, f"node{number}", url))
        wait_until(lambda: all(_routes(one) >= len(others) - 1 for one in others), "the others are there")
        follower = store.follow(f"{keys.prefix}/subnets/")
        follower.next(1.0)
        stack.callback(follower.close)
        times = []
        for number in range(joins):
            lease, took = _join(newcomer, others, url, follower, number)
            store.commit([], [Delete(keys.lease(lease)), Delete(keys.owned(lease))])
            times.append(took)
        times.sort()
    yield Row(f"claim -> all of {NODES} nodes reach it, p50 of {joins}", "ms", median(times) * 1e3)
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    yield Row(f"claim -> all of {NODES} nodes reach it, p99", "ms", p99 * 1e3, None, LIMIT, "ours")


def _routes(node: Box) -> int:
    return node.run("ip route show proto 156").count(" nhid ")


def _join(newcomer: Box, others: Sequence[Box], url: str, follower: Follower, number: int) -> Joined:
    """Have a node of a new name join; return its lease and the seconds until all others reach it."""
    clear(newcomer)
    pings = Pings(others)
    try:
        with agent(newcomer, f"newcomer{number}", url):
            lease = _claimed(follower)
            began = time.monotonic()
            return lease, pings.reach(parse_lease_key(lease)[0].address) - began
    finally:
        pings.close()


def _claimed(follower: Follower) -> str:
    """Wait for the next new lease; return its name."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        found = follower.next(1.0)
        for event in () if isinstance(found, Snapshot) else found:
            if event.item is not None and event.item.version == event.item.created:
                return event.key.rpartition("/")[2]
    raise RuntimeError(f"nobody has claimed anything in {WITHIN:g} s")


class Pings:
    """A raw socket in each of some namespaces. Close them."""

    def __init__(self, nodes: Sequence[Box]) -> None:
        self._sockets = []
        for node in nodes:
            with inside(node.netns):
                one = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            one.setblocking(False)
            self._sockets.append(one)

    def close(self) -> None:
        """Close the sockets."""
        for one in self._sockets:
            one.close()

    def reach(self, address: str) -> float:
        """Ping an address from everywhere until each has an answer; return when the last one came.

        Raises:
            RuntimeError: somebody had none in time.
        """
        deadline, last = time.monotonic() + WITHIN, 0.0
        missing = set(self._sockets)
        with selectors.DefaultSelector() as selector:
            for one in missing:
                selector.register(one, selectors.EVENT_READ)
            while missing:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{len(missing)} nodes do not reach {address} in {WITHIN:g} s")
                for one in missing:
                    _send(one, address)
                for key, _ in selector.select(EVERY):
                    heard = key.fileobj
                    assert isinstance(heard, socket.socket)
                    if heard in missing and _is_answer(heard, address):
                        missing.discard(heard)
                        last = time.monotonic()
        return last


def _send(one: socket.socket, address: str) -> None:
    body = struct.pack("!BBHHH", ECHO, 0, 0, os.getpid() & 0xFFFF, 1)
    words = sum(struct.unpack("!4H", body))
    check = ~((words & 0xFFFF) + (words >> 16)) & 0xFFFF
    try:
        one.sendto(body[:2] + struct.pack("!H", check) + body[4:], (address, 0))
    except BlockingIOError:
        return
    except OSError as error:
        if error.errno not in UNREACHABLE:  # not yet
            raise


def _is_answer(one: socket.socket, address: str) -> bool:
    while True:
        try:
            data, sender = one.recvfrom(2048)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in UNREACHABLE:
                raise
            continue
        if sender[0] == address and data[(data[0] & 15) * 4] == ECHO_REPLY:
            return True

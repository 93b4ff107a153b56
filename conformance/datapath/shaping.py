"""Bandwidth: what arrives of more than what is allowed, counted over the kernel's own clock."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Sequence

from conformance.case import Case, Json
from conformance.clause import CannotJudge, Kind, Level, clause, fail
from conformance.datapath.promised import Joined, changes_for, join
from conformance.datapath.talking import opened

NOT_IPAM = frozenset({Kind.INTERFACE, Kind.CHAINED})
DATA = 1300  # bytes of a datagram's data
WIRE = DATA + 8 + 20 + 14  # UDP's, IP's and Ethernet's headers: what a queue on a link counts
OVER = 1.6  # times what is allowed: sent
LASTS = 0.7  # seconds of one measurement
SETTLED = 0.15  # seconds after which the burst that is allowed has been used up
WINDOW = 0.25  # seconds: the best of them counts, for a busy machine only ever sends too little
TIMES = 8  # measurements, until one shows as much as was asked for
EXACT = 0.1  # what the result may differ by
STAMP = 35  # SO_TIMESTAMPNS (asm-generic/socket.h)
FORCED_BUFFER = 33  # SO_RCVBUFFORCE
PORT = 4712


@clause(
    "datapath-bandwidth-in",
    Level.DATAPATH,
    "beyond",
    "limits what a container receives",
    kinds=NOT_IPAM,
    seconds=60,
)
def ingress(case: Case) -> None:
    """More than `ingressRate` sent to a container arrives at that rate, within 10 percent.

    Promised as `bandwidth`. Whole Ethernet frames are counted (of UDP), after the burst that is allowed.
    """
    (one,) = join(case, "bandwidth")
    _judge(case, one, "ingressRate", "", one.netns, one.addresses[4])


@clause(
    "datapath-bandwidth-out",
    Level.DATAPATH,
    "beyond",
    "limits what a container sends",
    kinds=NOT_IPAM,
    seconds=60,
)
def egress(case: Case) -> None:
    """More than `egressRate` sent by a container arrives at that rate. Promised as `bandwidth`."""
    (one,) = join(case, "bandwidth")
    _judge(case, one, "egressRate", one.netns, "", one.gateways[4])


def _judge(case: Case, one: Joined, key: str, here: str, there: str, to: str) -> None:
    asked = asked_rate(changes_for(case, "bandwidth"), key)
    if 4 not in one.addresses or 4 not in one.gateways:
        raise CannotJudge("the container has no IPv4 address with a gateway, by which bandwidth is measured")
    best = 0.0
    for _ in range(TIMES):
        rates = measure(here, there, to, asked)
        best = max(rates, default=0.0)
        case.note(f"{asked * OVER:.0f} bit/s sent for {LASTS} s; received", f"at best {best:.0f} bit/s")
        if best > asked * (1 - EXACT):
            break
    if not asked * (1 - EXACT) <= best <= asked * (1 + EXACT):
        fail(f"{key} is {asked} bit/s; {best:.0f} bit/s arrived of {asked * OVER:.0f}")


def asked_rate(changes: Json, key: str) -> int:
    """Return a rate that a configuration asks for, in bits per second, wherever it says it."""
    inner = changes.get("runtimeConfig", {}).get("bandwidth", {})
    rate = changes.get(key, inner.get(key))
    if not rate:
        raise CannotJudge(f"the promise `bandwidth` of the profile has no {key}")
    return int(rate)


def measure(here: str, there: str, to: str, asked: int) -> list[float]:
    """Send more than is allowed, and return what arrived within each window, in bits per second."""
    with opened(there, 4, socket.SOCK_DGRAM) as receiver, opened(here, 4, socket.SOCK_DGRAM) as sender:
        receiver.setsockopt(socket.SOL_SOCKET, FORCED_BUFFER, 8 << 20)
        receiver.setsockopt(socket.SOL_SOCKET, STAMP, 1)
        receiver.bind(("0.0.0.0", PORT))
        receiver.setblocking(False)
        sender.setblocking(False)
        sender.connect((to, PORT))
        stamps = _flood(sender, receiver, asked * OVER / (WIRE * 8))
    return measured(stamps)


def _flood(sender: socket.socket, receiver: socket.socket, per_second: float) -> list[float]:
    """Send so many datagrams a second, and return when the kernel received each, in seconds."""
    data, stamps = bytes(DATA), list[float]()
    begun, sent = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < LASTS:
        while sent < passed * per_second:
            sent += 1
            try:
                sender.send(data)
            except (BlockingIOError, ConnectionRefusedError):  # its queue is full; a late answer of a port
                break
        stamps += _received(receiver, 0.002)
    while more := _received(receiver, 0.1):
        stamps += more
    return stamps


def _received(receiver: socket.socket, seconds: float) -> list[float]:
    stamps = list[float]()
    if not select.select([receiver], [], [], seconds)[0]:
        return stamps
    while True:
        try:
            _, beside, _, _ = receiver.recvmsg(2048, 64)
        except BlockingIOError:
            return stamps
        for level, kind, data in beside:
            if (level, kind) == (socket.SOL_SOCKET, STAMP):
                whole, nanoseconds = struct.unpack("@ll", data[:16])
                stamps.append(whole + nanoseconds / 1e9)


def measured(stamps: Sequence[float]) -> list[float]:
    """Return the rates within windows that begin with each tenth datagram after the burst."""
    if not stamps:
        return []
    settled = [one for one in stamps if one - stamps[0] > SETTLED]
    rates, end = list[float](), 0
    for begin in range(0, len(settled), 10):
        while end < len(settled) and settled[end] - settled[begin] <= WINDOW:
            end += 1
        if end == len(settled):
            break
        rates.append((end - begin) * WIRE * 8 / (settled[end] - settled[begin]))
    return rates


CLAUSES = (ingress, egress)

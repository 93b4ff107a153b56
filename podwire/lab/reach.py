"""Who reaches whom: every pod pings every other, from one process, all at once.

An ICMP socket is opened in each pod's namespace (`linuxnet.netns`), and then used from here: the packets
take the pods' ways through the nodes, whatever asks for them.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from ipaddress import ip_address

from linuxnet.netns import inside, open_netns
from podwire.lab.pods import Pod

PATIENCE = 1.0  # seconds for the last answer
AGAIN = 0.25  # seconds between two echo requests to who has not answered
ECHO_REQUEST, ECHO_REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}  # linux/icmp.h, linux/icmpv6.h
ICMP_FILTER, SOL_RAW = 1, 255  # linux/icmp.h, linux/in.h
ICMPV6_FILTER = 1  # linux/icmpv6.h
IPV4_HEADER = 20  # bytes, which a raw socket hands out before the ICMP message
IDENTITY = 0x7077  # of our echo requests; a socket hears all answers to its pod

Pair = tuple[Pod, Pod]
Map = dict[Pair, bool]


def look(pods: Sequence[Pod], versions: Iterable[int] = (4,), patience: float = PATIENCE) -> Map:
    """Return for each ordered pair of pods whether the second answers the first, in every family."""
    pairs = [(one, other) for one in pods for other in pods if one != other]
    seen = dict.fromkeys(pairs, True)
    for version in versions:
        answered = _ask(pods, pairs, version, patience)
        seen = {pair: said and pair in answered for pair, said in seen.items()}
    return seen


def await_all(pods: Callable[[], Sequence[Pod]], versions: Sequence[int], deadline: float) -> Map:
    """Look until everybody reaches everybody, or for `deadline` seconds; return the last map."""
    until = time.monotonic() + deadline
    while not all((seen := look(pods(), versions)).values()) and time.monotonic() < until:
        continue  # each look waits for answers
    return seen


def _ask(pods: Sequence[Pod], pairs: Sequence[Pair], version: int, patience: float) -> set[Pair]:
    answered: set[Pair] = set()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        sockets = {pod: stack.enter_context(_open(pod, version)) for pod in pods}
        for pod, opened in sockets.items():
            selector.register(opened, selectors.EVENT_READ, pod)
        by_address = {pod.address(version): pod for pod in pods}
        deadline, again = time.monotonic() + patience, 0.0
        while len(answered) < len(pairs) and (now := time.monotonic()) < deadline:
            if now >= again:
                _send(sockets, [pair for pair in pairs if pair not in answered], version)
                again = now + AGAIN
            for key, _ in selector.select(max(0.0, min(again, deadline) - time.monotonic())):
                for source in _receive(sockets[key.data], version):
                    if (other := by_address.get(source)) is not None:
                        answered.add((key.data, other))
    return answered & set(pairs)


def _open(pod: Pod, version: int) -> socket.socket:
    """Open an ICMP socket in a pod that hears echo replies only."""
    netns = open_netns(str(pod.netns))
    try:
        with inside(netns):
            if version == 4:
                opened = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            else:
                opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    finally:
        os.close(netns)
    opened.setblocking(False)
    wanted = ECHO_REPLY[version]
    if version == 4:
        opened.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", 0xFFFFFFFF ^ (1 << wanted)))
    else:
        words = [0xFFFFFFFF] * 8
        words[wanted >> 5] ^= 1 << (wanted & 31)
        opened.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, struct.pack("8I", *words))
    return opened


def _send(sockets: dict[Pod, socket.socket], pairs: Sequence[Pair], version: int) -> None:
    message = _echo(version)
    for one, other in pairs:
        with suppress(OSError):  # no route to it: then there is no answer either
            sockets[one].sendto(message, (other.address(version), 0))


def _receive(opened: socket.socket, version: int) -> Iterable[str]:
    """Return the addresses that have answered."""
    while True:
        try:
            data, source = opened.recvfrom(2048)
        except OSError:  # nothing more, or an ICMP error: it will not answer
            return
        body = data[IPV4_HEADER:] if version == 4 else data
        if len(body) >= 8 and struct.unpack("!H", body[4:6])[0] == IDENTITY:
            yield str(ip_address(source[0].partition("%")[0]))


def _echo(version: int) -> bytes:
    """Return an echo request; the kernel fills in the checksum of ICMPv6 only."""
    head = struct.pack("!BBHHH", ECHO_REQUEST[version], 0, 0, IDENTITY, 1)
    if version == 6:
        return head
    total = sum(struct.unpack("!4H", head))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", ECHO_REQUEST[version], 0, checksum, IDENTITY, 1)

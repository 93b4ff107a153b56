"""The sockets that probes go by: on the tunnels' addresses, for trials of plain routes on the underlay's."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from linuxnet.numbers import PROBE_PORT
from overlay.subnet import FAMILY

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_PROBE = (
    10,
    23,
    3,
)  # linux/in.h: DF set, the kernel's guess ignored


def bind_all(sockets: dict[int, socket.socket], addresses: Mapping[int, str]) -> list[str]:
    """Have a socket on each family's address, and no other; return why one could not be had."""
    failed = []
    for version in (4, 6):
        wanted, bound = addresses.get(version, ""), sockets.get(version)
        if bound is not None and bound.getsockname()[0] == wanted:
            continue
        if bound is not None:
            sockets.pop(version).close()
        if wanted:
            try:
                sockets[version] = _open_socket(version, wanted)
            except OSError as error:
                failed.append(f"UDP port {PROBE_PORT} of {wanted}: {error.strerror}")
    return failed


def _open_socket(version: int, address: str) -> socket.socket:
    sock = socket.socket(FAMILY[version], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        level, option = (41, IPV6_MTU_DISCOVER) if version == 6 else (0, IP_MTU_DISCOVER)
        sock.setsockopt(level, option, PMTUDISC_PROBE)
        sock.bind((address, PROBE_PORT))
    except OSError:
        sock.close()
        raise
    return sock

"""Addresses that are delivered here and are on no link."""

from __future__ import annotations

import socket
import subprocess

import pytest

from linuxnet.local_addresses import add_local, remove_all_local, remove_local

FREEBIND = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}


def dump() -> str:
    words = ["sh", "-c", "ip route show table all; ip -6 route show table all; ip addr"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("address", ["10.96.0.10", "fd00:96::a"])
def test_who_asks_there_is_answered_here_and_nothing_is_left(host: None, address: str) -> None:
    before = dump()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    add_local([packed])
    add_local([packed])
    with socket.socket(family) as server:
        server.setsockopt(*FREEBIND[family], 1)  # IPv6 binds to an address on a link only, otherwise
        server.bind((address, 53))
        server.listen()
        socket.create_connection((address, 53), timeout=30).close()
        server.accept()[0].close()
    remove_local([packed])
    remove_local([packed])
    add_local([packed])
    remove_all_local()
    assert dump() == before

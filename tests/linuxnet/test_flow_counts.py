"""Flows counted, in a namespace of the test's own."""

from __future__ import annotations

import socket
import subprocess

from linuxnet.flow_counts import Flow, count_flows

LOOPBACK = socket.inet_aton("127.0.0.1")
RULES = """add table ip t; add chain ip t c { type filter hook output priority 0; }
add rule ip t c ct state new accept"""


def test_flows_are_counted_by_where_they_go_and_who_answers(host: None) -> None:
    subprocess.run(["nft", RULES], check=True)  # a rule that asks the connection table begins it
    before = count_flows(4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for client in clients:
            client.sendto(b"x", ("127.0.0.1", port))
        found = count_flows(4) - before
        for client in clients:
            client.close()
    assert found == {Flow(socket.IPPROTO_UDP, LOOPBACK, port, LOOPBACK, port): 3}
    assert not count_flows(6)

"""NodePorts of localhost: real clients, real servers, nothing changed in the kernel."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster_store.conditions import Conditions
from service_proxy.background import Background
from service_proxy.localhost import LOOPBACK, LocalhostPorts, LocalPort
from tests.calls import dump

NODE_PORT = 30080
FAMILIES = (4, 6)


@pytest.fixture
def background(host: None) -> Iterator[Background]:
    """Run a loop in the test's namespace."""
    made = Background()
    made.start()
    yield made
    made.stop()


def packed(family: int) -> bytes:
    """Return the loopback address, packed."""
    return socket.inet_pton(kind_of(family), LOOPBACK[family])


def kind_of(family: int) -> socket.AddressFamily:
    """Return a family's number."""
    return socket.AF_INET if family == 4 else socket.AF_INET6


class Echo:
    """A back end: it answers its name and what came, until the client has said all."""

    def __init__(self, family: int, protocol: str, name: bytes) -> None:
        self.name = name
        self._kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        self._sock = socket.socket(kind_of(family), self._kind)
        self._sock.bind((LOOPBACK[family], 0))
        if protocol == "tcp":
            self._sock.listen(64)
        self.target = (packed(family), self._sock.getsockname()[1])
        threading.Thread(target=self._stream if protocol == "tcp" else self._datagrams, daemon=True).start()

    def _stream(self) -> None:
        while True:
            try:
                one, _ = self._sock.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._one, args=(one,), daemon=True).start()

    def _one(self, one: socket.socket) -> None:
        with one:
            one.sendall(self.name)
            while data := one.recv(1 << 16):
                one.sendall(data)

    def _datagrams(self) -> None:
        while True:
            try:
                data, sender = self._sock.recvfrom(1 << 16)
            except OSError:  # closed
                return
            self._sock.sendto(self.name + data, sender)

    def close(self) -> None:
        """End it."""
        if self._kind == socket.SOCK_STREAM:
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


def connect(family: int, port: int = NODE_PORT) -> socket.socket:
    """Come to the NodePort."""
    return socket.create_connection((LOOPBACK[family], port), timeout=30)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_node_port_of_localhost_is_spread_over_the_endpoints(background: Background, family: int) -> None:
    before = dump()
    ports = LocalhostPorts(background, Conditions())
    echoes = [Echo(family, "tcp", name) for name in (b"a", b"b", b"c")]
    port = LocalPort(family, "tcp", NODE_PORT)
    ports.set(port, [one.target for one in echoes])
    seen: Counter[bytes] = Counter()
    for _ in range(90):
        with connect(family) as one:
            seen[one.recv(1)] += 1
    assert set(seen) == {b"a", b"b", b"c"} and min(seen.values()) >= 10
    assert dump() == before
    assert Path("/proc/sys/net/ipv4/conf/all/route_localnet").read_text() == "0\n"
    ports.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_megabyte_comes_back_whole_after_the_client_has_said_all(
    background: Background, family: int
) -> None:
    ports = LocalhostPorts(background, Conditions())
    echo = Echo(family, "tcp", b"")
    ports.set(LocalPort(family, "tcp", NODE_PORT), [echo.target])
    sent = bytes(range(256)) * 4096
    with connect(family) as one:

        def send() -> None:
            one.sendall(sent)
            one.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        found = b""
        while data := one.recv(1 << 16):
            found += data
        sender.join()
    assert found == sent
    ports.close()


def test_running_connections_stay_when_endpoints_change_and_end_with_the_port(
    background: Background,
) -> None:
    ports = LocalhostPorts(background, Conditions())
    old, new = Echo(4, "tcp", b"old"), Echo(4, "tcp", b"new")
    port = LocalPort(4, "tcp", NODE_PORT)
    ports.set(port, [old.target])
    with connect(4) as one:
        assert one.recv(3) == b"old"
        ports.set(port, [new.target])
        with connect(4) as other:
            assert other.recv(3) == b"new"
        one.sendall(b"still")
        assert one.recv(5) == b"still"
        ports.drop(port)
        assert one.recv(5) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(4)


def test_without_endpoints_connections_are_refused(background: Background) -> None:
    ports = LocalhostPorts(background, Conditions())
    port = LocalPort(4, "tcp", NODE_PORT)
    ports.set(port, [])
    with pytest.raises(ConnectionRefusedError):
        connect(4)
    echo = Echo(4, "tcp", b"x")
    ports.set(port, [echo.target])
    echo.close()
    with pytest.raises(ConnectionResetError), connect(4) as one:  # it may come before connect(2) is back
        one.recv(1)  # an endpoint that refuses: as by the rules, the client sees it
    ports.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_udp_client_keeps_its_endpoint_until_that_is_gone(background: Background, family: int) -> None:
    ports = LocalhostPorts(background, Conditions())
    echoes = [Echo(family, "udp", name) for name in (b"a", b"b")]
    port = LocalPort(family, "udp", NODE_PORT)
    ports.set(port, [one.target for one in echoes])
    with socket.socket(kind_of(family), socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((LOOPBACK[family], NODE_PORT))
        seen = set()
        for number in range(20):
            client.send(b"%d" % number)
            answer = client.recv(100)
            assert answer[1:] == b"%d" % number
            seen.add(answer[:1])
        assert len(seen) == 1
        staying = next(one for one in echoes if one.name not in seen)
        ports.set(port, [staying.target])
        client.send(b"!")
        assert client.recv(100) == staying.name + b"!"
    ports.close()


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_taken_port_is_one_condition_and_tried_again(background: Background, protocol: str) -> None:
    conditions = Conditions()
    ports = LocalhostPorts(background, conditions)
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    taken = socket.socket(socket.AF_INET, kind)
    taken.bind(("127.0.0.1", NODE_PORT))
    if protocol == "tcp":
        taken.listen()
    echo = Echo(4, protocol, b"x")
    port, other = LocalPort(4, protocol, NODE_PORT), LocalPort(4, protocol, NODE_PORT + 1)
    ports.keep_only({port: [echo.target], other: [echo.target]})
    assert [one["about"] for one in conditions.as_json()] == [f"{protocol} 127.0.0.1:30080"]
    taken.close()
    ports.retry()
    assert conditions.as_json() == []
    ports.close()

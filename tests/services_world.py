"""A node with three pods and an outside, in namespaces; servers that say who they are and whom they see."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from linuxnet.netns import inside
from linuxnet.service_table import ServiceTable
from tests.calls import run

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
KIND = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
NODE = {4: "10.244.1.1", 6: "fd00:244:1::1"}  # the pods' gateway
UPLINK = {4: "192.0.2.1", 6: "2001:db8::1"}
OUTSIDE = {4: "192.0.2.2", 6: "2001:db8::2"}
VIP = {4: "10.96.0.10", 6: "fd00:96::10"}
EXTERNAL = {4: "203.0.113.10", 6: "2001:db8:1::10"}
PODS = ("pod1", "pod2", "pod3")
PORT = 8080
LENGTH = {4: 32, 6: 128}
REFUSED, LOST = "refused", "lost"
SOON, LATE = 0.15, 2.0  # seconds: until what must not come has not, until what must come has


def packed(address: str) -> bytes:
    return socket.inet_pton(FAMILY[6 if ":" in address else 4], address)


def pod_address(name: str, family: int) -> str:
    number = PODS.index(name) + 11
    return f"10.244.1.{number}" if family == 4 else f"fd00:244:1::{number}"


def target(name: str, family: int, port: int = PORT) -> tuple[bytes, int]:
    """Return an endpoint as entries have it."""
    return packed(pod_address(name, family) if name in PODS else name), port


class Servers:
    """TCP and UDP servers in any namespace, served by one thread: each answers "name client-address"."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve)

    def add(self, name: str, address: str, port: int, netns: int | None = None) -> None:
        family = FAMILY[6 if ":" in address else 4]
        for kind in KIND.values():
            with inside(netns) if netns is not None else ExitStack():
                sock = socket.socket(family, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            if kind == socket.SOCK_STREAM:
                sock.listen(256)
            self._selector.register(sock, selectors.EVENT_READ, name)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._waker.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._waker.close()
        self._selector.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if sock.type == socket.SOCK_STREAM:
                    client, (address, *_) = sock.accept()
                    with client:
                        client.sendall(f"{key.data} {address}".encode())
                else:
                    _, to = sock.recvfrom(2048)
                    sock.sendto(f"{key.data} {to[0]}".encode(), to)


class World:
    """The test's namespace is the node."""

    def __init__(self, stack: ExitStack) -> None:
        for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            Path("/proc/sys/net", path).write_text("1")
        Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        for one in ("all", "default"):  # a redirect to the outside would be its one ICMP message of a second
            Path(f"/proc/sys/net/ipv4/conf/{one}/send_redirects").write_text("0")
        self.netns: dict[str, int | None] = {"node": None}
        for name in (*PODS, "outside"):
            self._join(name, stack)
        batch([f"route add default via {OUTSIDE[family]} dev to-outside" for family in (4, 6)])
        self.servers = Servers()
        for name in PODS:
            for family in (4, 6):
                self.servers.add(name, pod_address(name, family), PORT, self.netns[name])
        self.table = ServiceTable()
        stack.callback(self.table.close)
        stack.callback(self.servers.close)
        self.servers.start()

    def _join(self, name: str, stack: ExitStack) -> None:
        run(["ip", "netns", "add", name])
        stack.callback(run, ["ip", "netns", "del", name])
        netns = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, netns)
        self.netns[name] = netns
        with inside(netns):
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        here = f"to-{name}"
        batch([f"link add {here} type veth peer name eth0 netns {name}", f"link set {here} up"])
        batch(["link set lo up", "link set eth0 up"], name)
        for family in (4, 6):
            gateway = UPLINK[family] if name == "outside" else NODE[family]
            its = OUTSIDE[family] if name == "outside" else pod_address(name, family)
            length, nodad = LENGTH[family], "nodad" if family == 6 else ""
            batch(
                [
                    f"addr add {gateway}/{length} dev {here} {nodad}",
                    f"route add {its}/{length} dev {here}",
                ]
            )
            batch(
                [
                    f"addr add {its}/{length} dev eth0 {nodad}",
                    f"route add {gateway}/{length} dev eth0",
                    f"route add default via {gateway} dev eth0",
                ],
                name,
            )

    def ask(
        self, who: str, protocol: str, address: str, port: int, *, wait: float = LATE, source_port: int = 0
    ) -> str:
        """Return a server's answer, REFUSED or LOST."""
        return ask_from(self.netns[who], protocol, address, port, wait=wait, source_port=source_port)

    def spread(self, who: str, protocol: str, address: str, port: int, times: int) -> Counter[str]:
        """Return how often who answered."""
        found: Counter[str] = Counter()
        for i in range(times):
            answer = self.ask(who, protocol, address, port)
            assert answer not in (REFUSED, LOST), f"{answer}, the {i}th, after {found}"
            found[answer.split()[0]] += 1
        return found

    def is_lost(self, who: str, protocol: str, address: str, port: int) -> bool:
        return self.ask(who, protocol, address, port, wait=SOON) == LOST

    def pings(self, who: str, address: str) -> bool:
        words = ["ping", "-c1", "-W2", "-q", address]
        if who != "node":
            words = ["ip", "netns", "exec", who, *words]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0


def batch(lines: list[str], netns: str = "") -> None:
    words = ["ip", *(["-n", netns] if netns else []), "-batch", "-"]
    done = subprocess.run(words, input="\n".join(lines), text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{lines}: {done.stderr}"


def ask_from(
    netns: int | None, protocol: str, address: str, port: int, *, wait: float = LATE, source_port: int = 0
) -> str:
    """Connect or send from a namespace, and return what comes back."""
    with inside(netns) if netns is not None else ExitStack():
        sock = socket.socket(FAMILY[6 if ":" in address else 4], KIND[protocol])
    with sock:
        sock.settimeout(wait)
        if source_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", source_port))
        try:
            sock.connect((address, port))
            if protocol == "udp":
                sock.send(b"?")
            return sock.recv(2048).decode()
        except (ConnectionRefusedError, PermissionError):  # EPERM: refused on the way out (UDP)
            return REFUSED
        except TimeoutError:
            return LOST


@contextmanager
def world_of_services() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)

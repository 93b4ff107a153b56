"""Pods on two nodes and a flow between them: every packet is counted."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from linuxnet.netns import inside, open_netns
from tests.overlay.flannel.underlay import Node, run

PORT = 5201
TCP_INFO_TOTAL_RETRANS = 100  # offset of tcpi_total_retrans in struct tcp_info (linux/tcp.h)


class Pod:
    """One pod: a namespace with an address of its node's, routed."""

    def __init__(self, node: Node, address: str, mtu: int = 1450) -> None:
        self.name, self.address = f"pod{node.number}", address
        run("ip", "netns", "add", self.name)
        node.ip("link", "add", "veth0", "mtu", f"{mtu}", "type", "veth", "peer", "eth0", "netns", self.name)
        node.ip("link", "set", "veth0", "up")
        node.ip("route", "add", f"{address}/32", "dev", "veth0")
        node.ip("addr", "add", "169.254.1.1/32", "dev", "veth0")
        for line in (
            "link set lo up", f"link set eth0 up mtu {mtu}", f"addr add {address}/32 dev eth0",
            "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1",
        ):  # fmt: skip
            run("ip", "-n", self.name, *line.split())

    def socket(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Return a socket of the pod's."""
        descriptor = open_netns(f"/run/netns/{self.name}")
        with open(descriptor, "rb"), inside(descriptor):  # noqa: PTH123
            return socket.socket(socket.AF_INET, kind)

    def remove(self) -> None:
        """Leave nothing."""
        run("ip", "netns", "del", self.name)


class Flow:
    """Pings every five milliseconds and a TCP stream of numbers, until it is ended."""

    def __init__(self, here: Pod, there: Pod) -> None:
        self._heard: list[int] = []  # sequence numbers of answers
        self._is_heard = threading.Event()
        ping = ["ip", "netns", "exec", here.name, "ping", "-i", "0.005", there.address]
        self._ping = subprocess.Popen(ping, stdout=subprocess.PIPE, text=True)
        self._hearer = threading.Thread(target=self._hear)
        self._hearer.start()
        assert self._is_heard.wait(5), "no way between the pods"
        self._listener = there.socket()
        self._listener.bind((there.address, PORT))
        self._listener.listen()
        self._out = here.socket()
        self._out.settimeout(5)
        self._out.connect((there.address, PORT))
        self._in = self._listener.accept()[0]
        self._stopped = threading.Event()
        self._sent = 0
        self._received = 0
        self._threads = [threading.Thread(target=one) for one in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def end(self) -> tuple[int, int, int]:
        """End it; return the pings lost, the segments sent again, and the numbers that did not arrive."""
        self._ping.send_signal(signal.SIGINT)
        self._hearer.join()
        self._stopped.set()
        self._threads[0].join()
        info = self._out.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        again = struct.unpack_from("I", info, TCP_INFO_TOTAL_RETRANS)[0]
        self._out.shutdown(socket.SHUT_WR)
        self._threads[1].join(2)  # the rest may never come
        lost = set(range(self._heard[0], max(self._heard))) - set(self._heard)
        return len(lost), again, self._sent - self._received

    def __enter__(self) -> Flow:
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._ping.kill()
        self._ping.wait()
        self._hearer.join()
        for one in (self._out, self._in):
            with contextlib.suppress(OSError):  # ended already
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in (self._in, self._out, self._listener):
            one.close()

    def _hear(self) -> None:
        assert self._ping.stdout
        with self._ping.stdout as lines:
            for line in lines:
                if found := re.search(r"icmp_seq=(\d+) ttl", line):
                    self._heard.append(int(found[1]))
                    self._is_heard.set()

    def _send(self) -> None:
        with contextlib.suppress(OSError):  # what has not arrived is counted
            while not self._stopped.wait(0.002):
                self._out.sendall(struct.pack("!I", self._sent))
                self._sent += 1

    def _receive(self) -> None:
        stream = self._in.makefile("rb")
        with contextlib.closing(stream):
            while data := stream.read(4):
                assert struct.unpack("!I", data)[0] == self._received
                self._received += 1


@contextmanager
def pods(*placed: tuple[Node, str]) -> Iterator[list[Pod]]:
    """Have one pod on each node, with these addresses."""
    made = [Pod(node, address) for node, address in placed]
    try:
        yield made
    finally:
        for one in made:
            one.remove()

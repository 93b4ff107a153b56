"""macspoofchk on the wire: frames that lie about their sender never reach the neighbour."""

from __future__ import annotations

import json
import select
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from linuxnet.netns import inside, open_netns
from tests.calls import Container, Json, Plugins

MakeContainer = Callable[..., Container]
CONFIG: Json = {
    "cniVersion": "1.0.0",
    "name": "net1",
    "type": "bridge",
    "bridge": "pod0",
    "isGateway": True,
    "macspoofchk": True,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}], [{"subnet": "fd88::/64"}]]},
}
BROADCAST, OTHER_MAC = b"\xff" * 6, bytes.fromhex("020000000099")
OTHER_IP, OTHER_IP6 = socket.inet_aton("10.88.0.99"), socket.inet_pton(socket.AF_INET6, "fd88::99")
ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD


@dataclass
class Wire:
    """A socket in the liar's namespace, one in the neighbour's, and who the liar really is."""

    send: socket.socket
    receive: socket.socket
    mac: bytes
    ip: bytes
    ip6: bytes

    def carries(self, frame: bytes) -> bool:
        """Send a frame, then an honest one, and tell whether the first arrived before the second."""
        self.send.send(frame)
        honest = ethernet(self.mac, ARP, arp(self.mac, self.ip))
        self.send.send(honest)
        seen = False
        while select.select([self.receive], [], [], 2)[0]:
            got = self.receive.recv(2000)
            seen = seen or unpadded(got) == unpadded(frame)
            if unpadded(got) == unpadded(honest):
                return seen
        raise AssertionError("an honest frame did not arrive")


@pytest.fixture
def wire(container: MakeContainer, plugins: Plugins) -> Iterator[Wire]:
    """Attach a liar and a neighbour."""
    liar, neighbour = container("liar"), container("neighbour")
    result = plugins.add(CONFIG, liar)
    plugins.add(CONFIG, neighbour)
    link = json.loads(liar.run("ip", "-j", "link", "show", "eth0"))[0]
    four, six = (ip["address"].partition("/")[0] for ip in result["ips"])
    send, receive = _packet_socket(liar), _packet_socket(neighbour)
    mac = bytes.fromhex(link["address"].replace(":", ""))
    yield Wire(send, receive, mac, socket.inet_aton(four), socket.inet_pton(socket.AF_INET6, six))
    send.close()
    receive.close()


def _packet_socket(one: Container) -> socket.socket:
    with inside(open_netns(one.netns)):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        made.bind(("eth0", 3))
    return made


def ethernet(source: bytes, kind: int, body: bytes) -> bytes:
    """Return a broadcast frame, padded to Ethernet's least length."""
    return (BROADCAST + source + struct.pack(">H", kind) + body).ljust(60, b"\0")


def unpadded(frame: bytes) -> bytes:
    """Return a frame without its padding, which br_netfilter takes off IP packets."""
    return frame.rstrip(b"\0")


def arp(mac: bytes, ip: bytes) -> bytes:
    """Return an ARP request for the gateway (RFC 826)."""
    return struct.pack(">HHBBH", 1, IPV4, 6, 4, 1) + mac + ip + bytes(6) + socket.inet_aton("10.88.0.1")


def udp4(source: bytes, source_port: int, port: int) -> bytes:
    """Return a broadcast UDP packet."""
    header = struct.pack(">BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0) + source + b"\xff" * 4
    return (
        header[:10]
        + struct.pack(">H", checksum(header))
        + header[12:]
        + struct.pack(">HHHH", source_port, port, 8, 0)
    )


def icmp6(source: bytes, kind: int, body: bytes) -> bytes:
    """Return an ICMPv6 message to all nodes (RFC 4443)."""
    message = struct.pack(">BBH", kind, 0, 0) + body
    pseudo = source + ALL_NODES + struct.pack(">II", len(message), 58)
    message = message[:2] + struct.pack(">H", checksum(pseudo + message)) + message[4:]
    return struct.pack(">IHBB", 0x60000000, len(message), 58, 255) + source + ALL_NODES + message


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def advert(target: bytes) -> bytes:
    """Return the body of a neighbour advertisement (RFC 4861 section 4.4)."""
    return struct.pack(">I", 0x20000000) + target


HONEST: dict[str, Callable[[Wire], bytes]] = {
    "IPv4": lambda w: ethernet(w.mac, IPV4, udp4(w.ip, 1000, 2000)),
    "an ARP probe": lambda w: ethernet(w.mac, ARP, arp(w.mac, bytes(4))),
    "a DHCP client": lambda w: ethernet(w.mac, IPV4, udp4(bytes(4), 68, 67)),
    "a neighbour advertisement": lambda w: ethernet(w.mac, IPV6, icmp6(w.ip6, 136, advert(w.ip6))),
}
LIES: dict[str, Callable[[Wire], bytes]] = {
    "the MAC address": lambda w: ethernet(OTHER_MAC, IPV4, udp4(w.ip, 1000, 2000)),
    "the IPv4 address": lambda w: ethernet(w.mac, IPV4, udp4(OTHER_IP, 1000, 2000)),
    "ARP's sender address": lambda w: ethernet(w.mac, ARP, arp(w.mac, OTHER_IP)),
    "ARP's sender MAC": lambda w: ethernet(w.mac, ARP, arp(OTHER_MAC, w.ip)),
    "the IPv6 address": lambda w: ethernet(w.mac, IPV6, icmp6(OTHER_IP6, 128, bytes(4))),
    "a neighbour's address": lambda w: ethernet(w.mac, IPV6, icmp6(w.ip6, 136, advert(OTHER_IP6))),
    "being a router": lambda w: ethernet(w.mac, IPV6, icmp6(w.ip6, 134, bytes(12))),
    "being a DHCP server": lambda w: ethernet(w.mac, IPV4, udp4(w.ip, 67, 68)),
    "its VLAN": lambda w: ethernet(w.mac, 0x8100, struct.pack(">HH", 100, IPV4) + udp4(OTHER_IP, 1, 2)),
}


@pytest.mark.parametrize("what", HONEST)
def test_an_honest_frame_arrives(wire: Wire, what: str) -> None:
    assert wire.carries(HONEST[what](wire))


@pytest.mark.parametrize("about", LIES)
def test_a_frame_that_lies_does_not_arrive(wire: Wire, about: str) -> None:
    assert not wire.carries(LIES[about](wire))

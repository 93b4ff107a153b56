"""What the service proxy's sets and maps hold, as bytes: one `Entry` is one element of the kernel's. Pure.

`services.nft` says what each set is for. The bytes are the kernel's own (numbers and addresses in network
byte order, marks and slots in the host's, every part of a concatenation padded to four bytes), so that a
dump is a set of entries and a difference is set arithmetic. An interval's key is its first and its last
key, one behind the other; a verdict is kept in nft's words, since its chain is a name.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from linuxnet.nft_keys import PROTOCOLS
from linuxnet.numbers import SCRATCH_HASH, SCRATCH_ID
from linuxnet.packed import text_of
from linuxnet.service_chains import LOCAL, Pick, Verdict, remember_chain

__all__ = ["DROP", "Entry", "Front", "Pick", "Verdict"]

DROP = Verdict("drop")

_PORT = struct.Struct(">B3xH2x")  # inet_proto . inet_service
_SLOT = struct.Struct("=I")  # of the host's byte order, as numgen and marks are
_TARGET = struct.Struct(">H2x")
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}

Target = tuple[bytes, int]  # an endpoint's address and port

_FRONT, _NODE = ("address", "protocol", "port"), ("protocol", "port")
_SHAPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "services": (_FRONT, ("verdict",)), "outside": (_FRONT, ("verdict",)),
    "nodeports": (_NODE, ("verdict",)), "outside_nodeports": (_NODE, ("verdict",)),
    "endpoints": ((*_FRONT, "number"), ("address", "port")),
    "nodeport_endpoints": ((*_NODE, "number"), ("address", "port")),
    "hashed": ((*_FRONT, "mark"), ("address", "port")),
    "nodeport_hashed": ((*_NODE, "mark"), ("address", "port")),
    "sticky": (_FRONT, ("mark",)), "nodeport_sticky": (_NODE, ("mark",)),
    "remembering": (("mark",), ("verdict",)),
    "refused": (_FRONT, ()), "refused_nodeports": (_NODE, ()), "cluster_ips": (("address",), ()),
    "service_cidrs": (("address",), ()), "pods": (("address",), ()), "nodeport_addresses": (("address",), ()),
    "hairpin": (("address", "address"), ()), "local_dns": (("address",), ()),
    "firewalled": (_FRONT, ()), "allowed_sources": ((*_FRONT, "address"), ()),
}  # fmt: skip
INTERVALS = frozenset(
    {"service_cidrs", "pods", "nodeport_addresses", "allowed_sources"}
)  # sets with flags interval
_SIZES = {"protocol": 1, "port": 2, "number": 4, "mark": 4}  # bytes, before padding


class Entry(NamedTuple):
    """One element of a set or map; `data` is b"" in a set."""

    name: str
    key: bytes
    data: bytes = b""

    def __str__(self) -> str:
        kind, family = kind_of(self.name)
        key_shape, data_shape = _SHAPES[kind]
        if kind in INTERVALS:
            half = len(self.key) // 2
            words = _range_words(key_shape, family, self.key[:half], self.key[half:])
        else:
            words = _words(key_shape, family, self.key)
        return f"{self.name} {{ {words}{' : ' if self.data else ''}{_words(data_shape, family, self.data)} }}"


class Front(NamedTuple):
    """A front end: what clients speak to. `address` is b"" for a NodePort, whatever the node's addresses."""

    family: int  # 4 or 6
    address: bytes
    protocol: str  # tcp, udp, sctp
    port: int

    @classmethod
    def at(cls, address: bytes, protocol: str, port: int) -> Front:
        """Return the front end at a ClusterIP, an external or a load balancer's address."""
        return cls(4 if len(address) == 4 else 6, address, protocol, port)

    @classmethod
    def node_port(cls, family: int, protocol: str, port: int) -> Front:
        """Return the front end at a port of the node."""
        return cls(family, b"", protocol, port)

    @property
    def key(self) -> bytes:
        """Return what packets to it are looked up by."""
        return self.address + _PORT.pack(PROTOCOLS[self.protocol], self.port)

    def leads(self, to: Verdict) -> Entry:
        """Return where packets go, from wherever they come."""
        return Entry(self._name("services", "nodeports"), self.key, to.data)

    def leads_from_outside(self, to: Verdict) -> Entry:
        """Return where packets go that come from neither this node nor a pod; asked before `leads`."""
        return Entry(self._name("outside", "outside_nodeports"), self.key, to.data)

    def slots(self, targets: Sequence[Target], *, is_local: bool = False) -> list[Entry]:
        """Return the endpoints in their slots, from 0 on; `is_local`: they are the Local list."""
        first = LOCAL if is_local else 0
        return self._targets(self._name("endpoints", "nodeport_endpoints"), first, targets)

    def table(self, targets: Sequence[Target], *, is_local: bool = False) -> list[Entry]:
        """Return Maglev's table: the endpoint for each hash, from 0 on."""
        first = SCRATCH_HASH + (LOCAL if is_local else 0)
        return self._targets(self._name("hashed", "nodeport_hashed"), first, targets)

    def sticky(self, number: int) -> Entry:
        """Return what says that clients are remembered; all front ends of a service port have one number.

        Numbers are 0 to 0x0fefffff.
        """
        return Entry(self._name("sticky", "nodeport_sticky"), self.key, _SLOT.pack(SCRATCH_ID + number))

    def refused(self) -> Entry:
        """Return what refuses connections: there is no endpoint anywhere."""
        return Entry(self._name("refused", "refused_nodeports"), self.key)

    def firewalled(self, cidrs: Iterable[str]) -> list[Entry]:
        """Return what keeps everybody out but these sources; those of the other family are left out.

        A NodePort has no source ranges (Kubernetes' API leaves them to load balancers' addresses).
        """
        assert self.address, "a NodePort has no source ranges"
        found = [Entry(f"firewalled{self.family}", self.key)]
        for first, last in _intervals(self.family, cidrs):
            found.append(Entry(f"allowed_sources{self.family}", self.key + first + self.key + last))
        return found

    def _name(self, with_address: str, without: str) -> str:
        return f"{with_address if self.address else without}{self.family}"

    def _targets(self, name: str, first: int, targets: Sequence[Target]) -> list[Entry]:
        key, pack, pad = self.key, _SLOT.pack, _TARGET.pack
        return [
            Entry(name, key + pack(slot), address + pad(port))
            for slot, (address, port) in enumerate(targets, first)
        ]


def remembered(number: int, seconds: int) -> Entry:
    """Return what says how long the clients of a number's front ends are remembered."""
    return Entry(
        "remembering", _SLOT.pack(SCRATCH_ID + number), Verdict("jump", remember_chain(seconds)).data
    )


def cluster_ip(address: bytes) -> Entry:
    """Return what makes an address a live ClusterIP: pinged, and refused at ports it does not have."""
    return Entry(f"cluster_ips{_family(address)}", address)


def hairpin(address: bytes) -> Entry:
    """Return what lets an endpoint of this node reach itself by a service."""
    return Entry(f"hairpin{_family(address)}", address + address)


def local_dns(address: bytes) -> Entry:
    """Return what lets a DNS server of this node answer at an address, untracked."""
    return Entry(f"local_dns{_family(address)}", address)


def service_cidrs(cidrs: Iterable[str]) -> list[Entry]:
    """Return the ranges of ClusterIPs: what nobody has is dropped."""
    return _ranges("service_cidrs", cidrs)


def pods(cidrs: Iterable[str]) -> list[Entry]:
    """Return the ranges of the cluster's pods: whose packets do not come from outside."""
    return _ranges("pods", cidrs)


def node_port_addresses(cidrs: Iterable[str]) -> list[Entry]:
    """Return where NodePorts are served, if that is listed; addresses of others are no matter."""
    return _ranges("nodeport_addresses", cidrs)


def kind_of(name: str) -> tuple[str, int]:
    """Split a set's name into what it is for and its family, 0 where it is for both."""
    return (name[:-1], int(name[-1])) if name[-1] in "46" else (name, 0)


def _family(address: bytes) -> int:
    return 4 if len(address) == 4 else 6


def _ranges(name: str, cidrs: Iterable[str]) -> list[Entry]:
    given = list(cidrs)
    return [Entry(f"{name}{family}", a + b) for family in (4, 6) for a, b in _intervals(family, given)]


def _intervals(family: int, cidrs: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """Return first and last addresses; what overlaps is one, since the kernel takes nothing twice."""
    nets = [ipaddress.ip_network(one.strip(), strict=False) for one in cidrs]
    if family == 4:
        found4 = ipaddress.collapse_addresses(n for n in nets if isinstance(n, ipaddress.IPv4Network))
        return [(net.network_address.packed, net.broadcast_address.packed) for net in found4]
    found6 = ipaddress.collapse_addresses(n for n in nets if isinstance(n, ipaddress.IPv6Network))
    return [(net.network_address.packed, net.broadcast_address.packed) for net in found6]


def _words(shape: tuple[str, ...], family: int, data: bytes) -> str:
    """Return bytes in nft's words."""
    if shape == ("verdict",) or not data:
        return data.decode()
    words, offset = [], 0
    for part in shape:
        size = _SIZES.get(part, 4 if family == 4 else 16)
        words.append(_word(part, data[offset : offset + size]))
        offset += (size + 3) & ~3
    return " . ".join(words)


def _range_words(shape: tuple[str, ...], family: int, first: bytes, last: bytes) -> str:
    """Return an interval in nft's words: the last part is a prefix."""
    size = 4 if family == 4 else 16
    low, high = (int.from_bytes(one[-size:], "big") for one in (first, last))
    free = (low ^ high).bit_length()
    return _words(shape, family, first) + (f"/{8 * size - free}" if free else "")


def _word(part: str, data: bytes) -> str:
    if part == "address":
        return text_of(data)
    if part == "protocol":
        return _PROTOCOL_NAMES.get(data[0], str(data[0]))
    if part == "port":
        return str(int.from_bytes(data, "big"))
    (number,) = _SLOT.unpack(data)
    return f"0x{number:08x}" if part == "mark" else str(number)

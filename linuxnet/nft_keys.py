"""Keys and data of set elements: nft's words on one side, the kernel's bytes on the other. Pure.

`podwire.nft` says which types a set has. Numbers and addresses are in network byte order, a name takes 16
bytes; in a concatenation each part is padded to four bytes (linux/netfilter/nf_tables.h, libnftnl). In an
interval set a key has an end; here that is the last address of each prefix.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

TEXT = Path(__file__).with_name("podwire.nft")
IFNAMSIZ = 16  # bytes with the closing NUL (linux/if.h)
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}


@dataclass(frozen=True)
class Codec:
    """How one type is written. `size` in bytes, without padding."""

    size: int
    encode: Callable[[str], bytes]
    decode: Callable[[bytes], str]


@dataclass(frozen=True)
class SetType:
    """The types of a set's keys and, for a map, of its data."""

    key: tuple[str, ...]
    data: tuple[str, ...] = ()
    is_interval: bool = False


def _mac(data: bytes) -> str:
    return data.hex(":")


_CODECS = {
    "ipv4_addr": Codec(4, socket.inet_aton, socket.inet_ntoa),
    "ipv6_addr": Codec(
        16, partial(socket.inet_pton, socket.AF_INET6), partial(socket.inet_ntop, socket.AF_INET6)
    ),
    "ether_addr": Codec(6, lambda text: bytes.fromhex(text.replace(":", "")), _mac),
    "inet_proto": Codec(
        1, lambda text: bytes([PROTOCOLS[text]]), lambda b: _PROTOCOL_NAMES.get(b[0], str(b[0]))
    ),
    "inet_service": Codec(
        2, lambda text: int(text).to_bytes(2, "big"), lambda b: str(int.from_bytes(b, "big"))
    ),
    "ifname": Codec(
        IFNAMSIZ,
        lambda text: text.strip('"').encode().ljust(IFNAMSIZ, b"\0"),
        lambda b: f'"{b.rstrip(bytes(1)).decode()}"',
    ),
    "number": Codec(
        4,
        lambda text: int(text).to_bytes(4, sys.byteorder),
        lambda b: str(int.from_bytes(b, sys.byteorder)),
    ),
    "@th,64,128": Codec(16, lambda text: bytes.fromhex(text[2:]), lambda b: f"0x{b.hex()}"),
}  # fmt: skip


_TYPE_NAMES = {  # of what typeof names
    "iifname": "ifname", "ip daddr": "ipv4_addr", "ip6 daddr": "ipv6_addr", "meta l4proto": "inet_proto",
    "th dport": "inet_service", "tcp dport": "inet_service", "numgen random mod 65536": "number",
}  # fmt: skip
_TYPEOF = re.compile("|".join(_TYPE_NAMES))


@cache
def set_types() -> dict[tuple[str, str], SetType]:
    """Return the type of every set and map, by (family, name), as the static rules declare them."""
    found: dict[tuple[str, str], SetType] = {}
    family = ""
    for line in TEXT.read_text().splitlines():
        if table := re.match(r"table (\w+) ", line):
            family = table[1]
        elif declared := re.match(r"\t(?:set|map) (\w+) \{ type(?:of)? ([^;]+);(.*)", line):
            key, _, data = _TYPEOF.sub(lambda found: _TYPE_NAMES[found[0]], declared[2]).partition(" : ")
            is_interval = "interval" in declared[3]
            types = SetType(tuple(key.split(" . ")), tuple(data.split(" . ")) if data else (), is_interval)
            found[family, declared[1]] = types
    return found


def encode_key(kind: SetType, text: str) -> tuple[bytes, bytes]:
    """Return a key and its end, b"" where the set has no intervals."""
    if not kind.is_interval:
        return _join(kind.key, text.split(" . ")), b""
    bounds = [_bounds(name, part) for name, part in zip(kind.key, text.split(" . "), strict=True)]
    return b"".join(first for first, _ in bounds), b"".join(last for _, last in bounds)


def encode_data(kind: SetType, text: str) -> bytes:
    """Return a map's data."""
    return _join(kind.data, text.split(" . "))


def decode_key(kind: SetType, key: bytes, end: bytes) -> str:
    """Return a key in nft's words."""
    if not kind.is_interval:
        return _split(kind.key, key)
    parts, offset = [], 0
    for name in kind.key:
        size = _CODECS[name].size
        parts.append(_prefix(name, key[offset : offset + size], end[offset : offset + size]))
        offset += size
    return " . ".join(parts)


def decode_data(kind: SetType, data: bytes) -> str:
    """Return a map's data in nft's words."""
    return _split(kind.data, data)


def _join(types: tuple[str, ...], parts: list[str]) -> bytes:
    encoded = [_CODECS[name].encode(part) for name, part in zip(types, parts, strict=True)]
    if len(encoded) == 1:
        return encoded[0]
    return b"".join(one + bytes(-len(one) & 3) for one in encoded)


def _split(types: tuple[str, ...], data: bytes) -> str:
    parts, offset = [], 0
    for name in types:
        codec = _CODECS[name]
        parts.append(codec.decode(data[offset : offset + codec.size]))
        offset += (codec.size + 3) & ~3
    return " . ".join(parts)


def _bounds(name: str, prefix: str) -> tuple[bytes, bytes]:
    """Return the first and the last address of a prefix."""
    address, _, length = prefix.partition("/")
    first = _CODECS[name].encode(address)
    free = len(first) * 8 - int(length) if length else 0
    number = int.from_bytes(first, "big")
    return first, (number | (1 << free) - 1).to_bytes(len(first), "big")


def _prefix(name: str, first: bytes, last: bytes) -> str:
    free = (int.from_bytes(first, "big") ^ int.from_bytes(last, "big")).bit_length()
    text = _CODECS[name].decode(first)
    return text if free == 0 else f"{text}/{len(first) * 8 - free}"

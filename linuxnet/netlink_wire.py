"""Netlink messages as bytes: header, attributes, nested attributes (netlink(7), linux/netlink.h). Pure.

An attribute is a length and a type (16 bits each), its data, and padding to four bytes; a message is a
header, a family's own fixed part, and attributes. Every family's codec is made from these.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x200, 0x400, 0x800
NESTED = 0x8000  # NLA_F_NESTED
TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # nlattr
_U32 = struct.Struct("=I")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """Return a whole message."""
    return HEADER.pack(HEADER.size + len(body), kind, flags, sequence, 0) + body


def attribute(kind: int, data: bytes) -> bytes:
    """Return one attribute, padded."""
    return _ATTRIBUTE.pack(4 + len(data), kind) + data + _PADDING[len(data) & 3]


def nested(kind: int, *inner: bytes) -> bytes:
    """Return an attribute that holds attributes."""
    return attribute(kind | NESTED, b"".join(inner))


def text(kind: int, value: str) -> bytes:
    """Return an attribute with a NUL-ended string."""
    return attribute(kind, value.encode() + b"\0")


def u32(kind: int, value: int) -> bytes:
    """Return an attribute with a 32-bit number of the host's byte order."""
    return attribute(kind, _U32.pack(value))


def read_attributes(data: bytes, start: int = 0) -> dict[int, bytes]:
    """Return attributes by their types, without the flags in them; of equal ones the last."""
    # Half of what a look at a link costs is spent in this loop: `walk_attributes`, without its generator.
    found: dict[int, bytes] = {}
    unpack, end = _ATTRIBUTE.unpack_from, len(data)
    while start + 4 <= end:
        length, kind = unpack(data, start)
        if length < 4:
            break
        found[kind & TYPE_MASK] = data[start + 4 : start + length]
        start += (length + 3) & ~3
    return found


def walk_attributes(data: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (type, data) of each attribute."""
    end = len(data)
    while start + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4:  # not an attribute: nothing behind it can be found
            return
        yield kind & TYPE_MASK, data[start + 4 : start + length]
        start += (length + 3) & ~3


def read_text(data: bytes) -> str:
    """Return a NUL-ended string."""
    return data.rstrip(b"\0").decode("utf-8", "replace")


def read_u32(data: bytes) -> int:
    """Return a 32-bit number of the host's byte order."""
    number: int = _U32.unpack_from(data)[0]
    return number

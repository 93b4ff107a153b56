"""nf_tables' messages, as far as elements need them (linux/netfilter/nf_tables.h, nfnetlink.h). Pure.

libnftables writes the rules; what changes with every pod is written here: an element takes 12 to 30 us,
by libnftables 40 to 600 us, and looking at one makes libnftables read its whole set.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from linuxnet.netlink_wire import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    attribute,
    nested,
    read_attributes,
    read_text,
    text,
    walk_attributes,
)

_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
GET_TABLE, GET_CHAIN, GET_RULE = _SUBSYSTEM | 1, _SUBSYSTEM | 4, _SUBSYSTEM | 7
NEW_ELEMENT, GET_ELEMENT, DELETE_ELEMENT, GET_GENERATION = (_SUBSYSTEM | n for n in (12, 13, 14, 16))
GET_SET, NEW_GENERATION = _SUBSYSTEM | 10, _SUBSYSTEM | 15
BATCH_BEGIN, BATCH_END = 16, 17  # NFNL_MSG_BATCH_*
NFPROTO = {"unspec": 0, "inet": 1, "ip": 2, "bridge": 7, "ip6": 10}  # linux/netfilter.h

NFGEN = struct.Struct(">BBH")  # nfgenmsg: family, version, resource (big-endian)
_BE32 = struct.Struct(">I")
NFNL_BATCH_GENID = 1
NFTA_TABLE, NFTA_NAME = 1, 2  # of a set's elements: NFTA_SET_ELEM_LIST_TABLE, _SET
NFTA_ELEMENTS, NFTA_LIST_ELEM = 3, 1
NFTA_KEY, NFTA_DATA, NFTA_USERDATA, NFTA_KEY_END, NFTA_DATA_VALUE = 1, 2, 6, 10, 1
NFTA_CHAIN_NAME, NFTA_CHAIN_POLICY = 3, 5
NFTA_RULE_CHAIN, NFTA_GEN_ID = 2, 1
UDATA_COMMENT = 0  # NFTNL_UDATA_SET_ELEM_COMMENT (libnftnl/udata.h)
POLICIES = ("drop", "accept")  # NF_DROP, NF_ACCEPT

Message = tuple[int, int, bytes]  # type, flags, body


class Raw(NamedTuple):
    """An element in bytes. `end` is b"" where the set has no intervals, `data` where it is no map."""

    key: bytes
    end: bytes = b""
    data: bytes = b""
    comment: str = ""


def begin(generation: int | None) -> Message:
    """Open a transaction; with a generation it is refused (ERESTART) if the rules are of another one."""
    body = NFGEN.pack(0, 0, _SUBSYSTEM >> 8)
    if generation is not None:
        body += attribute(NFNL_BATCH_GENID, _BE32.pack(generation))
    return BATCH_BEGIN, 0, body


def end() -> Message:
    """Close a transaction."""
    return BATCH_END, 0, NFGEN.pack(0, 0, _SUBSYSTEM >> 8)


def add_element(family: str, table: str, name: str, raw: Raw, *, is_exclusive: bool) -> Message:
    """Add an element; `is_exclusive`: one that is there already is refused (EEXIST)."""
    flags = NLM_F_CREATE | (NLM_F_EXCL if is_exclusive else 0)
    return NEW_ELEMENT, flags, _element_body(family, table, name, raw)


def delete_element(family: str, table: str, name: str, raw: Raw) -> Message:
    """Delete an element by its key."""
    return DELETE_ELEMENT, 0, _element_body(family, table, name, Raw(raw.key, raw.end))


def get_element(family: str, table: str, name: str, raw: Raw) -> bytes:
    """Return the body that asks for one element by its key."""
    return _element_body(family, table, name, Raw(raw.key, raw.end))


@lru_cache(256)
def set_body(family: str, table: str, name: str) -> bytes:
    """Return the body that asks for all elements of a set."""
    return NFGEN.pack(NFPROTO[family], 0, 0) + text(NFTA_TABLE, table) + text(NFTA_NAME, name)


def family_body(family: str) -> bytes:
    """Return the body that asks for all tables of a family."""
    return NFGEN.pack(NFPROTO[family], 0, 0)


def rules_body(family: str, table: str) -> bytes:
    """Return the body that asks for all rules of a table."""
    return family_body(family) + text(NFTA_TABLE, table)


def chain_body(family: str, table: str, chain: str) -> bytes:
    """Return the body that asks for one chain."""
    return family_body(family) + text(NFTA_TABLE, table) + text(NFTA_CHAIN_NAME, chain)


def read_elements(body: bytes) -> Iterator[Raw]:
    """Yield the elements of an NFT_MSG_NEWSETELEM message."""
    found = read_attributes(body, NFGEN.size)
    for _, data in walk_attributes(found.get(NFTA_ELEMENTS, b"")):
        parts = read_attributes(data)
        key, last, value = (_value(parts.get(kind)) for kind in (NFTA_KEY, NFTA_KEY_END, NFTA_DATA))
        yield Raw(key, last, value, _read_comment(parts.get(NFTA_USERDATA, b"")))


def read_name(body: bytes, kind: int = 1) -> str:
    """Return a name from a table's, chain's or rule's message."""
    return read_text(read_attributes(body, NFGEN.size).get(kind, b""))


def read_policy(body: bytes) -> str:
    """Return a base chain's policy, "" for a chain without a hook."""
    found = read_attributes(body, NFGEN.size).get(NFTA_CHAIN_POLICY)
    return "" if found is None else POLICIES[_BE32.unpack(found)[0]]


def read_generation(body: bytes) -> int:
    """Return the number of commits so far, which every commit moves on by one (modulo 2**32)."""
    number: int = _BE32.unpack(read_attributes(body, NFGEN.size)[NFTA_GEN_ID])[0]
    return number


def _element_body(family: str, table: str, name: str, raw: Raw) -> bytes:
    parts = [nested(NFTA_KEY, attribute(NFTA_DATA_VALUE, raw.key))]
    if raw.end:
        parts.append(nested(NFTA_KEY_END, attribute(NFTA_DATA_VALUE, raw.end)))
    if raw.data:
        parts.append(nested(NFTA_DATA, attribute(NFTA_DATA_VALUE, raw.data)))
    if raw.comment:
        comment = raw.comment.encode() + b"\0"
        parts.append(attribute(NFTA_USERDATA, bytes([UDATA_COMMENT, len(comment)]) + comment))
    return set_body(family, table, name) + nested(NFTA_ELEMENTS, nested(NFTA_LIST_ELEM, *parts))


def _value(data: bytes | None) -> bytes:
    return b"" if data is None else read_attributes(data).get(NFTA_DATA_VALUE, b"")


def _read_comment(udata: bytes) -> str:
    """Find the comment among an element's type-length-value entries."""
    offset = 0
    while offset + 2 <= len(udata):
        kind, length = udata[offset], udata[offset + 1]
        if kind == UDATA_COMMENT:
            return read_text(udata[offset + 2 : offset + 2 + length])
        offset += 2 + length
    return ""

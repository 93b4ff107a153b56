"""Entries as nf_tables' messages, many in one, and back (linux/netfilter/nf_tables.h). Pure.

A hundred thousand entries are to be written in a tenth of a second, so an element is the joining of three or
four strings: everything but key and data is the same for all elements of a set. Elements of one set share a
message, whose list must fit the 64 KiB of an attribute.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from linuxnet import nft_messages as nft
from linuxnet.netlink_wire import (
    NESTED,
    NLM_F_CREATE,
    NLM_F_EXCL,
    TYPE_MASK,
    attribute,
    nested,
    read_attributes,
)
from linuxnet.nft_messages import (
    NFGEN,
    NFTA_DATA,
    NFTA_DATA_VALUE,
    NFTA_ELEMENTS,
    NFTA_KEY,
    NFTA_KEY_END,
    NFTA_LIST_ELEM,
)
from linuxnet.numbers import NFT_SERVICES_TABLE
from linuxnet.service_entries import INTERVALS, Entry, kind_of

IN_ONE = 500  # elements in one message; the largest takes 120 bytes
_ATTRIBUTE = struct.Struct("=HH")
_BE32, _BE64 = struct.Struct(">i"), struct.Struct(">Q")
_FLAGS, _EXPRESSION, _EXPRESSIONS = 3, 7, 11  # NFTA_SET_ELEM_*
_INTERVAL_END = attribute(_FLAGS, _BE32.pack(1))  # NFT_SET_ELEM_INTERVAL_END
_VERDICT, _CODE, _CHAIN = 2, 1, 2  # NFTA_DATA_VERDICT, NFTA_VERDICT_*
_CODES = {"drop": 0, "accept": 1, "jump": -3, "goto": -4}  # NF_*, NFT_*
_ACTIONS = {code: action for action, code in _CODES.items()}
PREFIXES = frozenset(
    {"service_cidrs", "pods", "nodeport_addresses"}
)  # intervals of one part: a start, an end


class Counted(NamedTuple):
    """What has passed by a front end: packets and bytes of connections' first packets."""

    packets: int
    bytes: int


class Part(NamedTuple):
    """Entries of one message, in their order."""

    message: nft.Message
    entries: Sequence[Entry]


def parts(entries: Iterable[Entry], *, deletes: bool) -> Iterator[Part]:
    """Yield messages that add or delete these, in their order; neighbours of one set share one."""
    for name, group in groupby(entries, key=attrgetter("name")):
        same = list(group)
        encode = _encoder(name, same[0], deletes=deletes)
        head = nft.set_body("inet", NFT_SERVICES_TABLE, name)
        kind, flags = (nft.DELETE_ELEMENT, 0) if deletes else (nft.NEW_ELEMENT, NLM_F_CREATE | NLM_F_EXCL)
        for i in range(0, len(same), IN_ONE):
            some = same[i : i + IN_ONE]
            elements = b"".join(encode(some))
            list_ = _ATTRIBUTE.pack(4 + len(elements), NFTA_ELEMENTS | NESTED) + elements
            yield Part((kind, flags, head + list_), some)


def refused_entry(part: Part, offset: int) -> Entry:
    """Return the entry at an offset of its message (of which `part` lacks the header)."""
    name = part.entries[0].name
    start = len(nft.set_body("inet", NFT_SERVICES_TABLE, name)) + 4
    body, each = part.message[2], 2 if kind_of(name)[0] in PREFIXES else 1
    number = 0
    while start < len(body):
        end = start + (_ATTRIBUTE.unpack_from(body, start)[0] + 3 & ~3)
        if offset < end + 16:  # nlmsghdr
            break
        start, number = end, number + 1
    return part.entries[min(number // each, len(part.entries) - 1)] if offset else part.entries[0]


def read(name: str, bodies: Iterable[bytes]) -> list[Entry]:
    """Return the entries of a dump."""
    kind, _ = kind_of(name)
    if kind in PREFIXES:
        return _read_prefixes(name, bodies)
    return [Entry(name, key, data) for key, data, _ in _elements(bodies)]


def read_counts(name: str, bodies: Iterable[bytes]) -> dict[Entry, Counted]:
    """Return what each front end of a dump has counted."""
    found = {}
    for key, data, rest in _elements(bodies):
        expressions = read_attributes(rest)
        one = expressions.get(_EXPRESSION) or read_attributes(expressions.get(_EXPRESSIONS, b"")).get(1, b"")
        numbers = read_attributes(read_attributes(one).get(2, b""))  # NFTA_EXPR_DATA: bytes 1, packets 2
        if len(numbers) >= 2:
            found[Entry(name, key, data)] = Counted(_BE64.unpack(numbers[2])[0], _BE64.unpack(numbers[1])[0])
    return found


def _encoder(name: str, sample: Entry, *, deletes: bool) -> Callable[[Sequence[Entry]], list[bytes]]:
    """Return what makes elements of one set's entries."""
    kind, _ = kind_of(name)
    if kind in INTERVALS:
        return _prefix_elements if kind in PREFIXES else _interval_elements
    if deletes or not sample.data:
        return _keys
    is_verdict = sample.data.split(b" ")[0].decode("latin-1") in _CODES and kind in _VERDICT_MAPS
    return _verdicts if is_verdict else _datas


_VERDICT_MAPS = frozenset({"services", "outside", "nodeports", "outside_nodeports", "remembering"})


def _keys(entries: Sequence[Entry]) -> list[bytes]:
    head = _head(entries[0].key, b"")
    return [head + one.key for one in entries]


def _datas(entries: Sequence[Entry]) -> list[bytes]:
    size, pad = len(entries[0].data), bytes(-len(entries[0].data) & 3)
    middle = _ATTRIBUTE.pack(8 + size, NFTA_DATA | NESTED) + _ATTRIBUTE.pack(4 + size, NFTA_DATA_VALUE)
    head = _head(entries[0].key, middle + entries[0].data + pad)
    if pad:
        return [head + one.key + middle + one.data + pad for one in entries]
    return [head + one.key + middle + one.data for one in entries]


def _verdicts(entries: Sequence[Entry]) -> list[bytes]:
    written: dict[bytes, tuple[bytes, bytes]] = {}
    for one in entries:
        if one.data not in written:
            tail = nested(NFTA_DATA, nested(_VERDICT, *_verdict(one.data)))
            written[one.data] = _head(one.key, tail), tail
    return [head + one.key + tail for one in entries for head, tail in (written[one.data],)]


def _verdict(data: bytes) -> list[bytes]:
    action, _, chain = data.partition(b" ")
    code = attribute(_CODE, _BE32.pack(_CODES[action.decode()]))
    return [code, attribute(_CHAIN, chain + b"\0")] if chain else [code]


def _interval_elements(entries: Sequence[Entry]) -> list[bytes]:
    half = len(entries[0].key) // 2
    return [
        _element(one.key[:half], nested(NFTA_KEY_END, attribute(NFTA_DATA_VALUE, one.key[half:])))
        for one in entries
    ]


def _prefix_elements(entries: Sequence[Entry]) -> list[bytes]:
    """Return a start and an end for each, the end being the first outside; behind the last of all is none."""
    found = []
    for one in entries:
        half = len(one.key) // 2
        found.append(_element(one.key[:half]))
        if (end := int.from_bytes(one.key[half:], "big") + 1) >> 8 * half == 0:
            found.append(_element(end.to_bytes(half, "big"), _INTERVAL_END))
    return found


def _element(key: bytes, rest: bytes = b"") -> bytes:
    return _head(key, rest) + key + rest


def _head(key: bytes, rest: bytes) -> bytes:
    """Return what stands before an element's key, which is a whole number of four bytes."""
    size = len(key)
    return (
        _ATTRIBUTE.pack(12 + size + len(rest), NFTA_LIST_ELEM | NESTED)
        + _ATTRIBUTE.pack(8 + size, NFTA_KEY | NESTED)
        + _ATTRIBUTE.pack(4 + size, NFTA_DATA_VALUE)
    )


def _elements(bodies: Iterable[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield (key, data, other attributes) of each element; an interval's end belongs to its key."""
    unpack = _ATTRIBUTE.unpack_from
    verdicts: dict[bytes, bytes] = {}
    for body in bodies:
        blob = read_attributes(body, NFGEN.size).get(NFTA_ELEMENTS, b"")
        offset = 0
        while offset + 12 <= len(blob):
            end = offset + unpack(blob, offset)[0]
            at = offset + 4 + unpack(blob, offset + 4)[0]  # keys are whole numbers of four bytes
            key, data = blob[offset + 12 : at], b""
            while at + 4 <= end:
                size, kind = unpack(blob, at)
                kind &= TYPE_MASK
                if kind == NFTA_KEY_END:
                    key += blob[at + 8 : at + size]
                elif kind == NFTA_DATA:
                    data = blob[at + 8 : at + 4 + unpack(blob, at + 4)[0]]
                    if unpack(blob, at + 4)[1] & TYPE_MASK == _VERDICT:
                        data = verdicts.get(data) or verdicts.setdefault(data, _read_verdict(data))
                else:
                    break
                at += (size + 3) & ~3
            yield key, data, blob[at:end]
            offset = (end + 3) & ~3


def _read_verdict(data: bytes) -> bytes:
    found = read_attributes(data)
    action = _ACTIONS.get(_BE32.unpack(found[_CODE])[0], "?").encode()
    return b" ".join(filter(None, (action, found.get(_CHAIN, b"").rstrip(b"\0"))))


def _read_prefixes(name: str, bodies: Iterable[bytes]) -> list[Entry]:
    """Join starts and ends: an interval ends before the first end behind its start, or nowhere."""
    points = []
    for key, _, rest in _elements(bodies):
        flags = read_attributes(rest).get(_FLAGS)
        points.append((key, 0 if flags is not None and _BE32.unpack(flags)[0] & 1 else 1))
    found, last = [], None
    for key, starts in sorted(points, reverse=True):  # at one point, an end comes before a start
        if not starts:
            last = (int.from_bytes(key, "big") - 1).to_bytes(len(key), "big") if any(key) else None
        else:
            found.append(Entry(name, key + (last or b"\xff" * len(key))))
            last = None
    return found

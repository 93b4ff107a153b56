"""What the rules have learnt of clients, and which of it is stale. Pure.

An entry says: this client, of this service port, goes to that endpoint. Rules renew it with each
connection, and never change where it leads; so when an endpoint has gone, its clients must be forgotten.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from linuxnet.numbers import SCRATCH_ID
from linuxnet.service_entries import Entry

_MARK, _PORT = struct.Struct("=I"), struct.Struct(">H")


class Gone(NamedTuple):
    """An endpoint that a service port, by its number, has no more; without an address: all of its clients."""

    number: int
    address: bytes = b""
    port: int = 0


def stale(found: Mapping[str, Iterable[Entry]], gone: Collection[Gone]) -> list[Entry]:
    """Return the entries that name what has gone, by the names of their maps."""
    doomed = {(_MARK.pack(SCRATCH_ID + one.number), one.address, one.port) for one in gone}

    def is_doomed(mark: bytes, address: bytes, port: bytes) -> bool:
        return (mark, address, _PORT.unpack_from(port)[0] if port else 0) in doomed or (
            mark,
            b"",
            0,
        ) in doomed

    clients4 = [one for one in found["affinity4"] if is_doomed(one.key[4:8], one.data[:4], one.data[4:6])]
    ports = {one.key: one.data for one in found["affinity_ports6"]}
    clients6 = []
    for one in found["affinity6"]:
        port = ports.pop(one.key, b"")
        if is_doomed(one.key[12:16], one.data, port):
            clients6.append(one)
            clients6 += [Entry("affinity_ports6", one.key, port)] if port else []
    return [*clients4, *sorted(clients6)]

"""What nodes ask each other on the tunnels: one UDP packet there, one back. Pure.

    magic "pwov"  1 version  1 kind  2 unused  8 nonce  2 size  2 unused

The nonce is random, so that nobody answers for another; `size` is that of the question's whole IP packet as
it arrived. An answer is never larger than its question.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAGIC, VERSION = b"pwov", 1
QUESTION, ANSWER = 1, 2
_FORM = struct.Struct("!4sBBHQHH")
SIZE = _FORM.size
UDP_HEADER = 8
IP_HEADER = {4: 20, 6: 40}  # bytes, without options


class Probe(NamedTuple):
    """One packet. `size` in bytes of the question's IP packet."""

    kind: int
    nonce: int
    size: int


def dump(probe: Probe, version: int, *, pad: bool = False) -> bytes:
    """Return the payload; `pad` makes the IP packet as large as `size`."""
    head = _FORM.pack(MAGIC, VERSION, probe.kind, 0, probe.nonce, min(probe.size, 65535), 0)
    missing = probe.size - IP_HEADER[version] - UDP_HEADER - SIZE
    return head + bytes(max(0, missing)) if pad else head


def load(payload: bytes) -> Probe | None:
    """Read a payload; None if it is no probe."""
    if len(payload) < SIZE:
        return None
    magic, version, kind, _, nonce, size, _ = _FORM.unpack_from(payload)
    if magic != MAGIC or version != VERSION or kind not in (QUESTION, ANSWER):
        return None
    return Probe(kind, nonce, size)


def packet_size(payload: bytes, version: int) -> int:
    """Return the size of the IP packet that brought a payload."""
    return IP_HEADER[version] + UDP_HEADER + len(payload)

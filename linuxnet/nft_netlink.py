"""Counting rules by nf_tables netlink: what libnftables can only answer by reading every element.

One dump of NFT_MSG_GETRULE for a table, O(its rules), and its rules are static (linux/netfilter/
nf_tables.h, nfnetlink.h).
"""

from __future__ import annotations

import socket
import struct
from collections import Counter

NETLINK_NETFILTER = 12  # linux/netlink.h
NFT_MSG_NEWRULE, NFT_MSG_GETRULE = (10 << 8) | 6, (10 << 8) | 7  # NFNL_SUBSYS_NFTABLES is 10
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NFTA_RULE_TABLE, NFTA_RULE_CHAIN = 1, 2
FAMILIES = {"inet": 1, "bridge": 7}  # NFPROTO_* (linux/netfilter.h)

_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_NFGEN = struct.Struct("=BBH")  # nfgenmsg
_ATTRIBUTE = struct.Struct("=HH")  # nlattr


def count_rules(family: str, table: str) -> Counter[str]:
    """Return how many rules each chain of a table has; empty if there is no such table."""
    name = table.encode() + b"\0"
    attribute = _ATTRIBUTE.pack(4 + len(name), NFTA_RULE_TABLE) + name + b"\0" * (-len(name) & 3)
    body = _NFGEN.pack(FAMILIES[family], 0, 0) + attribute
    request = _HEADER.pack(_HEADER.size + len(body), NFT_MSG_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
    counted: Counter[str] = Counter()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as asked:
        asked.send(request + body)
        while _take(asked.recv(1 << 16), name, counted):
            pass
    return counted


def _take(data: bytes, table: bytes, counted: Counter[str]) -> bool:
    """Count the rules of one datagram; return False after the last."""
    offset = 0
    while offset < len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, offset)
        if kind in (NLMSG_DONE, NLMSG_ERROR):  # an error here: there is no such table
            return False
        attributes = _attributes(data, offset + _HEADER.size + _NFGEN.size, offset + length)
        if kind == NFT_MSG_NEWRULE and attributes.get(NFTA_RULE_TABLE) == table:
            counted[attributes[NFTA_RULE_CHAIN].rstrip(b"\0").decode()] += 1
        offset += (length + 3) & ~3
    return True


def _attributes(data: bytes, start: int, end: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while start + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        found[kind & 0x3FFF] = data[start + _ATTRIBUTE.size : start + length]
        start += (length + 3) & ~3
    return found

"""Queries that are not plain, and wrong ones: what they ask, and what those are told that ask nothing.

Most queries never come here: `answers` knows their form by heart. What a few bytes tell is read here,
anything stranger by dnspython.
"""

from __future__ import annotations

from typing import NamedTuple

from service_proxy.dns.names import LABEL_MAX, NAME_MAX
from service_proxy.dns.wire import (
    EDNS_LIMIT,
    FORMERR,
    HEADER,
    NOTIMP,
    OPT,
    OPT_SIZE,
    PLAIN_LIMIT,
)

QR, OPCODE, RD, CD = 0x80, 0x78, 0x01, 0x10  # bits of the header's bytes 2 and 3
AA = 0x04
DO = 0x80  # of an OPT's byte 7; RFC 3225
BADVERS = 16  # RFC 6891 section 6.1.3: its upper bits are in the OPT


class Query(NamedTuple):
    """A query that can be answered."""

    message: bytes
    question: bytes  # name, type and class, as written
    limit: int  # bytes that the client takes by UDP
    opt: bytes  # what is added to the answer; b"" where the client speaks no EDNS

    @property
    def name(self) -> bytes:
        """The name asked for, in lower case."""
        return self.question[:-4].lower()

    @property
    def type(self) -> int:
        """The type asked for."""
        return int.from_bytes(self.question[-4:-2], "big")

    @property
    def klass(self) -> int:
        """The class asked for."""
        return int.from_bytes(self.question[-2:], "big")


def read(message: bytes) -> Query | bytes:
    """Return what a message asks, or what it is answered at once; b"" is silence.

    Whatever may be an answer itself is never answered: two servers could go on for ever.
    """
    if len(message) < HEADER or message[2] & QR:
        return b""
    if message[2] & OPCODE:
        return bare(message, NOTIMP)
    if message[4:10] != b"\x00\x01\x00\x00\x00\x00":  # one question, no answers, no authority
        return bare(message, FORMERR)
    end = question_end(message)
    if end is None:
        return bare(message, FORMERR)
    rest = message[end:]
    if message[10:12] == b"\x00\x00":
        return bare(message, FORMERR) if rest else Query(message, message[HEADER:end], PLAIN_LIMIT, b"")
    return _with_edns(message, end)


def question_end(message: bytes) -> int | None:
    """Return where the question ends; None if it is none, or its name is longer than one may be."""
    at = HEADER
    while at < len(message) and (size := message[at]):
        at += 1 + size
        if size > LABEL_MAX or at - HEADER >= NAME_MAX:
            return None
    return at + 5 if at + 5 <= len(message) else None


def bare(message: bytes, code: int) -> bytes:
    """Return an error's header: what was asked is not repeated, as it may be none."""
    return message[:2] + bytes((QR | message[2] & (OPCODE | RD), code)) + bytes(8)


def refuse(query: Query, code: int) -> bytes:
    """Return an error with its question and nothing else."""
    flags = bytes((QR | query.message[2] & RD, query.message[3] & CD | code))
    counts = b"\x00\x01\x00\x00\x00\x00" + (b"\x00\x01" if query.opt else b"\x00\x00")
    return query.message[:2] + flags + counts + query.question + query.opt


def answer_opt(theirs: bytes) -> tuple[int, bytes] | None:
    """Return the limit that an OPT without options sets, and our OPT; None if it is not so simple."""
    if len(theirs) != OPT_SIZE or not theirs.startswith(OPT) or theirs[6] or theirs[9:] != b"\x00\x00":
        return None
    return limit_of(int.from_bytes(theirs[3:5], "big")), our_opt(theirs[7] & DO)


def limit_of(size: int) -> int:
    """Return what is sent at most to a client that says it takes `size` bytes."""
    return min(max(size, PLAIN_LIMIT), EDNS_LIMIT)


def our_opt(flags: int, code: int = 0) -> bytes:
    """Return the OPT of our answers: our size, the upper bits of the code, version 0, their DO bit."""
    return OPT + EDNS_LIMIT.to_bytes(2, "big") + bytes((code >> 4, 0, flags, 0, 0, 0))


def _with_edns(message: bytes, end: int) -> Query | bytes:
    question = message[HEADER:end]
    simple = answer_opt(message[end:])
    if simple is not None:
        return Query(message, question, *simple)
    # cookies, padding, TSIG: seldom. Loading it costs every server 10 MB, of which most need nothing
    from dns.exception import DNSException
    from dns.message import from_wire

    try:
        parsed = from_wire(message)
    except (
        DNSException,
        ValueError,
        NotImplementedError,
    ):  # of an unknown algorithm, or a TSIG that we have no key for
        return bare(message, FORMERR)
    if parsed.edns > 0:
        opt = our_opt(parsed.ednsflags >> 8 & DO, BADVERS)
        return refuse(Query(message, question, PLAIN_LIMIT, opt), 0)
    if parsed.edns < 0:
        return Query(message, question, PLAIN_LIMIT, b"")
    return Query(message, question, limit_of(parsed.payload), our_opt(parsed.ednsflags >> 8 & DO))

"""What the server asks for names that are not the zone's.

The server reads a packet, looks into the zone, and hands what is not there to a `Resolver`; what the zone
denies it may offer to a `Searcher` first. Both answer when they can, the server goes on at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

Address = bytes  # 4 bytes or 16, as inet_pton(3) gives them; an IPv4 client of an IPv6 socket has 4
Answer = Callable[[bytes], None]

FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 1, 2, 3, 4, 5  # RFC 1035 section 4.1.1
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010


class Resolver(Protocol):
    """Answers what the zone does not know."""

    def resolve(self, query: bytes, client: Address, is_tcp: bool, answer: Answer) -> None:
        """Have a query answered; `query` has a header and one question, or the answer is FORMERR.

        `answer` is called once, in this thread before the return or in another one later; it must not
        raise or block (what cannot be sent is lost, as datagrams are). An answer is never longer than the
        query allows: 512 bytes or its EDNS size over UDP. Never raises.
        """


@runtime_checkable
class Quick(Protocol):
    """A resolver that knows many answers at once: the server asks before it looks for the name itself."""

    def at_hand(self, query: bytes, is_tcp: bool) -> bytes | None:
        """Return an answer that costs no more than a look-up, None if there is none."""


class Searcher(Protocol):
    """Walks a client's search list for it."""

    def search(self, query: bytes, client: Address, is_tcp: bool, answer: Answer, denial: bytes) -> bool:
        """Take a query over that the zone denies with `denial` (NXDOMAIN); False: it is to be denied.

        After True, `answer` is called as by a Resolver, with `denial` if nothing is found.
        """


def short_answer(query: bytes, end: int, flags: int) -> bytes:
    """Return an answer without records; `end` is where the question ends, `flags` TC or the code."""
    asked = int.from_bytes(query[2:4]) & (RD | CD)
    return query[:2] + (QR | RA | asked | flags).to_bytes(2) + b"\0\1\0\0\0\0\0\0" + query[12:end]


class Refusing:
    """A resolver for a server that answers its zone only."""

    def resolve(self, query: bytes, client: Address, is_tcp: bool, answer: Answer) -> None:
        """Answer REFUSED, without the question."""
        asked = int.from_bytes(query[2:4]) & (RD | CD)
        answer(query[:2] + (QR | asked | REFUSED).to_bytes(2) + bytes(8))

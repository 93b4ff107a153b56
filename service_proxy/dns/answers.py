"""Query bytes -> answer bytes: one look-up for what was asked before, since most of what is asked was.

What is kept are answers for the names and types that the zone has, so that they are no more than it, and
a bounded number of names that it has not: whoever asks at random fills no memory. A service's change drops
its own answers and all denials.
"""

from __future__ import annotations

from collections.abc import Callable

from service_proxy.dns.counting import OTHER, Tally
from service_proxy.dns.findings import AAAA, PTR, SOA, SRV, A, Absence
from service_proxy.dns.lookup import find
from service_proxy.dns.messages import (
    AA,
    CD,
    QR,
    RD,
    Query,
    answer_opt,
    question_end,
    read,
    refuse,
)
from service_proxy.dns.names import IN_ADDR_ARPA, IP6_ARPA
from service_proxy.dns.records import ServiceRecords
from service_proxy.dns.wire import (
    HEADER,
    IN,
    OPT_SIZE,
    PLAIN_LIMIT,
    REFUSED,
    STREAM_LIMIT,
    Prepared,
    Preparer,
    shorten,
)
from service_proxy.dns.zone import Zone
from service_proxy.model import Address

AD = 0x20
TRANSFERS = (251, 252)  # IXFR, AXFR: nobody needs the whole zone, and it is the largest answer there could be
PTR_TYPE = PTR.to_bytes(2, "big")
KEPT_TYPES = (A, AAAA, SRV)
DENIED_MAX = 20_000  # names of 100 bytes: search lists ask for the same ones again and again
OPTS_MAX = 1000  # forms of OPT that are known by heart; clients have a handful

_FIRST = {
    bytes((rd, ad)) + b"\x00\x01\x00\x00\x00\x00": bytes((QR | AA | rd,)) for rd in (0, RD) for ad in (0, AD)
}
PLAIN = {
    head + b"\x00\x00": first for head, first in _FIRST.items()
}  # header bytes 2 to 11 -> answer's byte 2
EDNS = {head + b"\x00\x01": first for head, first in _FIRST.items()}


AtHand = Callable[[bytes, bool], bytes | None]


def nothing_at_hand(query: bytes, is_tcp: bool) -> bytes | None:
    """Stand for a resolver that keeps nothing."""
    return None


class Answers:
    """The answers of one zone. One thread asks and changes it."""

    def __init__(self, zone: Zone, serial: int) -> None:
        self.zone = zone
        self.preparer = Preparer(zone, serial)
        self.is_complete = False  # everything there is was told once
        self.at_hand: AtHand = nothing_at_hand  # what others have said lately
        self._offered: Prepared | None = None  # the denial, where a searcher is to see it first
        self._prepared: dict[bytes, Prepared] = {}
        self._owned: dict[bytes, list[bytes]] = {}  # service -> questions whose answers it decides
        self._reverse: dict[Address, bytes] = {}  # -> the question that was asked for it
        self._denied: dict[bytes, Prepared] = {}  # all of the same answer; forgotten at any change
        self._opts: dict[bytes, tuple[int, bytes]] = {}

    def replace_service(self, key: bytes, records: ServiceRecords | None) -> None:
        """Take what is now said of a service; None: it is gone."""
        self.forget_denials()
        touched = self.zone.replace_service(key, records)
        for question in self._owned.pop(key, ()):
            self._prepared.pop(question, None)
        if self._reverse:
            for address in touched & self._reverse.keys():
                self._prepared.pop(self._reverse.pop(address), None)

    def forget_denials(self) -> None:
        """Look anew for what was not there; to be called after the zone has got anything else."""
        self._denied.clear()

    def offer_denials(self) -> None:
        """Leave denials to somebody else, who asks for them once more with `is_final`."""
        self._offered = self.preparer.no_name

    def answer(
        self, message: bytes, tally: Tally, *, is_stream: bool = False, is_final: bool = False
    ) -> bytes | None:
        """Return the answer; b"" is silence, None is for others, or for later."""
        opt = b""
        limit = PLAIN_LIMIT
        first = PLAIN.get(message[2:HEADER])
        if first is not None:
            question = message[HEADER:]
        else:
            first = EDNS.get(message[2:HEADER])
            known = self._opts.get(message[-OPT_SIZE:]) or self._learn_opt(message[-OPT_SIZE:])
            if first is None or known is None:
                return self._unusual(message, tally, is_stream=is_stream, is_final=is_final)
            question = message[HEADER:-OPT_SIZE]
            limit, opt = known
        prepared = self._prepared.get(question)
        if prepared is None:
            lower = question.lower()
            prepared = self._known(lower)
            if prepared is None and lower[-4:-2] != PTR_TYPE:  # a reverse name may be ours since a moment
                reply = self.at_hand(message, is_stream)
                if reply is not None:
                    return _count_foreign(reply, lower, tally)
            prepared = prepared or self._look(message, lower)
            if prepared is None:
                return self._unusual(message, tally, is_stream=is_stream, is_final=is_final)
        if prepared is self._offered and not is_final:
            return None
        counts, edns_counts, tail, changing, turn = prepared
        if changing is not None:
            tail = changing(question)
        tally.types[OTHER if question[-4] else question[-3]] += 1
        tally.codes[counts[0]] += 1
        reply = message[:2] + first + (edns_counts if opt else counts) + question + tail + opt
        if len(reply) > limit and not is_stream:
            return shorten(reply, len(question), limit, turn, opt)
        return reply

    def render(self, query: Query, prepared: Prepared, *, is_stream: bool) -> bytes:
        """Return an answer's bytes for a query of any form."""
        message, question = query.message, query.question
        tail = prepared.changing(question) if prepared.changing is not None else prepared.tail
        counts = prepared.edns_counts if query.opt else prepared.counts
        flags = bytes((QR | AA | message[2] & RD, message[3] & CD | counts[0]))
        reply = message[:2] + flags + counts[1:] + question + tail + query.opt
        if len(reply) > (STREAM_LIMIT if is_stream else query.limit):
            return shorten(reply, len(question), query.limit, prepared.turn, query.opt)
        return reply

    def is_ours(self, name: bytes) -> bool:
        """Tell whether a name may be found here; a reverse name may be, and others may know of it too."""
        return name.endswith((self.zone.origin, IN_ADDR_ARPA, IP6_ARPA))

    def _learn_opt(self, theirs: bytes) -> tuple[int, bytes] | None:
        simple = answer_opt(theirs)
        if simple is not None and len(self._opts) < OPTS_MAX:
            self._opts[theirs] = simple
        return simple

    def _known(self, question: bytes) -> Prepared | None:
        return self._prepared.get(question) or self._denied.get(question)

    def _look(self, message: bytes, question: bytes) -> Prepared | None:
        """Find what nobody has asked for yet, or what is not there; None if it is not plain or not ours."""
        if question[-2:] != IN or question_end(message) != HEADER + len(question):
            return None
        at = HEADER + len(question) - 4
        return self._find(question[:-4], int.from_bytes(message[at : at + 2], "big"), question)

    def _find(self, name: bytes, kind: int, question: bytes) -> Prepared | None:
        if not self.is_complete or kind in TRANSFERS:
            return None
        if kind == SOA and name == self.zone.origin:
            return self.preparer.start_of_authority()
        found = find(self.zone, name, kind)
        if isinstance(found, Absence):
            return self._deny(question) if found is Absence.NO_NAME else None
        if found.beyond:
            return None
        prepared = self.preparer.prepare(found)
        if found.owner and kind in KEPT_TYPES:
            self._prepared[question] = prepared
            self._owned.setdefault(found.owner, []).append(question)
        elif found.address and kind == PTR:
            self._prepared[question] = prepared
            self._reverse[found.address] = question
        return prepared

    def _deny(self, question: bytes) -> Prepared:
        if len(self._denied) >= DENIED_MAX:
            self._denied.clear()
        self._denied[question] = self.preparer.no_name
        return self.preparer.no_name

    def _unusual(self, message: bytes, tally: Tally, *, is_stream: bool, is_final: bool) -> bytes | None:
        query = read(message)
        if isinstance(query, bytes):
            if query:
                tally.foreign_codes[query[3] & 0x0F] += 1
            return query
        if query.klass != 1 or query.type in TRANSFERS:
            return self._count(refuse(query, REFUSED), query, tally)
        question = query.question.lower()
        prepared = self._known(question) or self._find(query.name, query.type, question)
        if prepared is None or (prepared is self._offered and not is_final):
            return None
        return self._count(self.render(query, prepared, is_stream=is_stream), query, tally)

    @staticmethod
    def _count(reply: bytes, query: Query, tally: Tally) -> bytes:
        tally.types[query.type if query.type < 256 else OTHER] += 1
        tally.codes[reply[3] & 0x0F] += 1
        return reply


def _count_foreign(reply: bytes, question: bytes, tally: Tally) -> bytes:
    tally.foreign_types[OTHER if question[-4] else question[-3]] += 1
    tally.foreign_codes[reply[3] & 0x0F] += 1
    return reply

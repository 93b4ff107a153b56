"""What is at a name -> an answer's bytes, but for the few that are the query's own (RFC 1035 section 4).

An answer is prepared once and given often. What a query adds: its id, its RD bit, and its question as it
was written, upper case and all; every record that belongs to the question points at it (0xc00c).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from service_proxy.dns.findings import SOA, Absence, Found, Record
from service_proxy.dns.zone import Zone

HEADER = 12  # bytes
PLAIN_LIMIT = 512  # bytes of a UDP message where nothing else is said; RFC 1035 section 2.3.4
EDNS_LIMIT = 1232  # bytes that pass everywhere without fragments; dnsflagday.net/2020
STREAM_LIMIT = 65535  # bytes; the length before a message has 16 bits
ANSWERS_MAX = STREAM_LIMIT - 12 - 259 - 11  # bytes: less the header, the longest question, an OPT
TO_QUESTION = b"\xc0\x0c"
IN = b"\x00\x01"
OPT = b"\x00\x00\x29"  # root, type 41; RFC 6891 section 6.1.2
OPT_SIZE = 11  # bytes of one without options
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
SOA_TIMES = (7200, 1800, 86400)  # refresh, retry, expire: CoreDNS'. Nobody transfers the zone


class Turn(NamedTuple):
    """Records of one size that take turns: all of them twice, so that each order is a slice."""

    twice: bytes
    step: int  # bytes of a record
    number: int
    after: bytes = b""  # those that do not take part


class Prepared(NamedTuple):
    """An answer. The record counts are here twice: with and without the OPT that EDNS adds."""

    counts: bytes  # the header's bytes 3 to 11: the response code and the four counts
    edns_counts: bytes
    tail: bytes  # the records
    changing: Callable[[bytes], bytes] | None = None  # question -> tail, where that is not always the same
    turn: Turn | None = None


def counts_of(code: int, answers: int = 0, authority: int = 0, extra: int = 0) -> bytes:
    """Return the header's bytes 3 to 11, for one question."""
    numbers = (1, answers, authority, extra)
    return bytes((code,)) + b"".join(one.to_bytes(2, "big") for one in numbers)


def prepare_records(answers: bytes, number: int, extra: bytes = b"", extra_number: int = 0) -> Prepared:
    """Prepare an answer that is always the same."""
    return Prepared(
        counts_of(NOERROR, number, 0, extra_number),
        counts_of(NOERROR, number, 0, extra_number + 1),
        answers + extra,
    )


def prepare_empty(code: int, tail: Callable[[bytes], bytes]) -> Prepared:
    """Prepare an answer without answers; `tail` makes its SOA for a question."""
    return Prepared(counts_of(code, 0, 1), counts_of(code, 0, 1, 1), b"", tail)


class Preparer:
    """Makes answers for one zone."""

    def __init__(self, zone: Zone, serial: int) -> None:
        self._ttl = zone.options.ttl
        self._origin = zone.origin
        self._serial = serial  # seconds since 1970, as CoreDNS has it
        self.no_data = prepare_empty(NOERROR, self.negative_tail)
        self.no_name = prepare_empty(NXDOMAIN, self.negative_tail)
        self._tails: dict[int, bytes] = {}  # by the question's length; 255 at most

    def prepare(self, found: Found | Absence) -> Prepared:
        """Prepare what is at a name."""
        if isinstance(found, Absence):
            return self.no_name
        if not found.answers:
            return self.no_data if not found.address else self._no_data_here
        is_plain = all(not one.owner for one in found.answers) and not found.extra
        if len(found.answers) > 1 and is_plain and found.answers[0].type in (1, 28):
            return self._turning(found)
        answers, number = self._fitting(found.answers, ANSWERS_MAX)
        return prepare_records(answers, number, *self._fitting(found.extra, ANSWERS_MAX - len(answers)))

    def start_of_authority(self) -> Prepared:
        """Prepare the zone's SOA, asked for itself."""
        return prepare_records(self._record(Record(SOA, self._authority())), 1)

    def negative_tail(self, question: bytes) -> bytes:
        """Return the SOA of an answer that has nothing (RFC 2308 section 3), for a question of our zone."""
        tail = self._tails.get(len(question))
        if tail is None:
            at = HEADER + len(question) - 4 - len(self._origin)
            tail = self._record(Record(SOA, self._authority()), (0xC000 | at).to_bytes(2, "big"))
            self._tails[len(question)] = tail
        return tail

    @property
    def _no_data_here(self) -> Prepared:
        """A reverse name's: it has a zone of its own, as far as anybody is told."""
        tail = self._record(Record(SOA, self._authority()))
        return prepare_empty(NOERROR, lambda _: tail)

    def _turning(self, found: Found) -> Prepared:
        records = [self._record(one) for one in found.answers]
        del records[ANSWERS_MAX // len(records[0]) :]
        near = min(found.near or len(records), len(records))
        turn = Turn(b"".join(records[:near] * 2), len(records[0]), near, b"".join(records[near:]))
        counts = counts_of(NOERROR, len(records)), counts_of(NOERROR, len(records), 0, 1)
        return Prepared(*counts, b"".join(records), _turner(turn), turn)

    def _authority(self) -> bytes:
        times = (self._serial, *SOA_TIMES, self._ttl)
        names = b"\x02ns\x03dns" + self._origin + b"\x0ahostmaster" + self._origin
        return names + b"".join(one.to_bytes(4, "big") for one in times)

    def _fitting(self, records: Iterable[Record], room: int) -> tuple[bytes, int]:
        parts: list[bytes] = []
        for one in records:
            part = self._record(one)
            room -= len(part)
            if room < 0:
                break
            parts.append(part)
        return b"".join(parts), len(parts)

    def _record(self, one: Record, owner: bytes = TO_QUESTION) -> bytes:
        ttl = self._ttl if one.ttl is None else one.ttl
        head = one.type.to_bytes(2, "big") + IN + ttl.to_bytes(4, "big") + len(one.data).to_bytes(2, "big")
        return (one.owner or owner) + head + one.data


def _turner(turn: Turn) -> Callable[[bytes], bytes]:
    twice, step, size, after = turn.twice, turn.step, turn.step * turn.number, turn.after
    at = 0

    def tail(_: bytes) -> bytes:
        nonlocal at
        at = at + step if at + step < size else 0
        return twice[at : at + size] + after

    return tail


def shorten(reply: bytes, question_size: int, limit: int, turn: Turn | None, opt: bytes) -> bytes:
    """Cut an answer to what may be sent, with the TC bit: whoever wants all of it asks again by TCP.

    As many addresses stay as fit: old musl knows no TCP, and some of many is all that it needs.
    """
    head = HEADER + question_size
    kept = (limit - head - len(opt)) // turn.step if turn is not None else 0
    size = kept * turn.step if turn is not None else 0
    flags = bytes((reply[2] | 0x02,)) + reply[3:4]
    counts = counts_of(0, kept, 0, 1 if opt else 0)[1:]
    return reply[:2] + flags + counts + reply[HEADER : head + size] + opt

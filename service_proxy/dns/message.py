"""Questions and answers, read where they lie, in wire form (RFC 1035 section 4, RFC 6891).

An answer keeps its bytes but for three things: the question, which each client has in its own letter case;
the OPT record, which is between neighbours only; and the TTLs, whose places are noted. The question is at
offset 12 and as long as the client's, so that pointers into it stay right.
"""

from __future__ import annotations

from typing import NamedTuple

from service_proxy.dns.body import Body, fitting
from service_proxy.dns.resolver import AD, CD, QR, RA, RD, TC, short_answer

HEADER = 12
PLAIN_SIZE = 512  # bytes; an answer over UDP to a query without EDNS (RFC 1035 section 4.2.1)
LARGEST_UDP = 1232  # bytes; not fragmented on any path (DNS flag day 2020; CoreDNS's bufsize)
NAME_LIMIT = 255
QUERY_RECORDS = 4  # in a query's additional section: OPT, perhaps a signature
NO_RECORDS = bytes(6)
SOA, OPT, ANY = 6, 41, 255
CLIENT_SUBNET = 8  # EDNS option of RFC 7871: the one that belongs to the question
OPT_DO = 0x8000
OPT_HEAD = b"\0\0\x29"


class Malformed(ValueError):
    """A message that is none."""


class Question(NamedTuple):
    """What a client asks. `wire`: name, type and class as it wrote them."""

    wire: bytes
    key: bytes  # in lower case, with what else an answer depends on
    flags: int  # RD, AD and CD, as asked
    type: int
    size: int  # bytes of an answer over UDP at most
    has_edns: bool
    has_do: bool
    subnet: bytes  # the option of RFC 7871 whole, b"" without

    @property
    def name(self) -> bytes:
        """Return the name in wire form, lower case."""
        return self.wire[:-4].lower()


def name_end(message: bytes, at: int, *, may_point: bool = True) -> int:
    """Return where a name ends. Raises Malformed: too long, without an end, a pointer that is not back."""
    start = at
    try:
        while length := message[at]:
            if length >= 0xC0 and may_point:
                if ((length & 0x3F) << 8 | message[at + 1]) >= start:
                    raise Malformed("a pointer that does not lead back")
                return at + 2
            if length > 63:
                raise Malformed("a label type that nobody uses")
            at += length + 1
    except IndexError:
        raise Malformed("a name without an end") from None
    if at - start >= NAME_LIMIT:
        raise Malformed("a name of more than 255 bytes")
    return at + 1


def question_end(message: bytes) -> int:
    """Return where the only question of a message ends. Raises Malformed."""
    if len(message) < HEADER or message[4:6] != b"\0\1":
        raise Malformed("not one question")
    end = name_end(message, HEADER, may_point=False) + 4
    if end > len(message):
        raise Malformed("a question without an end")
    return end


def read_question(query: bytes) -> Question:
    """Read a query. Raises Malformed."""
    end = question_end(query)
    wire = query[HEADER:end]
    flags = int.from_bytes(query[2:4]) & (RD | AD | CD)
    size, has_edns, has_do, subnet = PLAIN_SIZE, False, False, b""
    if query[6:12] != NO_RECORDS and (edns := _opt(query, end)):
        size, ttl, options = edns
        has_edns, has_do, subnet = True, bool(ttl & OPT_DO), _subnet(options)
    key = wire[:-4].lower() + wire[-4:] + bytes((has_do | (flags & CD),)) + subnet
    kind = int.from_bytes(wire[-4:-2])
    return Question(wire, key, flags, kind, max(PLAIN_SIZE, size), has_edns, has_do, subnet)


def _opt(query: bytes, end: int) -> tuple[int, int, bytes] | None:
    """Return size, TTL field and options of a query's OPT record."""
    additional = int.from_bytes(query[10:12])
    if query[6:10] != b"\0\0\0\0" or additional > QUERY_RECORDS:
        raise Malformed("a query with answers")
    for _ in range(additional):
        kind, cls, ttl, at, end = read_record(query, end)
        if kind == OPT:
            return cls, ttl, query[at:end]
    return None


def _subnet(options: bytes) -> bytes:
    at = 0
    while at + 4 <= len(options):
        length = 4 + int.from_bytes(options[at + 2 : at + 4])
        if int.from_bytes(options[at : at + 2]) == CLIENT_SUBNET:
            return options[at : at + length]
        at += length
    return b""


def read_record(message: bytes, at: int) -> tuple[int, int, int, int, int]:
    """Return type, class, TTL, and where the data of the record at `at` begin and end."""
    at = name_end(message, at) + 10
    if at > len(message):
        raise Malformed("a record without an end")
    end = at + int.from_bytes(message[at - 2 : at])
    if end > len(message):
        raise Malformed("data without an end")
    kind, cls = int.from_bytes(message[at - 10 : at - 8]), int.from_bytes(message[at - 8 : at - 6])
    return kind, cls, int.from_bytes(message[at - 6 : at - 2]), at, end


def read_answer(message: bytes) -> Body:
    """Read an answer whose question was compared already. What follows its OPT record is left out.

    Raises Malformed; also for an extended code (RFC 6891 section 6.1.3), which no client understands here.
    """
    start = at = question_end(message)
    ttls: list[tuple[int, int]] = []
    counts, minimum = [0, 0, 0], -1
    for section in range(3):
        for _ in range(int.from_bytes(message[6 + 2 * section : 8 + 2 * section])):
            kind, _, ttl, data, end = read_record(message, at)
            if kind == OPT:
                if ttl >> 24:
                    raise Malformed("an extended code")
                return _body(message, start, at, counts, ttls, minimum)
            ttl = 0 if ttl >> 31 else ttl  # RFC 2181 section 8
            if kind == SOA and section == 1 and end - data >= 20:
                minimum = min(ttl, int.from_bytes(message[end - 4 : end]))
            ttls.append((data - 6 - start, ttl))
            counts[section] += 1
            at = end
    return _body(message, start, at, counts, ttls, minimum)


def _body(
    message: bytes, start: int, end: int, counts: list[int], ttls: list[tuple[int, int]], minimum: int
) -> Body:
    flags = int.from_bytes(message[2:4]) & (AD | 15)
    answers, authority, additional = counts
    return Body(flags, (answers, authority, additional), message[start:end], tuple(ttls), minimum)


def compose(query_id: bytes, question: Question, body: Body, records: bytes, limit: int) -> bytes:
    """Return a client's answer, at most `limit` bytes: if it would be more, TC and what fits."""
    flags = QR | RA | (question.flags & (RD | CD)) | body.flags
    if not (question.has_do or question.flags & AD):  # who did not ask would not know it (RFC 6840, 5.7)
        flags &= ~AD
    edns = opt_record(LARGEST_UDP, question.has_do) if question.has_edns else b""
    answers, authority, additional = body.counts
    if HEADER + len(question.wire) + len(records) + len(edns) > limit:
        answers, records = fitting(body, records, limit - HEADER - len(question.wire) - len(edns))
        authority, additional, flags = 0, 0, flags | TC
    counts = b"\0\1%c%c%c%c%c%c" % (
        *divmod(answers, 256), *divmod(authority, 256), *divmod(additional + bool(edns), 256),
    )  # fmt: skip
    return query_id + flags.to_bytes(2) + counts + question.wire + records + edns


def short(query_id: bytes, question: Question, flags: int) -> bytes:
    """Return an answer without records, with OPT if the client knows EDNS; `flags` TC or the code."""
    query = query_id + question.flags.to_bytes(2) + b"\0\1\0\0\0\0\0\0" + question.wire
    answer = short_answer(query, len(query), flags)
    if not question.has_edns:
        return answer
    return answer[:11] + b"\1" + answer[12:] + opt_record(LARGEST_UDP, question.has_do)


def opt_record(size: int, has_do: bool, options: bytes = b"") -> bytes:
    """Return an OPT record that allows `size` bytes over UDP."""
    ttl = OPT_DO if has_do else 0
    return OPT_HEAD + size.to_bytes(2) + ttl.to_bytes(4) + len(options).to_bytes(2) + options


def question_to_upstream(query_id: bytes, question: Question, has_edns: bool) -> bytes:
    """Return the query that asks an upstream: recursion wanted, EDNS of our own, the client's subnet kept."""
    flags = RD | (question.flags & (AD | CD))
    if not has_edns:
        return query_id + flags.to_bytes(2) + b"\0\1\0\0\0\0\0\0" + question.wire
    opt = opt_record(LARGEST_UDP, question.has_do, question.subnet)
    return query_id + flags.to_bytes(2) + b"\0\1\0\0\0\0\0\1" + question.wire + opt


def is_answer_to(message: bytes, query: bytes) -> bool:
    """Tell whether a message answers a query: id, QR, opcode, and the question in any letter case."""
    if len(message) < HEADER or message[:2] != query[:2] or message[2] & 0xF8 != QR >> 8:
        return False
    try:
        end = question_end(query)
    except Malformed:
        return False
    same_name = message[HEADER : end - 4].lower() == query[HEADER : end - 4].lower()
    return message[4:6] == b"\0\1" and same_name and message[end - 4 : end] == query[end - 4 : end]


def wire_name(name: str) -> bytes:
    """Return a domain name in wire form, lower case. Raises Malformed."""
    labels = [label.encode("ascii", "replace").lower() for label in name.rstrip(".").split(".") if label]
    if any(len(label) > 63 for label in labels) or sum(len(label) + 1 for label in labels) >= NAME_LIMIT:
        raise Malformed(f"{name[:80]}: not a domain name")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def is_name(text: str) -> bool:
    """Tell whether a text is a domain name."""
    try:
        wire_name(text)
    except Malformed:
        return False
    return True

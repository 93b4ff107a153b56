"""What others say of one name, told under another: an alias, and their records after it.

Names in an answer point into that answer. Here each is spelled out once and pointed at afterwards, so that
it can stand elsewhere. Only what a stub resolver reads is taken: addresses, aliases, and the SOA of a "no".
"""

from __future__ import annotations

from service_proxy.dns.body import Body
from service_proxy.dns.message import HEADER, OPT, SOA, Malformed, Question, question_end, read_record

A, CNAME, AAAA = 1, 5, 28
TO_QUESTION = b"\xc0\x0c"
POINTABLE = 0x3FFF  # offsets that a pointer can name
HOPS = 128  # pointers in one name; 127 labels at most
NO_TTL = 30  # seconds; an alias to nothing that has a TTL


class _Writer:
    """The records of an answer that begins with a question of `size` bytes."""

    def __init__(self, size: int) -> None:
        self._start = HEADER + size
        self._known: dict[bytes, bytes] = {}
        self.records = bytearray()
        self.ttls: list[tuple[int, int]] = []

    def name(self, name: bytes, at: int) -> bytes:
        """Return a name as it is to stand at an offset of the records."""
        known = self._known.get(name.lower())
        if known is not None:
            return known
        if self._start + at <= POINTABLE:
            self._known[name.lower()] = (0xC000 | self._start + at).to_bytes(2)
        return name

    def add(self, owner: bytes, kind: int, ttl: int, data: bytes) -> None:
        """Add a record; `owner` as it is to stand there."""
        self.records += owner + kind.to_bytes(2) + b"\0\1"
        self.ttls.append((len(self.records), ttl))
        self.records += ttl.to_bytes(4) + len(data).to_bytes(2) + data


def under_alias(question: Question, target: bytes, reply: bytes) -> Body:
    """Return the answer to `question`: that it is an alias of `target`, and what `reply` says of that.

    Raises Malformed.
    """
    answers, authority = _taken(reply)
    ttl = min((one[2] for one in (*answers, *authority)), default=NO_TTL)
    writer = _Writer(len(question.wire))
    start = 2 + 10  # the alias' data: after a pointer and a record's head
    writer.add(TO_QUESTION, CNAME, ttl, writer.name(target, start))
    minimum = -1
    for owner, kind, ttl, data in answers:
        shown = writer.name(owner, len(writer.records))
        if kind == CNAME:
            data = writer.name(data, len(writer.records) + len(shown) + 10)
        writer.add(shown, kind, ttl, data)
    for owner, kind, ttl, data in authority:
        minimum = min(ttl, int.from_bytes(data[-4:]))
        writer.add(writer.name(owner, len(writer.records)), kind, ttl, data)
    counts = (1 + len(answers), len(authority), 0)
    return Body(reply[3] & 15, counts, bytes(writer.records), tuple(writer.ttls), minimum)


_Taken = list[tuple[bytes, int, int, bytes]]  # owner, type, TTL, data


def _taken(reply: bytes) -> tuple[_Taken, _Taken]:
    """Return the records that are taken of the answer and of the authority section, names spelled out."""
    at = question_end(reply)
    sections: tuple[_Taken, _Taken] = [], []
    for section, wanted in enumerate(((A, AAAA, CNAME), (SOA,))):
        for _ in range(int.from_bytes(reply[6 + 2 * section : 8 + 2 * section])):
            kind, _, ttl, start, end = read_record(reply, at)
            if kind in wanted and kind != OPT:
                owner = spelled(reply, at)[0]
                sections[section].append((owner, kind, ttl, _data(reply, kind, start, end)))
            at = end
    return sections


def _data(reply: bytes, kind: int, start: int, end: int) -> bytes:
    if kind == CNAME:
        return spelled(reply, start)[0]
    if kind == SOA:
        server, at = spelled(reply, start)
        mailbox, at = spelled(reply, at)
        if at + 20 > end:
            raise Malformed("an SOA without its numbers")
        return server + mailbox + reply[at : at + 20]
    return reply[start:end]


def spelled(message: bytes, at: int) -> tuple[bytes, int]:
    """Return a name without pointers, and where it ends in the message. Raises Malformed."""
    labels: list[bytes] = []
    after = 0
    try:
        for _ in range(HOPS):
            length = message[at]
            if length >= 0xC0:
                after = after or at + 2
                at = (length & 0x3F) << 8 | message[at + 1]
                continue
            labels.append(message[at : at + 1 + length])
            at += 1 + length
            if not length:
                break
        else:
            raise Malformed("a name that leads in circles")
    except IndexError:
        raise Malformed("a name without an end") from None
    name = b"".join(labels)
    if len(name) > 255:
        raise Malformed("a name of more than 255 bytes")
    return name, after or at

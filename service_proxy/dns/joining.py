"""An alias of ours and what others say of its end, in one answer.

Seldom and slow against the rest: names in a foreign answer are compressed against that answer, so that it
is read and written by dnspython.
"""

from __future__ import annotations

from service_proxy.dns.messages import Query, refuse
from service_proxy.dns.wire import IN, SERVFAIL, STREAM_LIMIT


def alias_query(query: Query, target: bytes) -> bytes:
    """Return the query that asks for an alias' end what was asked for the alias."""
    head = query.message[:2] + b"\x01\x00\x00\x01\x00\x00\x00\x00"
    question = target + query.question[-4:-2] + IN
    return head + (b"\x00\x01" if query.opt else b"\x00\x00") + question + query.opt


def join(query: Query, chain: bytes, reply: bytes, *, is_stream: bool) -> bytes:
    """Return the answer to `query`: the aliases in `chain` (an answer of ours), then what `reply` has."""
    from dns.exception import DNSException, TooBig
    from dns.flags import RA, TC
    from dns.message import from_wire

    try:
        ours, theirs = from_wire(chain), from_wire(reply, ignore_trailing=True)
        ours.set_rcode(theirs.rcode())
        ours.flags |= theirs.flags & (RA | TC)
        ours.answer += theirs.answer
        ours.authority += theirs.authority
        try:
            return ours.to_wire(max_size=STREAM_LIMIT if is_stream else query.limit)
        except TooBig:
            ours.flags |= TC
            ours.answer, ours.authority = [], []
            return ours.to_wire()
    except (DNSException, ValueError):  # a hostile upstream's
        return refuse(query, SERVFAIL)

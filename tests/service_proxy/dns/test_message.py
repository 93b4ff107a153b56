"""Messages read where they lie: whatever comes, it is read or it is malformed."""

from __future__ import annotations

import random

import dns.message
import dns.rrset
import pytest

from service_proxy.dns.body import find_run, with_ttls
from service_proxy.dns.message import (
    Malformed,
    compose,
    is_answer_to,
    read_answer,
    read_question,
    wire_name,
)
from tests.service_proxy.dns.faulty_server import records

QUERY = dns.message.make_query("www.Example.com", "A", use_edns=0, want_dnssec=True)


def rich() -> bytes:
    """Return an answer with all sections, aliases and EDNS."""
    answer = records(QUERY, "real.example.com.", kind="CNAME")
    answer.answer.append(dns.rrset.from_text("real.example.com.", 60, "IN", "A", "192.0.2.1", "192.0.2.2"))
    answer.authority.append(dns.rrset.from_text("example.com.", 60, "IN", "NS", "ns.example.com."))
    answer.additional.append(dns.rrset.from_text("ns.example.com.", 60, "IN", "A", "192.0.2.53"))
    return answer.to_wire()


def mutations(good: bytes, number: int, seed: int) -> list[bytes]:
    """Return messages that are nearly good."""
    dice = random.Random(seed)
    found = []
    for _ in range(number):
        wire = bytearray(good)
        for _ in range(dice.randrange(1, 6)):
            wire[dice.randrange(len(wire))] = dice.choice((0, 0xC0, 0xFF, dice.randrange(256)))
        found.append(bytes(wire[: dice.randrange(len(wire) + 1)] if dice.random() < 0.3 else wire))
    return found


def test_a_query_says_what_dnspython_says_of_it() -> None:
    question = read_question(QUERY.to_wire())
    assert question.name == b"\3www\7example\3com\0" and question.wire.startswith(b"\3www\7Example")
    assert (question.type, question.size, question.has_edns, question.has_do) == (
        1,
        QUERY.payload,
        True,
        True,
    )


def test_an_answer_is_composed_as_it_came() -> None:
    body = read_answer(rich())
    question = read_question(QUERY.to_wire())
    composed = dns.message.from_wire(compose(QUERY.to_wire()[:2], question, body, body.records, 1232))
    came = dns.message.from_wire(rich())
    assert [composed.answer, composed.authority, composed.additional] == [
        came.answer, came.authority, came.additional,
    ]  # fmt: skip
    assert composed.edns == 0 and QUERY.is_response(composed)


def test_hostile_answers_are_read_or_malformed_and_never_grow() -> None:
    question = read_question(QUERY.to_wire())
    read = 0
    for wire in mutations(rich(), 20_000, seed=1):
        is_answer_to(wire, QUERY.to_wire())
        try:
            body = read_answer(wire)
        except Malformed:
            continue
        read += 1
        find_run(body)
        records_of_now = with_ttls(body, tuple(1 for _ in body.ttls))
        assert len(records_of_now) == len(body.records) <= len(wire)
        for limit in (512, 80):
            assert len(compose(b"ab", question, body, records_of_now, limit)) <= limit
    assert 1000 < read < 19_000


def test_hostile_queries_are_read_or_malformed() -> None:
    read = 0
    for wire in mutations(QUERY.to_wire(), 20_000, seed=2):
        try:
            question = read_question(wire)
        except Malformed:
            continue
        read += 1
        assert 512 <= question.size <= 65535 and question.wire in wire
    assert 1000 < read < 19_000


@pytest.mark.parametrize(
    "name",
    [b"\xc0\x0c", b"\x40" + b"x" * 64 + b"\0", b"\3abc", b"\x3f" + b"x" * 62, (b"\1x" * 128) + b"\0", b""],
    ids=["a pointer", "a label of 64", "no end", "a label without an end", "256 bytes", "nothing"],
)
def test_what_is_no_name_is_no_question(name: bytes) -> None:
    with pytest.raises(Malformed):
        read_question(b"\0\1\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1")


@pytest.mark.parametrize("text", ["x" * 64, ".".join(["x" * 60] * 5)])
def test_what_is_no_name_has_no_wire_form(text: str) -> None:
    with pytest.raises(Malformed):
        wire_name(text)

"""Questions to others: every fault an upstream can have, and what the client then gets."""

from __future__ import annotations

import queue
import subprocess
import time

import dns.flags
import dns.message
import dns.rcode
import pytest

from service_proxy.dns.forward_settings import Policy
from tests.service_proxy.dns.asking import Told, ask, ask_raw, data_of, forwarding, listening
from tests.service_proxy.dns.faulty_server import records, serving

FIRST, SECOND, HERE = "127.0.0.11", "127.0.0.12", "127.0.0.53"
pytestmark = pytest.mark.usefixtures("host")


def good(query: dns.message.Message, is_tcp: bool) -> bytes:
    return records(query, "192.0.2.1").to_wire()


def test_an_answer_of_an_upstream_is_the_clients_and_then_comes_from_the_cache() -> None:
    with serving(FIRST, good) as upstream, forwarding(FIRST) as forwarder:
        for _ in range(3):
            answer = ask(forwarder, "Example.COM")
            assert data_of(answer) == ["192.0.2.1"]
            assert answer.flags & (dns.flags.RA | dns.flags.AA | dns.flags.QR) == dns.flags.RA | dns.flags.QR
            assert str(answer.question[0].name) == "Example.COM."
        assert upstream.asked.total() == 1
        assert sum(forwarder.figures.cache.hits) == 2 and forwarder.figures.cache.misses == 1


def test_dig_is_content_by_udp_and_tcp() -> None:
    with serving(FIRST, good), forwarding(FIRST) as forwarder, listening(forwarder, HERE):
        for transport in ("+notcp", "+tcp", "+noedns", "+dnssec"):
            said = subprocess.run(
                ["dig", f"@{HERE}", transport, "+time=3", "+tries=1", "MiXed.example", "A"],
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            assert "status: NOERROR" in said and "MiXed.example.\t\t60\tIN\tA\t192.0.2.1" in said, said
            assert "WARNING" not in said and ("OPT PSEUDOSECTION" in said) == (transport != "+noedns"), said


def test_a_silent_upstream_is_passed_over_and_then_left_alone_until_it_is_back() -> None:
    told = Told()
    silent = lambda query, is_tcp: None  # noqa: E731
    with serving(FIRST, silent) as first, serving(SECOND, good), forwarding(
        FIRST, SECOND, told=told, policy=Policy.SEQUENTIAL, patience=0.1, probe_first=0.1
    ) as forwarder:  # fmt: skip
        for number in range(3):
            assert data_of(ask(forwarder, f"a{number}.example")) == ["192.0.2.1"]
        before = first.asked["a3.example.", "A"]
        ask(forwarder, "a3.example")
        assert first.asked["a3.example.", "A"] == before
        assert ("dns-upstream", f"{FIRST}:53") in told.now
        first.answer = good
        _until(lambda: not told.now)
        ask(forwarder, "a4.example")
        assert first.asked["a4.example.", "A"] == 1


def test_a_late_answer_of_the_first_upstream_counts() -> None:
    with serving(FIRST, good) as first, forwarding(FIRST, patience=0.05) as forwarder:
        first.late = 0.3
        assert data_of(ask(forwarder, "late.example")) == ["192.0.2.1"]


def test_a_closed_port_is_servfail_at_once() -> None:
    with forwarding(FIRST, SECOND) as forwarder:
        began = time.monotonic()
        assert ask(forwarder, "example.com").rcode() == dns.rcode.SERVFAIL
        assert time.monotonic() - began < 0.9


def test_silence_everywhere_is_servfail_in_time() -> None:
    with (
        serving(FIRST, lambda query, is_tcp: None),
        forwarding(FIRST, patience=0.1, deadline=0.5) as forwarder,
    ):
        assert ask(forwarder, "example.com").rcode() == dns.rcode.SERVFAIL
        assert ask(forwarder, "example.com").rcode() == dns.rcode.SERVFAIL  # remembered for a moment


def test_no_upstream_at_all_is_servfail() -> None:
    with forwarding() as forwarder:
        assert ask(forwarder, "example.com").rcode() == dns.rcode.SERVFAIL


def test_a_server_that_cannot_is_followed_by_one_that_can() -> None:
    for code in (dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.NOTIMP):
        bad = lambda query, is_tcp, code=code: records(query, code=code).to_wire()  # noqa: E731
        with serving(FIRST, bad), serving(SECOND, good), forwarding(
            FIRST, SECOND, policy=Policy.SEQUENTIAL
        ) as forwarder:  # fmt: skip
            assert data_of(ask(forwarder, "example.com")) == ["192.0.2.1"]


def test_refused_everywhere_is_refused() -> None:
    with (
        serving(FIRST, lambda query, is_tcp: records(query, code=5).to_wire()),
        forwarding(FIRST) as forwarder,
    ):
        assert ask(forwarder, "example.com").rcode() == dns.rcode.REFUSED


def test_a_server_without_edns_is_asked_without() -> None:
    def old(query: dns.message.Message, is_tcp: bool) -> bytes:
        return (
            records(query, "192.0.2.1").to_wire()
            if query.edns < 0
            else query.id.to_bytes(2) + records(query, code=1).to_wire()[2:]
        )

    with serving(FIRST, old), forwarding(FIRST) as forwarder:
        assert data_of(ask(forwarder, "example.com")) == ["192.0.2.1"]


def test_wrong_ids_and_questions_are_nothing_and_many_of_them_lead_to_tcp() -> None:
    def guessing(query: dns.message.Message, is_tcp: bool) -> bytes:
        if is_tcp:
            return good(query, is_tcp)
        for _ in range(10):
            query.id ^= 1
            spoof(records(query, "203.0.113.66").to_wire())
        return b""

    with serving(FIRST, guessing) as upstream, forwarding(FIRST) as forwarder:
        clients: list[tuple[str, int]] = []

        def spoof(wire: bytes) -> None:
            pass

        upstream.answer = lambda query, is_tcp: good(query, True) if is_tcp else _other_id(query)
        forwarder_answers = ask_raw(forwarder, dns.message.make_query("example.com", "A").to_wire())
        with pytest.raises(queue.Empty):
            forwarder_answers.get(timeout=0.3)
        assert forwarder.figures.upstream(f"{FIRST}:53").unwanted == 1
        assert not clients


def _other_id(query: dns.message.Message) -> bytes:
    wire = records(query, "203.0.113.66").to_wire()
    return bytes((wire[0] ^ 1,)) + wire[1:]


def _until(condition: object) -> None:
    deadline = time.monotonic() + 8
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)

"""Questions to others: every fault an upstream can have, and what the client then gets."""

from __future__ import annotations

import queue
import random
import resource
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from service_proxy.dns.forward_settings import CacheSettings, Policy, Server
from service_proxy.dns.forwarder import Forwarder
from tests.service_proxy.dns.asking import CLIENT, Told, ask, ask_raw, data_of, forwarding, listening
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
    with forwarding(FIRST, SECOND, patience=20.0, deadline=50.0) as forwarder:
        began = time.monotonic()
        assert ask(forwarder, "example.com").rcode() == dns.rcode.SERVFAIL
        assert time.monotonic() - began < 15


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


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.NOTIMP])
def test_a_server_that_cannot_is_followed_by_one_that_can(code: dns.rcode.Rcode) -> None:
    bad = lambda query, is_tcp: records(query, code=code).to_wire()  # noqa: E731
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


def test_wrong_ids_and_questions_are_nothing() -> None:
    def guessing(query: dns.message.Message, is_tcp: bool) -> list[bytes]:
        other = dns.message.make_query("other.example", "A", id=query.id)
        forged = [
            _other_id(query),
            records(other, "203.0.113.66").to_wire(),
            query.to_wire(),
            b"",
            b"\0" * 12,
        ]
        return [*forged, good(query, is_tcp)]

    with serving(FIRST, guessing), forwarding(FIRST) as forwarder:
        assert data_of(ask(forwarder, "example.com")) == ["192.0.2.1"]
        assert forwarder.figures.upstream(f"{FIRST}:53").unwanted == 5


def test_who_guesses_ids_makes_us_ask_by_tcp() -> None:
    def guessing(query: dns.message.Message, is_tcp: bool) -> bytes | list[bytes]:
        return good(query, is_tcp) if is_tcp else [_other_id(query)] * 20

    with serving(FIRST, guessing) as upstream, forwarding(FIRST) as forwarder:
        assert data_of(ask(forwarder, "example.com")) == ["192.0.2.1"]
        assert upstream.by_tcp == 1


def test_nobody_but_the_upstream_is_heard() -> None:
    elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    elsewhere.bind((SECOND, 53))
    held = queue.SimpleQueue[dns.message.Message]()
    hold = lambda query, is_tcp: held.put(query)  # noqa: E731
    with elsewhere, serving(FIRST, hold) as upstream, forwarding(FIRST, patience=5.0) as forwarder:
        answers = ask_raw(forwarder, dns.message.make_query("example.com", "A").to_wire())
        query = held.get(timeout=30)
        ports = _udp_ports()
        for port in ports:
            elsewhere.sendto(records(query, "203.0.113.66").to_wire(), ("127.0.0.1", port))
        with pytest.raises(queue.Empty):
            answers.get(timeout=0.1)
        assert len(ports) > 2 and upstream.asked.total() == 1


def _udp_ports() -> list[int]:
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return [int(line.split()[1].partition(":")[2], 16) for line in lines]


def test_ids_and_ports_are_not_to_be_guessed() -> None:
    with serving(FIRST, good) as upstream, forwarding(FIRST) as forwarder:
        for number in range(40):
            ask(forwarder, f"n{number}.example")
        ids = [query.id for query in upstream.queries]
        assert len(set(ids)) > 35
        assert len(set(upstream.ports)) > 30


def test_a_long_answer_is_whole_by_tcp_and_as_much_as_fits_by_udp() -> None:
    addresses = [f"192.0.2.{number}" for number in range(1, 100)]

    def long(query: dns.message.Message, is_tcp: bool) -> bytes:
        return records(query, *addresses).to_wire(max_size=65535) if is_tcp else _truncated(query)

    with serving(FIRST, long) as upstream, forwarding(FIRST) as forwarder:
        for size, payload in ((512, 0), (1232, 1232), (1232, 4096)):
            query = dns.message.make_query(
                "many.example", "A", use_edns=0 if payload else -1, payload=payload
            )
            wire = ask_raw(forwarder, query.to_wire()).get(timeout=30)
            answer = dns.message.from_wire(wire)
            assert answer.flags & dns.flags.TC and len(wire) <= size
            assert 20 < len(data_of(answer)) < 99
        assert sorted(data_of(ask(forwarder, "many.example", is_tcp=True))) == sorted(addresses)
        assert upstream.by_tcp == 1  # and then from the cache


def _truncated(query: dns.message.Message) -> bytes:
    answer = records(query)
    answer.flags |= dns.flags.TC
    return answer.to_wire()


def test_who_asks_by_tcp_is_asked_for_by_tcp() -> None:
    with serving(FIRST, good) as upstream, forwarding(FIRST) as forwarder:
        assert data_of(ask(forwarder, "example.com", is_tcp=True)) == ["192.0.2.1"]
        assert upstream.by_tcp == 1


def test_the_same_question_is_on_its_way_once() -> None:
    with serving(FIRST, good) as upstream, forwarding(FIRST) as forwarder:
        upstream.late = 0.2
        query = dns.message.make_query("same.example", "A")
        asked = [
            ask_raw(forwarder, query.to_wire(), client=bytes((10, 0, 0, number))) for number in range(50)
        ]
        assert {dns.message.from_wire(one.get(timeout=30)).rcode() for one in asked} == {dns.rcode.NOERROR}
        assert upstream.asked.total() == 1 and forwarder.figures.joined == 49


def test_a_hundred_slow_questions_hold_nobody_up() -> None:
    def slow(query: dns.message.Message, is_tcp: bool) -> bytes | None:
        return None if "slow" in str(query.question[0].name) else good(query, is_tcp)

    with serving(FIRST, slow), forwarding(FIRST, deadline=20.0) as forwarder:
        for number in range(100):
            ask_raw(forwarder, dns.message.make_query(f"slow{number}.example", "A").to_wire())
        ask(forwarder, "quick.example")
        began = time.monotonic()
        for _ in range(100):
            ask(forwarder, "quick.example")
        assert time.monotonic() - began < 15


def test_too_many_at_once_are_refused_and_counted() -> None:
    with serving(FIRST, lambda query, is_tcp: None), forwarding(
        FIRST, max_concurrent=20, max_by_client=5, deadline=1.0
    ) as forwarder:  # fmt: skip
        mine = [_ask_number(forwarder, number, CLIENT) for number in range(8)]
        assert [_code(one) for one in mine[5:]] == [dns.rcode.REFUSED] * 3
        others = [_ask_number(forwarder, number, bytes((10, 0, 1, number))) for number in range(8, 30)]
        assert [_code(one) for one in others[15:]] == [dns.rcode.REFUSED] * 7
        assert forwarder.figures.rejected == 10
        assert {_code(one) for one in mine[:5] + others[:15]} == {dns.rcode.SERVFAIL}
        assert _code(_ask_number(forwarder, 99, CLIENT)) == dns.rcode.SERVFAIL  # there is room again


def _ask_number(forwarder: Forwarder, number: int, client: bytes) -> queue.Queue[bytes]:
    return ask_raw(forwarder, dns.message.make_query(f"n{number}.example", "A").to_wire(), client=client)


def _code(answers: queue.Queue[bytes]) -> dns.rcode.Rcode:
    return dns.message.from_wire(answers.get(timeout=30)).rcode()


def test_any_is_for_those_who_can_prove_who_they_are() -> None:
    with serving(FIRST, good) as upstream, forwarding(FIRST) as forwarder:
        by_udp = ask(forwarder, "example.com", "ANY")
        assert by_udp.flags & dns.flags.TC and not by_udp.answer and not upstream.asked
        assert ask(forwarder, "example.com", "ANY", is_tcp=True).rcode() == dns.rcode.NOERROR


def test_a_zone_transfer_and_another_class_are_refused() -> None:
    with forwarding() as forwarder:
        assert ask(forwarder, "example.com", "AXFR", is_tcp=True).rcode() == dns.rcode.REFUSED
        query = dns.message.make_query("version.bind", "TXT", "CH")
        assert _code(ask_raw(forwarder, query.to_wire())) == dns.rcode.REFUSED


def test_a_stub_domain_has_its_own_servers() -> None:
    stubs = {"corp.example": (Server(SECOND),), "deep.corp.example.": (Server("127.0.0.13"),)}
    inside = lambda query, is_tcp: records(query, "192.0.2.2").to_wire()  # noqa: E731
    with (
        serving(FIRST, good),
        serving(SECOND, inside) as corp,
        serving("127.0.0.13", inside) as deep,
        forwarding(FIRST, stubs=stubs) as forwarder,
    ):
        for name, expected in (("www.CORP.example", "192.0.2.2"), ("corp.example", "192.0.2.2"),
                               ("notcorp.example", "192.0.2.1"), ("example", "192.0.2.1")):  # fmt: skip
            assert data_of(ask(forwarder, name)) == [expected], name
        assert corp.asked.total() == 2
        ask(forwarder, "a.deep.corp.example")
        assert deep.asked.total() == 1


def test_hosts_are_known_both_ways() -> None:
    hosts = {"Registry.lan": (bytes((192, 0, 2, 9)), bytes(15) + b"\1")}
    with forwarding(hosts=hosts) as forwarder:
        assert data_of(ask(forwarder, "registry.LAN")) == ["192.0.2.9"]
        assert data_of(ask(forwarder, "registry.lan", "AAAA")) == ["::1"]
        assert data_of(ask(forwarder, "9.2.0.192.in-addr.arpa", "PTR")) == ["registry.lan."]
        assert data_of(ask(forwarder, "registry.lan", "MX")) == []


def test_another_server_is_asked_as_soon_as_it_is_named() -> None:
    with serving(SECOND, good), forwarding() as forwarder:
        forwarder.set_servers([Server(SECOND)])
        assert data_of(ask(forwarder, "example.com")) == ["192.0.2.1"]


def test_a_name_that_fails_is_told_stale_and_asked_for_until_it_is_right_again() -> None:
    cache = CacheSettings(stale_ttl=30)
    times: dict[str, Any] = {"patience": 0.1, "deadline": 0.4, "stale_after": 0.2, "probe_first": 0.1}
    short = lambda query, is_tcp: records(query, "192.0.2.1", ttl=1).to_wire()  # noqa: E731
    with serving(FIRST, short) as upstream, forwarding(FIRST, cache=cache, **times) as forwarder:
        ask(forwarder, "old.example")
        upstream.answer = lambda query, is_tcp: None
        ends = time.monotonic() + 1.01
        _until(lambda: time.monotonic() > ends)
        for _ in range(3):  # after a while, at the end, at once: nobody has answered lately
            answer = ask(forwarder, "old.example")
            assert data_of(answer) == ["192.0.2.1"] and answer.answer[0].ttl == 30
        assert forwarder.figures.cache.stale == 3
        upstream.answer = lambda query, is_tcp: records(query, "192.0.2.8", ttl=60).to_wire()
        _until(lambda: data_of(ask(forwarder, "old.example")) == ["192.0.2.8"])


def test_our_own_questions_that_come_back_make_no_storm() -> None:
    with serving(SECOND, good), forwarding(HERE, deadline=0.5, patience=0.1) as forwarder:
        with listening(forwarder, HERE):
            assert ask(forwarder, "loop.example").rcode() == dns.rcode.SERVFAIL
        assert forwarder.figures.upstream(f"{HERE}:53").requests < 10


def test_closing_tells_those_who_wait_and_leaves_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with serving(FIRST, lambda query, is_tcp: None):
        with forwarding(FIRST) as forwarder:
            waiting = _ask_number(forwarder, 1, CLIENT)
        assert _code(waiting) == dns.rcode.SERVFAIL
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_hostile_answers_never_stop_the_loop() -> None:
    dice = random.Random(5)

    def hostile(query: dns.message.Message, is_tcp: bool) -> list[bytes]:
        wire = bytearray(records(query, "192.0.2.1", "192.0.2.2").to_wire())
        for _ in range(dice.randrange(1, 6)):
            wire[dice.randrange(2, len(wire))] = dice.randrange(256)
        return [bytes(wire[: dice.randrange(12, len(wire) + 1)])]

    with (
        serving(FIRST, hostile),
        forwarding(FIRST, patience=0.02, deadline=0.1, max_by_client=1000) as forwarder,
    ):
        asked = [_ask_number(forwarder, number, CLIENT) for number in range(500)]
        for one in asked:
            assert len(one.get(timeout=30)) <= 512
        assert forwarder.is_alive


@pytest.mark.parametrize("scope", ["99999999999999999999", "9" * 5000, "no-such", "a\0b", "x" * 300, "-1"])
def test_a_server_on_an_interface_that_cannot_be_is_one_that_does_not_answer(scope: str) -> None:
    with serving(SECOND, good), forwarding(f"fe80::1%{scope}", SECOND, policy=Policy.SEQUENTIAL) as forwarder:
        assert data_of(ask(forwarder, "example.com")) == ["192.0.2.1"]


def test_without_descriptors_nobody_is_blamed_and_then_it_goes_on() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(FIRST, good), forwarding(FIRST) as forwarder:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            answers = _ask_number(forwarder, 1, CLIENT)
            wire = answers.get(timeout=30)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert dns.message.from_wire(wire).rcode() == dns.rcode.SERVFAIL
        assert forwarder.figures.upstream(f"{FIRST}:53").failures == 0
        assert data_of(ask(forwarder, "n2.example")) == ["192.0.2.1"]


def test_hostile_queries_are_answered_or_asked_for_but_never_raise() -> None:
    dice = random.Random(6)
    good_query = dns.message.make_query("a.example", "A", use_edns=0, want_dnssec=True).to_wire()
    with forwarding() as forwarder:
        for _ in range(10_000):
            query = bytearray(good_query)
            for _ in range(dice.randrange(1, 8)):
                query[dice.randrange(len(query))] = dice.randrange(256)
            ask_raw(forwarder, bytes(query[: dice.randrange(12, len(query) + 1)]))
        assert ask(forwarder, "sane.example").rcode() == dns.rcode.SERVFAIL


def _other_id(query: dns.message.Message) -> bytes:
    wire = records(query, "203.0.113.66").to_wire()
    return bytes((wire[0] ^ 1,)) + wire[1:]


def _until(condition: object) -> None:
    deadline = time.monotonic() + 8
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)

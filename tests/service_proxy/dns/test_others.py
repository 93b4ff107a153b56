"""Names of others: a resolver is asked, in its own time, and nobody waits for it but who asked it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import dns.rrset
import pytest

from linuxnet.netns import inside
from linuxnet.scratch import open_scratch_netns
from service_proxy.dns.resolver import Answer, Resolver, Searcher
from service_proxy.dns.server import Server
from service_proxy.dns.sockets import open_pair
from service_proxy.model import Address
from tests.service_proxy.dns.test_hostile import answers_of_cluster
from tests.service_proxy.dns.world import V4, Said, packed, read_dig

SVC = "default.svc.cluster.local."


class Upstream:
    """Answers every name with 192.0.2.7, in a thread of its own, when it is let."""

    def __init__(self, *, garbage: bytes = b"") -> None:
        self.may_answer = threading.Event()
        self.asked: list[tuple[str, Address, bool]] = []
        self._garbage = garbage

    def resolve(self, query: bytes, client: Address, is_tcp: bool, answer: Answer) -> None:
        threading.Thread(target=self._resolve, args=(query, client, is_tcp, answer)).start()

    def _resolve(self, query: bytes, client: Address, is_tcp: bool, answer: Answer) -> None:
        self.may_answer.wait(10)
        message = dns.message.from_wire(query)
        name = message.question[0].name
        self.asked.append((name.to_text(), client, is_tcp))
        reply = dns.message.make_response(message, recursion_available=True)
        reply.answer = [dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.7")]
        answer(self._garbage or reply.to_wire())


class Search:
    """Finds everything that is denied below `.found`."""

    def search(self, query: bytes, client: Address, is_tcp: bool, answer: Answer, denial: bytes) -> bool:
        if b"\x05found" not in query:
            return False
        message = dns.message.from_wire(query)
        reply = dns.message.make_response(message)
        reply.answer = [dns.rrset.from_text(message.question[0].name, 60, "IN", "A", "192.0.2.8")]
        answer(reply.to_wire())
        return True


class Asker:
    """dig beside a server."""

    def __init__(self, netns: int) -> None:
        self.netns = netns

    def dig(self, *words: str) -> Said:
        with inside(self.netns):
            command = ["dig", f"@{V4}", "+noall", "+comments", "+answer", "+authority", "+tries=1", *words]
            return read_dig(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


@contextmanager
def serving(resolver: Resolver | None, searcher: Searcher | None = None) -> Iterator[Asker]:
    netns = open_scratch_netns()
    with inside(netns):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        pair = open_pair(packed(V4)[0], 53)
    server = Server(answers_of_cluster(), [pair], resolver, searcher)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Asker(netns)
    finally:
        server.stop()
        thread.join()
        server.close()
        pair.close()
        os.close(netns)


@pytest.mark.parametrize("way", ["+notcp", "+tcp"])
def test_others_are_asked_and_the_zone_answers_meanwhile(way: str) -> None:
    upstream = Upstream()
    with serving(upstream) as asker:
        said: list[Said] = []
        waiting = threading.Thread(target=lambda: said.append(asker.dig("www.example.com", "A", way)))
        waiting.start()
        for _ in range(20):
            assert asker.dig(f"web.{SVC}", "A", way).answer == [f"web.{SVC} A 10.96.0.10"]
        assert not said
        upstream.may_answer.set()
        waiting.join()
    assert said[0].answer == ["www.example.com. A 192.0.2.7"]
    assert upstream.asked == [("www.example.com.", packed(V4)[0], way == "+tcp")]


@pytest.mark.parametrize("way", ["+notcp", "+tcp", "+noedns"])
def test_an_alias_to_outside_comes_with_where_it_leads(way: str) -> None:
    upstream = Upstream()
    upstream.may_answer.set()
    with serving(upstream) as asker:
        said = asker.dig(f"OUTSIDE.{SVC}", "A", way)
    assert said.answer == [f"OUTSIDE.{SVC} CNAME www.example.com.", "www.example.com. A 192.0.2.7"]
    assert {"aa", "ra"} <= set(said.flags)


def test_a_reverse_name_that_is_not_ours_is_others() -> None:
    upstream = Upstream()
    upstream.may_answer.set()
    with serving(upstream) as asker:
        asker.dig("-x", "192.0.2.9")
        asker.dig("-x", "10.96.0.10")
    assert [name for name, _, _ in upstream.asked] == ["9.2.0.192.in-addr.arpa."]


@pytest.mark.parametrize("garbage", [b"\x00", b"\xff" * 40, bytes(11), bytes(5) + b"\x01" + bytes(6)])
def test_what_an_upstream_says_of_an_alias_may_be_garbage(garbage: bytes) -> None:
    upstream = Upstream(garbage=garbage)
    upstream.may_answer.set()
    with serving(upstream) as asker:
        assert asker.dig(f"outside.{SVC}", "A").status == "SERVFAIL"
        assert asker.dig(f"web.{SVC}", "A").status == "NOERROR"


def test_denials_are_offered_to_a_searcher() -> None:
    with serving(None, Search()) as asker:
        assert asker.dig(f"it.found.{SVC}", "A").answer == [f"it.found.{SVC} A 192.0.2.8"]
        denied = asker.dig(f"nothing.{SVC}", "A")
        assert denied.status == "NXDOMAIN" and denied.authority
        assert asker.dig(f"web.{SVC}", "A").answer == [f"web.{SVC} A 10.96.0.10"]

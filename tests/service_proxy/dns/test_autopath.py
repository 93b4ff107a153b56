"""A pod's search list, walked by the server: what a pod is told at its first question."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import pytest

from service_proxy.dns.answers import Answers
from service_proxy.dns.autopath import Autopath, look_into
from service_proxy.dns.forwarder import Forwarder
from service_proxy.dns.message import Malformed, read_question
from service_proxy.dns.records import ServiceRecords, service_key
from service_proxy.dns.renaming import under_alias
from service_proxy.dns.server import Server
from service_proxy.dns.sockets import open_pair
from service_proxy.dns.zone import Zone
from tests.service_proxy.dns.asking import forwarding
from tests.service_proxy.dns.faulty_server import Answering, denial, records, serving

UPSTREAM, HERE, POD, STRANGER = "127.0.0.11", "127.0.0.53", "127.0.0.7", "127.0.0.8"
SHOP = "shop.svc.cluster.local"
pytestmark = pytest.mark.usefixtures("host")


def world_wide(query: dns.message.Message, is_tcp: bool) -> bytes:
    name = str(query.question[0].name).lower()
    if name == "www.example.":
        return records(query, "192.0.2.1").to_wire()
    if name == "alias.example.":
        answer = records(query, "real.www.example.", kind="CNAME", ttl=77)
        answer.answer.append(
            dns.rrset.from_text("real.www.example.", 60, "IN", "A", "192.0.2.1", "192.0.2.2")
        )
        return answer.to_wire()
    if name == "four.example.":
        return denial(query, nodata=True).to_wire()
    if name == "intra.corp.test.":
        return records(query, "192.0.2.3").to_wire()
    return records(query, code=2).to_wire() if name.startswith("broken.") else denial(query).to_wire()


@contextmanager
def node(answer: Answering = world_wide) -> Iterator[Forwarder]:
    """Serve a zone with the services web.shop and db.data, and a pod of `shop`."""
    zone = Zone()
    for namespace, name, last in (("shop", "web", 1), ("data", "db", 2)):
        key = service_key(namespace, name)
        assert key is not None
        zone.replace_service(key, ServiceRecords(key, (bytes((10, 96, 0, last)),)))
    answers = Answers(zone, 1)
    answers.is_complete = True
    with serving(UPSTREAM, answer), forwarding(UPSTREAM) as forwarder:
        path = Autopath(look_into(zone), forwarder, _namespace_of, forwarder.figures, host=("corp.test",))
        pair = open_pair(socket.inet_aton(HERE), 53)
        server = Server(answers, [pair], forwarder, path)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield forwarder
        finally:
            server.stop()
            thread.join()
            server.close()
            pair.close()


def _namespace_of(address: bytes) -> str | None:
    return {socket.inet_aton(POD): "shop"}.get(address)


def dig(name: str, *more: str, client: str = POD, kind: str = "A") -> tuple[str, list[str]]:
    """Return status and answer section, a record a line."""
    done = subprocess.run(
        ["dig", f"@{HERE}", "-b", client, "+time=5", "+tries=1", *more, name, kind],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "alformed" not in done.stdout and "extra bytes" not in done.stdout, done.stdout
    status = done.stdout.partition("status: ")[2].partition(",")[0]
    section = done.stdout.partition("ANSWER SECTION:\n")[2].partition("\n\n")[0]
    return status, [" ".join(line.split()) for line in section.splitlines()]


@pytest.mark.parametrize("transport", ["+notcp", "+tcp", "+noedns"])
def test_a_name_of_the_world_is_found_at_the_first_question(transport: str) -> None:
    with node() as forwarder:
        for _ in range(2):
            assert dig(f"www.Example.{SHOP}", transport) == (
                "NOERROR",
                [f"www.Example.{SHOP}. 60 IN CNAME www.example.", "www.example. 60 IN A 192.0.2.1"],
            )
        assert forwarder.figures.searched == 1


def test_an_alias_of_the_world_is_told_whole() -> None:
    with node():
        answer = dig(f"alias.example.{SHOP}")[1]
        assert answer[:2] + sorted(answer[2:]) == [
            f"alias.example.{SHOP}. 60 IN CNAME alias.example.",
            "alias.example. 77 IN CNAME real.www.example.",
            "real.www.example. 60 IN A 192.0.2.1",
            "real.www.example. 60 IN A 192.0.2.2",
        ]


def test_a_service_of_another_namespace_is_found_at_the_first_question() -> None:
    with node():
        name = f"db.data.{SHOP}"
        assert dig(name)[1] == [
            f"{name}. 5 IN CNAME db.data.svc.cluster.local.",
            "db.data.svc.cluster.local. 5 IN A 10.96.0.2",
        ]


def test_the_nodes_own_search_list_comes_after_the_clusters() -> None:
    with node():
        assert dig(f"intra.{SHOP}")[1][0] == f"intra.{SHOP}. 60 IN CNAME intra.corp.test."


def test_a_name_without_an_address_of_that_family_is_there_and_empty() -> None:
    with node():
        status, answer = dig(f"four.example.{SHOP}", kind="AAAA")
        assert (status, len(answer)) == ("NOERROR", 1)


def test_what_is_nowhere_is_denied_and_what_is_broken_is_not() -> None:
    with node():
        assert dig(f"nowhere.example.{SHOP}") == ("NXDOMAIN", [])
        assert dig(f"broken.{SHOP}") == ("SERVFAIL", [])


def test_a_service_that_is_there_is_no_search() -> None:
    with node() as forwarder:
        assert dig(f"web.{SHOP}")[1] == [f"web.{SHOP}. 5 IN A 10.96.0.1"]
        assert not forwarder.figures.searched


@pytest.mark.parametrize(
    ("name", "client", "kind"),
    [
        (f"www.example.{SHOP}", STRANGER, "A"),
        ("www.example.data.svc.cluster.local", POD, "A"),
        (f"www.example.x{SHOP}", POD, "A"),
        ("www.example.svc.cluster.local", POD, "A"),
        (f"www.example.{SHOP}", POD, "TXT"),
    ],
    ids=["no pod of ours", "another namespace", "another name", "no namespace", "another type"],
)
def test_nobody_else_is_searched_for(name: str, client: str, kind: str) -> None:
    with node() as forwarder:
        assert dig(name, client=client, kind=kind) == ("NXDOMAIN", [])
        assert not forwarder.figures.searched


def test_hostile_answers_are_read_or_refused() -> None:
    query = dns.message.make_query("www.example", "A")
    question = read_question(dns.message.make_query(f"www.example.{SHOP}", "A").to_wire())
    good = world_wide(dns.message.make_query("alias.example", "A"), False)
    assert under_alias(question, b"\3www\7example\0", good).counts == (4, 0, 0)
    read = 0
    for at in range(12, len(good)):
        for value in range(0, 256, 3):
            wire = good[:at] + bytes((value,)) + good[at + 1 :]
            try:
                under_alias(question, query.to_wire()[12:25], wire)
                read += 1
            except Malformed:
                continue
    assert 0 < read < (len(good) - 12) * 86

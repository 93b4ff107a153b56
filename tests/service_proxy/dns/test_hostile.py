"""Packets of every shape, objects of every size: nothing raises, no answer is longer than was asked for."""

from __future__ import annotations

import random
import socket
import time

import pytest

from linuxnet.netns import inside
from service_proxy.catalogue import Kind
from service_proxy.dns.answers import Answers
from service_proxy.dns.counting import Tally
from service_proxy.dns.later import Asked, Later
from service_proxy.dns.names import domain
from service_proxy.dns.records import MOST_ENDPOINTS, records_of
from service_proxy.dns.wire import EDNS_LIMIT
from service_proxy.dns.zone import Zone
from service_proxy.model import Endpoint, EndpointSlice, Service, ServiceName, ServiceType, SliceName
from tests.service_proxy.dns.world import HTTP, HTTP_8080, V4, cluster, packed, world

PACKETS = 100_000
NAMES = (
    "web.default",
    "many.default",
    "headless.default",
    "_http._tcp.many.default",
    "nothing.default",
    "circle.default",
)
OPT = b"\x00\x00\x29\x10\x00\x00\x00\x80\x00\x00\x00"
COOKIE = b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x0c\x00\x0a\x00\x08abcdefgh"


def answers_of_cluster() -> Answers:
    answers = Answers(Zone(), 1)
    services, slices = cluster()
    for service in services:
        records = records_of(service, [one for one in slices if one.service == service.name])
        if records is not None:
            answers.replace_service(records.key, records)
    answers.is_complete = True
    return answers


def good_queries() -> list[bytes]:
    names = [domain(f"{one}.svc.cluster.local") for one in NAMES]
    names += [
        domain("5.1.244.10.in-addr.arpa"),
        domain("cluster.local"),
        domain("1-2-3-4.default.pod.cluster.local"),
    ]
    return [
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00" + bytes((bool(opt), *name, 0, kind, 0, 1)) + opt
        for name in names if name is not None
        for kind in (1, 12, 16, 28, 33, 65, 255)
        for opt in (b"", OPT, COOKIE)
    ]  # fmt: skip


def damaged(chance: random.Random, query: bytes) -> bytes:
    packet = bytearray(query)
    for _ in range(chance.choice((0, 1, 1, 2, 8))):
        at = chance.randrange(len(packet))
        match chance.randrange(5):
            case 0:
                packet[at] = chance.randrange(256)
            case 1:
                packet[at] ^= 1 << chance.randrange(8)
            case 2:
                del packet[at : at + chance.randrange(1, 9)]
            case 3:
                packet[at:at] = chance.randbytes(chance.randrange(1, 40))
            case 4:
                del packet[at + 1 :]
        if not packet:
            return b""
    return bytes(packet)


def allowed(packet: bytes) -> int:
    """Return how long an answer may be: what an OPT says that ends the packet, or that is somewhere in it."""
    return EDNS_LIMIT if b"\x00\x00\x29" in packet else 512


def test_a_hundred_thousand_packets() -> None:
    chance, answers, tally = random.Random(5), answers_of_cluster(), Tally("udp", "1")
    later, queries = Later(answers), good_queries()
    said: list[bytes] = []
    for number in range(PACKETS):
        is_random = number % 5 == 0
        packet = (
            chance.randbytes(chance.randrange(80)) if is_random else damaged(chance, chance.choice(queries))
        )
        reply = answers.answer(packet, tally)
        if reply is None:
            said.clear()
            later.take(Asked(packet, b"\x7f\x00\x00\x01", False, tally, said.append))
            reply = said[0]
        assert len(reply) <= allowed(packet), packet
        if len(packet) < 12 or packet[2] & 0x80:
            assert reply == b"", packet  # what may be an answer is answered by nobody
        else:
            assert reply[:2] == packet[:2] and reply[2] & 0x80, packet
    sizes = sum(tally.codes), sum(tally.foreign_codes)
    assert min(sizes) > 1000  # both sorts were among them


def test_a_server_that_got_garbage_answers_the_next() -> None:
    chance = random.Random(6)
    with world() as server:
        wanted = ["web.default.svc.cluster.local. A 10.96.0.10"]
        server.wait_for(wanted, "web.default.svc.cluster.local", "A")
        with inside(server.netns):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcps = [socket.create_connection((V4, 53)) for _ in range(50)]
        with udp:
            for _ in range(5000):
                udp.sendto(damaged(chance, chance.choice(good_queries()[:20])), (V4, 53))
            for one in tcps:
                one.sendall(chance.randbytes(300))
            assert server.dig("web.default.svc.cluster.local", "A").answer == wanted
            assert server.dig("web.default.svc.cluster.local", "A", "+tcp").answer == wanted
        for one in tcps:
            one.close()
        (worker,) = server.dns.workers
        assert worker.is_alive


def test_a_client_that_reads_nothing_is_not_written_to_for_ever() -> None:
    query = good_queries()[21 * 1]  # many.default, A
    with world() as server:
        server.wait_for(["web.default.svc.cluster.local. A 10.96.0.10"], "web.default.svc.cluster.local", "A")
        with inside(server.netns):
            greedy = socket.create_connection((V4, 53))
        with greedy:
            greedy.settimeout(1.0)
            data = (len(query).to_bytes(2, "big") + query) * 1000
            sent = 0
            try:
                while sent < 200 << 20:
                    sent += greedy.send(data)
            except TimeoutError:  # it is read no more: that is the point
                pass
            assert sent < 100 << 20
            assert server.dig("web.default.svc.cluster.local", "A").status == "NOERROR"


def test_names_that_dns_cannot_say_have_no_records() -> None:
    for text in ("x" * 64, "x" * 1_000_000, "", "a.b", "a b", "ä", "\x00", "a\ud800"):
        assert records_of(Service(ServiceName("default", text)), ()) is None
        assert records_of(Service(ServiceName(text, "web")), ()) is None
        alias = Service(ServiceName("a", "b"), type=ServiceType.EXTERNAL_NAME, external_name=text)
        assert records_of(alias, ()) is None or text == "a.b"
    ends = (Endpoint(packed("10.0.0.1")[0], hostname="x" * 1_000_000), Endpoint(b"", hostname="short"))
    service = Service(ServiceName("default", "web"), ports=(HTTP,), is_headless=True)
    name = SliceName("default", "web-1")
    records = records_of(service, [EndpointSlice(name, service.name, 4, HTTP_8080, ends)])
    assert records is not None
    assert [target.host for _, target in records.targets()] == [b"10-0-0-1"]


def test_a_million_endpoints_of_one_service_harm_nobody() -> None:
    service = Service(ServiceName("default", "huge"), ports=(HTTP,), is_headless=True)
    ends = tuple(Endpoint((0x0B000000 + number).to_bytes(4, "big")) for number in range(1_000_000))
    one = EndpointSlice(SliceName("default", "huge-1"), service.name, 4, HTTP_8080, ends)
    records = records_of(service, [one])
    assert records is not None
    assert sum(len(group) for group in records.groups) == MOST_ENDPOINTS
    with world() as server:
        server.change(Kind.SERVICE, service)
        server.change(Kind.SLICE, one)
        deadline = time.monotonic() + 10
        while len(server.dig("huge.default.svc.cluster.local", "A").answer) != 4000:
            assert time.monotonic() < deadline
        assert server.dig("huge.default.svc.cluster.local", "SRV", "+tcp").status == "NOERROR"
        assert server.dig("web.default.svc.cluster.local", "A").status == "NOERROR"


def test_a_service_that_dns_cannot_say_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with world() as server:
        server.change(Kind.SERVICE, Service(ServiceName("default", "x" * 1_000_000)))
        server.change(Kind.SERVICE, Service(ServiceName("default", "web-2"), cluster_ips=packed("10.96.7.7")))
        server.wait_for(
            ["web-2.default.svc.cluster.local. A 10.96.7.7"], "web-2.default.svc.cluster.local", "A"
        )
    lines = [one.getMessage() for one in caplog.records if "xxx" in one.getMessage()]
    assert len(lines) == 1 and len(lines[0]) < 250

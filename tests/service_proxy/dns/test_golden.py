"""The golden table: what CoreDNS' kubernetes plugin answers, row by row, over UDP and TCP, judged by dig."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from service_proxy.dns.node_dns import DnsOptions
from service_proxy.dns.zone import ZoneOptions
from tests.service_proxy.dns.world import V4, V6, World, packed, world

Z = "cluster.local."
SVC = f"default.svc.{Z}"
NO, NX = "NOERROR", "NXDOMAIN"


class Row(NamedTuple):
    """A query, and what is answered. No answers: there is a SOA."""

    name: str
    type: str
    status: str = NO
    answer: tuple[str, ...] = ()
    additional: tuple[str, ...] = ()


HEADLESS_SRV = tuple(f"0 33 8080 {one}.headless.{SVC}" for one in ("10-244-1-6", "db-0", "db-2"))
HEADLESS_EXTRA = (
    f"10-244-1-6.headless.{SVC} A 10.244.1.6",
    f"db-0.headless.{SVC} A 10.244.1.7",
    f"db-2.headless.{SVC} AAAA fd00:244::6",
)
WEB_EXTRA = (f"web.{SVC} A 10.96.0.10",)

ROWS = {
    "a service's address": Row(f"web.{SVC}", "A", NO, ("A 10.96.0.10",)),
    "a service of one family has none of the other": Row(f"web.{SVC}", "AAAA"),
    "dual stack, A": Row(f"dual.{SVC}", "A", NO, ("A 10.96.0.11",)),
    "dual stack, AAAA": Row(f"dual.{SVC}", "AAAA", NO, ("AAAA fd00:96::11",)),
    "a name that starts with a digit": Row(f"1st.{SVC}", "A", NO, ("A 10.96.0.14",)),
    "a service has no TXT": Row(f"web.{SVC}", "TXT"),
    "a service has no ANY": Row(f"web.{SVC}", "ANY"),
    "a service has no unknown type": Row(f"web.{SVC}", "TYPE999"),
    "letter case is no difference": Row(f"WeB.Default.sVC.{Z}", "A", NO, ("A 10.96.0.10",)),
    "headless: ready endpoints only": Row(f"headless.{SVC}", "A", NO, ("A 10.244.1.6", "A 10.244.1.7")),
    "headless, AAAA": Row(f"headless.{SVC}", "AAAA", NO, ("AAAA fd00:244::6",)),
    "headless without slices": Row(f"empty.{SVC}", "A", NX),
    "headless without ready endpoints": Row(f"asleep.{SVC}", "A", NX),
    "headless that publishes what is not ready": Row(f"eager.{SVC}", "A", NO, ("A 10.244.3.2",)),
    "headless without ports": Row(f"portless.{SVC}", "A", NO, ("A 10.244.3.3",)),
    "headless without ports, SRV": Row(f"portless.{SVC}", "SRV"),
    "headless SRV by port": Row(
        f"_http._tcp.headless.{SVC}", "SRV", NO, tuple(f"SRV {one}" for one in HEADLESS_SRV), HEADLESS_EXTRA
    ),
    "headless SRV": Row(
        f"headless.{SVC}", "SRV", NO, tuple(f"SRV {one}" for one in HEADLESS_SRV), HEADLESS_EXTRA
    ),
    "SRV by port": Row(f"_http._tcp.web.{SVC}", "SRV", NO, (f"SRV 0 100 80 web.{SVC}",), WEB_EXTRA),
    "SRV, letter case": Row(f"_HTTP._TCP.web.{SVC}", "SRV", NO, (f"SRV 0 100 80 web.{SVC}",), WEB_EXTRA),
    "SRV of two ports": Row(
        f"two.{SVC}", "SRV", NO, (f"SRV 0 50 53 two.{SVC}", f"SRV 0 50 80 two.{SVC}"),
        (f"two.{SVC} A 10.96.0.12",),
    ),
    "SRV of one of two ports": Row(
        f"_dns._udp.two.{SVC}", "SRV", NO, (f"SRV 0 100 53 two.{SVC}",), (f"two.{SVC} A 10.96.0.12",)
    ),
    "SRV of dual stack": Row(
        f"dual.{SVC}", "SRV", NO, (f"SRV 0 100 80 dual.{SVC}",),
        (f"dual.{SVC} A 10.96.0.11", f"dual.{SVC} AAAA fd00:96::11"),
    ),
    "a port without a name has none by number": Row(f"_99._tcp.unnamed.{SVC}", "SRV", NX),
    "a port without a name is among all": Row(
        f"unnamed.{SVC}", "SRV", NO, (f"SRV 0 100 99 unnamed.{SVC}",), (f"unnamed.{SVC} A 10.96.0.13",)
    ),
    "a port of another protocol": Row(f"_http._udp.web.{SVC}", "SRV", NX),
    "a port's name has no address": Row(f"_http._tcp.web.{SVC}", "A"),
    "a protocol leads to ports": Row(f"_tcp.web.{SVC}", "A"),
    "an endpoint by hostname": Row(f"db-0.headless.{SVC}", "A", NO, ("A 10.244.1.7",)),
    "an endpoint by hostname, SRV": Row(
        f"db-0.headless.{SVC}", "SRV", NO, (f"SRV 0 100 8080 db-0.headless.{SVC}",), HEADLESS_EXTRA[1:2]
    ),
    "an endpoint of the other family": Row(f"db-2.headless.{SVC}", "A"),
    "an endpoint that is not ready": Row(f"db-1.headless.{SVC}", "A", NX),
    "an endpoint by dashed address": Row(f"10-244-1-6.headless.{SVC}", "A", NO, ("A 10.244.1.6",)),
    "an endpoint of a service with an address": Row(f"10-244-1-5.web.{SVC}", "A", NO, ("A 10.244.1.5",)),
    "an endpoint that is none": Row(f"10-244-1-66.headless.{SVC}", "A", NX),
    "an alias to outside": Row(f"outside.{SVC}", "A", NO, ("CNAME www.example.com.",)),
    "an alias, asked for itself": Row(f"inside.{SVC}", "CNAME", NO, (f"CNAME web.{SVC}",)),
    "an alias of an address is nothing": Row(f"number.{SVC}", "A", NX),
    "below an alias there is nothing": Row(f"_http._tcp.outside.{SVC}", "SRV", NX),
    "a namespace": Row(f"default.svc.{Z}", "A"),
    "a namespace without services": Row(f"bare.svc.{Z}", "A"),
    "no namespace": Row(f"nowhere.svc.{Z}", "A", NX),
    "svc": Row(f"svc.{Z}", "A"),
    "pod": Row(f"pod.{Z}", "A"),
    "the zone": Row(Z, "A"),
    "the zone's NS, where no server has an address": Row(Z, "NS"),
    "no such service": Row(f"nothing.{SVC}", "A", NX),
    "no such service, AAAA": Row(f"nothing.{SVC}", "AAAA", NX),
    "not below svc or pod": Row(f"web.default.{Z}", "A", NX),
    "too long": Row(f"a.b.c.web.{SVC}", "A", NX),
    "a name of outside with the search path": Row(f"www.example.com.{SVC}", "A", NX),
    "no wildcards": Row(f"*.{SVC}", "A", NX),
    "dns-version": Row(f"dns-version.{Z}", "TXT", NO, ('TXT "1.1.0"',)),
    "dns-version has no address": Row(f"dns-version.{Z}", "A"),
    "a pod": Row(f"1-2-3-4.default.pod.{Z}", "A", NO, ("A 1.2.3.4",)),
    "a pod of no namespace": Row(f"1-2-3-4.nowhere.pod.{Z}", "A", NX),
    "a pod's other family": Row(f"1-2-3-4.default.pod.{Z}", "AAAA"),
    "a pod of IPv6": Row(f"fd00--5.default.pod.{Z}", "AAAA", NO, ("AAAA fd00::5",)),
    "a pod that is no address": Row(f"1-2-3-444.default.pod.{Z}", "A", NX),
    "pods of a namespace": Row(f"default.pod.{Z}", "A"),
    "PTR of a service": Row("10.0.96.10.in-addr.arpa.", "PTR", NO, (f"PTR web.{SVC}",)),
    "PTR of a service, IPv6": Row(
        f"{'.'.join('1100000000000000000000006900' '00df')}.ip6.arpa.", "PTR", NO, (f"PTR dual.{SVC}",)
    ),
    "PTR of an endpoint by hostname and by address": Row(
        "7.1.244.10.in-addr.arpa.", "PTR", NO,
        (f"PTR 10-244-1-7.web.other.svc.{Z}", f"PTR db-0.headless.{SVC}"),
    ),
    "PTR of an endpoint of two services": Row(
        "5.1.244.10.in-addr.arpa.", "PTR", NO,
        (f"PTR 10-244-1-5.web.{SVC}", f"PTR 10-244-1-5.web.other.svc.{Z}"),
    ),
    "PTR of an endpoint that is not ready": Row("8.1.244.10.in-addr.arpa.", "PTR", "SERVFAIL"),
    "PTR of nobody, and nobody else to ask": Row("9.9.9.9.in-addr.arpa.", "PTR", "SERVFAIL"),
    "another type of a reverse name": Row("10.0.96.10.in-addr.arpa.", "A"),
    "a name of others, and nobody else to ask": Row("www.example.com.", "A", "REFUSED"),
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[World]:
    with world() as one:
        one.wait_for([f"web.{SVC} A 10.96.0.10"], f"web.{SVC}", "A")
        yield one


@pytest.mark.parametrize("way", ["+notcp", "+tcp"])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_row(server: World, row: Row, way: str) -> None:
    said = server.dig(
        row.name, row.type, "+noedns", way, *(["+notcp"] if row.type == "ANY" and way == "+notcp" else [])
    )
    assert said.status == row.status, said.text
    assert said.answer == sorted(f"{row.name} {one}" for one in row.answer)
    assert said.additional == sorted(row.additional)
    if row.status in (NO, NX):
        assert said.flags == ("qr", "aa", "rd")
        assert bool(said.authority) == (not row.answer)
    if row.status in (NO, NX) and not row.answer and not row.name.endswith("arpa."):
        owner, ttl, _, kind, *data = said.authority[0].split()
        assert (owner.lower(), ttl, kind) == (Z, "5", "SOA")
        assert data[:2] == [f"ns.dns.{Z}", f"hostmaster.{Z}"]
        assert data[3:] == ["7200", "1800", "86400", "5"]


def test_the_soa_is_answered(server: World) -> None:
    said = server.dig(Z, "SOA")
    assert said.status == NO and len(said.answer) == 1
    assert said.answer[0].startswith(f"{Z} SOA ns.dns.{Z} hostmaster.{Z} ")


def test_the_question_keeps_its_case(server: World) -> None:
    said = server.dig(f"WeB.DEFAULT.svc.{Z}", "A", "+noedns")
    assert said.answer == [f"WeB.DEFAULT.svc.{Z} A 10.96.0.10"]
    assert f";WeB.DEFAULT.svc.{Z}" in said.text


@pytest.mark.parametrize(("alias", "links"), [("inside", 1), ("twice", 2)])
def test_an_alias_inside_comes_with_where_it_leads(server: World, alias: str, links: int) -> None:
    said = server.dig(f"{alias}.{SVC}", "A")
    assert f"web.{SVC} A 10.96.0.10" in said.answer
    assert sum(" CNAME " in one for one in said.answer) == links


def test_an_alias_of_itself_ends(server: World) -> None:
    assert server.dig(f"circle.{SVC}", "A").status == NO


@pytest.mark.parametrize("address", [V4, V6])
def test_both_families_are_listened_on(server: World, address: str) -> None:
    assert server.dig(f"web.{SVC}", "A", at=address).answer == [f"web.{SVC} A 10.96.0.10"]


@pytest.mark.parametrize("options", [(), ("+dnssec",), ("+cookie",), ("+nsid",), ("+padding=64",)])
def test_edns_is_answered_with_edns(server: World, options: tuple[str, ...]) -> None:
    said = server.dig(f"web.{SVC}", "A", "+bufsize=4096", *options)
    assert said.status == NO and said.answer == [f"web.{SVC} A 10.96.0.10"]
    assert "udp: 1232" in said.text and "EDNS: version: 0" in said.text
    assert ("flags: do;" in said.text) == ("+dnssec" in options)


def test_an_unknown_version_of_edns_is_refused(server: World) -> None:
    assert server.dig(f"web.{SVC}", "A", "+edns=1", "+noednsnegotiation").status == "BADVERS"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("-c", "CH", f"web.{SVC}", "A"), "REFUSED"),
        (("-c", "CH", "version.bind", "TXT"), "REFUSED"),
        (("+opcode=NOTIFY", f"web.{SVC}", "A"), "NOTIMP"),
        (("+opcode=UPDATE", f"web.{SVC}", "A"), "NOTIMP"),
        (("+header-only", "+noedns"), "FORMERR"),
        (("+tcp", "+noedns", Z, "IXFR=1"), "FORMERR"),
    ],
)
def test_what_is_no_plain_question(server: World, words: tuple[str, ...], status: str) -> None:
    assert server.dig(*words).status == status


def test_the_zone_is_not_handed_out(server: World) -> None:
    assert "Transfer failed" in server.run("dig", f"@{V4}", Z, "AXFR")


def test_a_long_answer_is_cut_and_given_whole_by_tcp(server: World) -> None:
    plain = server.dig(f"many.{SVC}", "A", "+noedns", "+ignore")
    assert "tc" in plain.flags and 20 < len(plain.answer) < 32  # as many as 512 bytes hold
    edns = server.dig(f"many.{SVC}", "A", "+bufsize=4096", "+ignore")
    assert "tc" in edns.flags and 70 < len(edns.answer) < 77  # 1232, whatever the client would take
    assert len(server.dig(f"many.{SVC}", "A").answer) == 100  # dig asks again, by TCP
    srv = server.dig(f"many.{SVC}", "SRV", "+ignore")
    assert "tc" in srv.flags and not srv.answer
    assert len(server.dig(f"many.{SVC}", "SRV", "+tcp").answer) == 100


def test_addresses_take_turns(server: World) -> None:
    said = [server.dig(f"many.{SVC}", "A", "+tcp").sections["ANSWER"] for _ in range(5)]
    assert len({one[0] for one in said}) == 5
    assert len({tuple(sorted(one)) for one in said}) == 1


def test_rd_is_copied(server: World) -> None:
    assert server.dig(f"web.{SVC}", "A", "+norec").flags == ("qr", "aa")
    assert server.dig(f"web.{SVC}", "A", "+cdflag").flags == ("qr", "aa", "rd", "cd")


def test_the_ttl_is_five_seconds(server: World) -> None:
    assert server.dig(f"web.{SVC}", "A").sections["ANSWER"] == [f"web.{SVC} 5 IN A 10.96.0.10"]
    assert server.dig(f"dns-version.{Z}", "TXT").sections["ANSWER"][0].split()[1] == "28800"


def test_a_server_with_an_address_is_the_zones() -> None:
    options = ZoneOptions(zone="Test.Example", ttl=30, server_addresses=packed("10.96.0.10", "fd00::a"))
    with world(DnsOptions(packed(V4), zone=options)) as server:
        server.wait_for(["web.default.svc.test.example. A 10.96.0.10"], "web.default.svc.test.example", "A")
        said = server.dig("test.example", "NS")
        assert said.sections["ANSWER"] == ["test.example. 30 IN NS ns.dns.test.example."]
        assert said.additional == ["ns.dns.test.example. A 10.96.0.10", "ns.dns.test.example. AAAA fd00::a"]
        assert server.dig("ns.dns.test.example", "A").answer == ["ns.dns.test.example. A 10.96.0.10"]
        assert server.dig("dns.test.example", "A").status == NO

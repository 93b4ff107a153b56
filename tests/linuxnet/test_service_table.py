"""The service proxy's nft table: what is written is what is there, and what nft prints can be read again."""

from __future__ import annotations

import errno
import itertools
import select
import socket
import struct
from collections.abc import Iterator

import pytest
from netaddr import IPAddress

from linuxnet.conntrack import Flows, forget
from linuxnet.errors import KernelError
from linuxnet.service_chains import Hashes, Masquerade, Pick, pick_of
from linuxnet.service_changes import ServiceChanges
from linuxnet.service_entries import (
    DROP,
    Entry,
    Front,
    cluster_ip,
    hairpin,
    local_dns,
    node_port_addresses,
    pods,
    remembered,
    service_cidrs,
)
from linuxnet.service_rules import READY, Settings
from linuxnet.service_table import ServiceTable
from tests.calls import run
from tests.service_proxy.world import wait_for
from tests.services_world import packed

TABLE = "podwire_services"
HERE = {4: "10.96.0.10", 6: "fd00:96::10"}
THERE = {4: "10.244.1.11", 6: "fd00:244:1::11"}
HASHES: tuple[Hashes, ...] = ("", "source", "port")
MASQUERADES: tuple[Masquerade, ...] = ("", "always", "own")
PICKS = [
    Pick(251 if hashes else 7, is_node_port, is_local, hashes, is_sticky, masquerade)
    for is_node_port, is_local in itertools.product((False, True), (False, True))
    for hashes, is_sticky, masquerade in itertools.product(HASHES, (False, True), MASQUERADES)
]


@pytest.fixture
def table(host: None) -> Iterator[ServiceTable]:
    made = ServiceTable()
    made.load(Settings())
    yield made
    made.close()


def everything() -> list[Entry]:
    """Return an entry of every kind, and more of some."""
    found = [
        *pods(["10.244.0.0/16", "10.245.0.0/16", "fd00:244::/32", "::/0"]),
        *service_cidrs(["10.96.0.0/16", "10.96.1.0/24", "10.97.0.1/32", "255.255.255.0/24", "fd00:96::/64"]),
        *node_port_addresses(["192.0.2.0/24", "192.0.3.0/25", "2001:db8::1"]),
        remembered(3, 60),
    ]
    for family in (4, 6):
        endpoints = [(packed(THERE[family]), 8080), (packed(THERE[family]), 8081)]
        found += [kind(packed(HERE[family])) for kind in (cluster_ip, hairpin, local_dns)]
        for protocol in ("tcp", "udp", "sctp"):
            front = Front.at(packed(HERE[family]), protocol, 80)
            port = Front.node_port(family, protocol, 30080)
            for one in (front, port):
                pick = Pick(2, is_node_port=not one.address, is_sticky=True, masquerade="own")
                found += [one.leads(pick.verdict), one.leads_from_outside(DROP), one.sticky(3), one.refused()]
                found += one.slots(endpoints) + one.slots(endpoints, is_local=True)
                found += one.table(endpoints) + one.table(endpoints, is_local=True)
            found += front.firewalled(["10.0.0.0/8", " 192.0.2.7/32", "fd00::/8", "10.1.0.0/16"])
    return found


def test_what_was_added_is_what_is_there_and_what_was_removed_is_not(table: ServiceTable) -> None:
    entries = everything()
    empty = run(["nft", "list", "sets"]) + run(["nft", "list", "maps"])
    table.change(entries)
    assert len(set(entries)) == len(entries) and table.dump() == set(entries)
    table.change((), entries)
    assert table.dump() == set() and run(["nft", "list", "sets"]) + run(["nft", "list", "maps"]) == empty


def test_entries_print_as_nft_prints_them(table: ServiceTable) -> None:
    entries = everything()
    table.change(entries)
    text = " ".join(
        run(["nft", "list", "table", "inet", TABLE]).replace(" counter packets 0 bytes 0", "").split()
    )
    for entry in entries:
        words = str(entry).split(" { ")[1].removesuffix(" }")
        assert words in text, entry


def test_a_counter_is_that_of_its_front_end(table: ServiceTable) -> None:
    table.change(everything())
    counted = table.counters()
    assert len(counted) == 2 * 2 * 2 * 3 and {count.packets for count in counted.values()} == {0}
    assert set(counted) <= set(everything())


def test_what_nft_prints_it_reads_again(table: ServiceTable) -> None:
    table.change(everything())
    table.ensure_chains([*PICKS, Pick(100)], [60, 10800])
    before, rules = table.dump(), run(["nft", "list", "ruleset"])
    run(["nft", "-j", "-t", "list", "ruleset"])
    assert "tcp dport" not in rules.split("chain dns")[1], "it would match TCP only"
    run(["nft", "flush", "ruleset"])
    assert table.dump() == set() and not table.is_whole(Settings())
    run(["nft", rules])
    assert run(["nft", "list", "ruleset"]) == rules
    assert table.dump() == before and table.is_whole(Settings())


def test_no_rule_but_the_first_chains_is_for_one_protocol(table: ServiceTable) -> None:
    table.ensure_chains([*PICKS, Pick(READY + 6)])
    table.load(Settings())
    table.ensure_chains([Pick(READY + 7)])
    for pick in [*PICKS, Pick(1), Pick(READY + 6), Pick(READY + 7)]:
        code = run(["nft", "--debug=netlink", "list", "chain", "inet", TABLE, pick.chain])
        assert "cmp eq reg 1 0x00000006" not in code, pick.chain


@pytest.mark.parametrize("pick", PICKS, ids=lambda pick: pick.chain)
def test_a_chains_name_tells_how_it_picks(pick: Pick) -> None:
    found = pick_of(pick.chain)
    assert found is not None and found.chain == pick.chain
    assert found == pick or (pick.hashes and pick.is_sticky)


@pytest.mark.parametrize(
    "name", ["pick_0", "pick_", "pick_100000", "pick_3_", "refused", "remember_x", "own_3"]
)
def test_other_names_tell_nothing(name: str) -> None:
    assert pick_of(name) is None


def test_a_change_is_done_as_a_whole_or_not_at_all(table: ServiceTable) -> None:
    entries = everything()
    table.change(entries[1:])
    before = table.dump()
    with pytest.raises(KernelError) as refused:
        table.change([entries[0], *entries[20:22]])
    assert refused.value.errno == errno.EEXIST
    assert any(str(entry) in str(refused.value) for entry in entries[20:22]), refused.value
    with pytest.raises(KernelError) as refused:
        table.change((), [entries[5], entries[0]])
    assert refused.value.errno == errno.ENOENT and str(entries[0]) in str(refused.value)
    assert table.dump() == before


def test_the_first_that_is_refused_is_named(table: ServiceTable) -> None:
    front = Front.at(packed(HERE[4]), "tcp", 80)
    slots = front.slots([(packed(THERE[4]), 8080)] * 1700)
    table.change([slots[1234]])
    with pytest.raises(KernelError, match=r" 10\.96\.0\.10 \. tcp \. 80 \. 1234 : "):
        table.change(slots)


def test_an_endpoint_is_replaced_in_one_change(table: ServiceTable) -> None:
    front = Front.at(packed(HERE[4]), "tcp", 80)
    old, new = (front.slots([(packed(THERE[4]), port)]) for port in (80, 81))
    table.change([*old, front.leads(Pick(1).verdict)])
    table.change([*new, front.leads(DROP)], [*old, front.leads(Pick(1).verdict)])
    assert table.dump() == {*new, front.leads(DROP)}


def test_a_load_that_is_too_large_for_one_batch_is_several(
    table: ServiceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_at_once", 50)
    fronts = [Front.at(struct.pack(">I", 0x0A600000 + i), "tcp", 80) for i in range(100)]
    entries = [front.leads(Pick(1).verdict) for front in fronts]
    entries += [entry for front in fronts for entry in front.slots([(packed(THERE[4]), 8080)])]
    table.change(entries)
    assert table.dump() == set(entries)
    changed = [Entry(one.name, one.key, one.data[:4] + b"\0\1\0\0") for one in entries[100:]]
    table.change(changed, entries)
    assert table.dump() == set(changed)


@pytest.mark.parametrize("damage", [
    "flush chain inet {} services", "delete table inet {}", "flush ruleset", "flush chain inet {} pick_3",
    "add rule inet {} services accept", "add chain inet {} evil {{ type filter hook input priority 0; }}",
    "flush chain inet {} sticky_pick_7",
])  # fmt: skip
def test_rules_that_somebody_changed_are_noticed_and_mended(table: ServiceTable, damage: str) -> None:
    table.ensure_chains([Pick(7, is_sticky=True)])
    table.change(everything())
    with_changes = ServiceChanges(table.port, table.is_own)
    try:
        assert table.is_whole(Settings()) and not table.is_whole(Settings(answers_ping=False))
        table.load(Settings())
        table.change((), everything()[-3:])
        table.ensure_chains([Pick(200)])
        assert not with_changes.read(), "our own"
        run(["nft", "add table inet other { set s { type ipv4_addr; elements = { 10.0.0.1 } }; }"])
        select.select([with_changes], [], [], 5)
        assert not with_changes.read(), "nothing of ours"
        before = table.dump()
        run(["nft", damage.format(TABLE)])
        select.select([with_changes], [], [], 5)
        assert with_changes.read() and not with_changes.read()
        assert not table.is_whole(Settings())
        table.load(Settings())
        assert table.is_whole(Settings()) and not with_changes.read()
        assert table.dump() == (set() if "table" in damage or "ruleset" in damage else before)
    finally:
        with_changes.close()


def test_sets_of_another_version_are_made_from_nothing(table: ServiceTable) -> None:
    run(
        [
            "nft",
            f"delete table inet {TABLE}; add table inet {TABLE}; add set inet {TABLE} pods4 {{ type mark; }}",
        ]
    )
    assert not table.is_whole(Settings())
    table.load(Settings())
    assert table.is_whole(Settings())


def test_a_second_life_finds_what_the_first_left(table: ServiceTable) -> None:
    table.change(everything())
    before = run(["nft", "list", "ruleset"])
    second = ServiceTable()
    assert second.is_whole(Settings()) and second.dump() == set(everything())
    second.load(Settings())
    second.change(())
    second.close()
    assert run(["nft", "list", "ruleset"]) == before


def test_chains_that_nothing_leads_to_are_swept(table: ServiceTable) -> None:
    before = run(["nft", "list", "ruleset"])
    front = Front.at(packed(HERE[4]), "tcp", 80)
    pick = Pick(70, is_sticky=True)
    table.change([front.leads(pick.verdict), remembered(1, 60)])
    assert table.sweep() == 0
    table.change((), [front.leads(pick.verdict), remembered(1, 60)])
    assert table.sweep() == 3 and table.sweep() == 0
    assert run(["nft", "list", "ruleset"]) == before
    table.change([front.leads(pick.verdict)])


def test_others_tables_are_left_alone(table: ServiceTable) -> None:
    table.remove()
    run(["nft", "add table inet other { chain c { type filter hook input priority 0; ct mark 1 accept; }; }"])
    before = run(["nft", "list", "ruleset"])
    table.remove()
    table.load(Settings())
    table.change(everything())
    table.forget_clients([])
    table.sweep()
    table.remove()
    assert run(["nft", "list", "ruleset"]) == before and table.dump() == set()


@pytest.mark.parametrize("family", [4, 6])
def test_flows_are_forgotten_by_front_end_and_endpoint(table: ServiceTable, family: int) -> None:
    front, port = Front.at(packed(HERE[family]), "udp", 53), Front.node_port(family, "udp", 30053)
    length = 32 if family == 4 else 128
    ends = [{4: f"10.50.0.{i}", 6: f"fd00:50::{i}"}[family] for i in (1, 2, 3)]
    for address in (*ends, HERE[family]):
        run(["ip", "addr", "add", f"{address}/{length}", "dev", "lo", *(["nodad"] if family == 6 else [])])
    for address in (*ends, HERE[family]):  # an IPv6 address gets its local route later, by a kernel's worker
        wait_for(lambda one=address: f"local {one} " in local_routes(family))  # type: ignore[misc]
    send(HERE[family], 53, 2)  # before there is a service
    targets = [(packed(address), 53) for address in ends[:2]]
    table.change([front.leads(Pick(2).verdict), *front.slots(targets)])
    table.change([port.leads(Pick(2, is_node_port=True).verdict), *port.slots(targets)])
    send(HERE[family], 53, 40)
    send(ends[2], 30053, 40)
    here, dead = IPAddress(HERE[family]), IPAddress(ends[0])
    wait_for(lambda: len(flows(family)) == 82)  # a dump among others' changes may lack some
    all_, of_dead = flows(family), flows(family, ends[0])
    assert len(all_) == 82 and 20 < len(of_dead) < 60
    forget(Flows("udp", 53, to=here, answered_by=dead, answering_port=54))
    assert flows(family) == all_
    forget(Flows("udp", 53, to=here, answered_by=dead, answering_port=53))
    assert flows(family) == [one for one in all_ if one not in of_dead or "dport=30053" in one]
    forget(Flows("udp", 30053, answered_by=dead))
    assert flows(family) == [one for one in all_ if one not in of_dead]
    assert len(flows(family, HERE[family])) == 2
    untranslated = flows(family, HERE[family])
    forget(Flows("udp", 53, to=here, answered_by=here))
    assert flows(family) == [one for one in all_ if one not in of_dead and one not in untranslated]


SOURCE_PORTS = itertools.count(20000)
"""Ports of clients: the kernel may give one twice, and two requests would be one flow."""


def send(address: str, port: int, times: int) -> None:
    for _ in range(times):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("", next(SOURCE_PORTS)))
            sock.sendto(b"x", (address, port))


def local_routes(family: int) -> str:
    return run(["ip", f"-{family}", "route", "show", "table", "local"])


def flows(family: int, answered_by: str = "") -> list[str]:
    words = ["conntrack", "-L", "-p", "udp", "-f", f"ipv{family}"]
    lines = run([*words, *(["--reply-src", answered_by] if answered_by else [])]).splitlines()
    return sorted(line.split("src=", 1)[1] for line in lines)

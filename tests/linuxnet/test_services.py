"""What becomes of connections to services, by the rules alone: real ones, from pods, the node and outside."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from linuxnet.service_affinity import Gone
from linuxnet.service_entries import (
    DROP,
    Entry,
    Front,
    Pick,
    cluster_ip,
    hairpin,
    local_dns,
    node_port_addresses,
    pods,
    remembered,
    service_cidrs,
)
from linuxnet.service_rules import Settings
from tests.calls import run
from tests.services_world import (
    EXTERNAL,
    NODE,
    OUTSIDE,
    PODS,
    REFUSED,
    UPLINK,
    VIP,
    World,
    packed,
    pod_address,
    target,
    world_of_services,
)

FAMILIES = pytest.mark.parametrize("family", [4, 6])
CIDRS = ("10.244.0.0/16", "fd00:244::/32")
RANGES = ("10.96.0.0/16", "fd00:96::/64")
NODAD: dict[int, list[str]] = {4: [], 6: ["nodad"]}
FAIR = 13.8  # chi-square with two degrees of freedom is above it once in a thousand
NODE_PORT = 30080


@pytest.fixture
def world(host: None) -> Iterator[World]:
    with world_of_services() as found:
        found.table.load(Settings())
        found.table.change([*pods(CIDRS), *service_cidrs(RANGES)])
        found.table.change([hairpin(target(name, family)[0]) for name in PODS for family in (4, 6)])
        yield found


def vip(family: int, protocol: str = "tcp", port: int = 80) -> Front:
    return Front.at(packed(VIP[family]), protocol, port)


def external(family: int, protocol: str = "tcp", port: int = 80) -> Front:
    return Front.at(packed(EXTERNAL[family]), protocol, port)


def targets(family: int, *names: str) -> list[tuple[bytes, int]]:
    return [target(name, family) for name in names or PODS]


def behind(front: Front, pick: Pick, *names: str) -> list[Entry]:
    return [front.leads(pick.verdict), *front.slots(targets(front.family, *names), is_local=pick.is_local)]


def is_fair(found: Counter[str]) -> bool:
    expected = sum(found.values()) / len(PODS)
    return set(found) == set(PODS) and sum((n - expected) ** 2 / expected for n in found.values()) < FAIR


@FAMILIES
def test_endpoints_get_equal_shares_of_tcp_and_udp(world: World, family: int) -> None:
    port = Front.node_port(family, "udp", NODE_PORT)
    world.table.change([*behind(vip(family), Pick(3)), *behind(vip(family, "udp"), Pick(3))])
    world.table.change(behind(port, Pick(3, is_node_port=True, masquerade="always")))
    for who in ("pod1", "node"):
        for protocol in ("tcp", "udp"):
            assert is_fair(world.spread(who, protocol, VIP[family], 80, 240)), (who, protocol)
    assert is_fair(world.spread("outside", "udp", UPLINK[family], NODE_PORT, 240))


@FAMILIES
def test_every_number_of_slots_has_a_chain_that_serves_udp_too(world: World, family: int) -> None:
    table, front = world.table, vip(family, "udp")
    table.change(front.slots(targets(family, "pod2") * 70))
    before: list[Entry] = []
    for slots in (1, 2, 16, 17, 64, 65, 70):
        after = [front.leads(Pick(slots).verdict)]
        table.change(after, before)
        before = after
        assert world.ask("pod1", "udp", VIP[family], 80).startswith("pod2")


@FAMILIES
def test_a_pods_address_is_kept_and_an_outsiders_is_not(world: World, family: int) -> None:
    world.table.change([*behind(vip(family), Pick(1), "pod2"), cluster_ip(packed(VIP[family]))])
    assert world.ask("pod1", "tcp", VIP[family], 80) == f"pod2 {pod_address('pod1', family)}"
    assert world.ask("outside", "tcp", VIP[family], 80) == f"pod2 {NODE[family]}"
    world.table.load(Settings(masquerades="none"))
    assert world.ask("outside", "tcp", VIP[family], 80) == f"pod2 {OUTSIDE[family]}"
    world.table.load(Settings(masquerades="all", mark=1 << 20))
    assert world.ask("pod1", "tcp", VIP[family], 80) == f"pod2 {NODE[family]}"


@FAMILIES
def test_who_is_a_pod_may_be_told_by_the_interface(world: World, family: int) -> None:
    world.table.change([*behind(vip(family), Pick(1), "pod2"), cluster_ip(packed(VIP[family]))], pods(CIDRS))
    assert world.ask("pod1", "tcp", VIP[family], 80) == f"pod2 {NODE[family]}"
    for name, kept in (("to-pod*", ("pod1", "pod3")), ("to-pod1", ("pod1",))):
        world.table.load(Settings(pod_interface=name))
        for who in ("pod1", "pod3", "outside"):
            own = OUTSIDE[family] if who == "outside" else pod_address(who, family)
            seen = world.ask(who, "tcp", VIP[family], 80)
            assert seen == f"pod2 {own if who in kept else NODE[family]}", (name, who)


@FAMILIES
def test_a_node_port_is_served_where_it_should_be(world: World, family: int) -> None:
    front = Front.node_port(family, "tcp", NODE_PORT)
    world.table.change(behind(front, Pick(1, is_node_port=True, masquerade="always"), "pod2"))
    for who, address in (("outside", UPLINK), ("pod1", NODE), ("node", UPLINK)):
        assert world.ask(who, "tcp", address[family], NODE_PORT).startswith("pod2"), who
    assert world.ask("outside", "tcp", UPLINK[family], NODE_PORT) == f"pod2 {NODE[family]}"
    assert world.ask("node", "tcp", {4: "127.0.0.1", 6: "::1"}[family], NODE_PORT) == REFUSED
    world.table.load(Settings(lists_node_port_addresses=True))
    world.table.change(node_port_addresses([f"{UPLINK[family]}"]))
    assert world.ask("outside", "tcp", UPLINK[family], NODE_PORT).startswith("pod2")
    assert world.ask("pod1", "tcp", NODE[family], NODE_PORT) == REFUSED


@FAMILIES
def test_from_outside_the_local_list_answers_and_from_inside_any(world: World, family: int) -> None:
    for front, address, port in (
        (external(family), EXTERNAL[family], 80),
        (Front.node_port(family, "tcp", NODE_PORT), UPLINK[family], NODE_PORT),
    ):
        is_node_port = not front.address
        cluster = Pick(1, is_node_port=is_node_port, masquerade="own")
        local = Pick(1, is_node_port=is_node_port, is_local=True)
        outside = front.leads_from_outside(local.verdict)
        world.table.change([*behind(front, cluster, "pod2"), outside])
        world.table.change(front.slots(targets(family, "pod3"), is_local=True))
        assert world.ask("outside", "tcp", address, port) == f"pod3 {OUTSIDE[family]}"
        assert world.ask("pod1", "tcp", address, port) == f"pod2 {pod_address('pod1', family)}"
        assert world.ask("node", "tcp", address, port).startswith("pod2")
        world.table.change([front.leads_from_outside(DROP)], [outside])
        assert world.is_lost("outside", "tcp", address, port)
        assert world.ask("pod1", "tcp", address, port).startswith("pod2")


@FAMILIES
def test_a_front_end_may_drop_everything(world: World, family: int) -> None:
    world.table.change([vip(family).leads(DROP), cluster_ip(packed(VIP[family]))])
    assert world.is_lost("pod1", "tcp", VIP[family], 80)
    assert world.ask("pod1", "udp", VIP[family], 80) == REFUSED


@FAMILIES
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_sticky_clients_stay_until_their_time_is_over(world: World, family: int, protocol: str) -> None:
    table, front, other = world.table, vip(family, protocol), external(family, protocol)
    port = Front.node_port(family, protocol, NODE_PORT)
    sticky = Pick(3, is_sticky=True)
    table.change([*behind(front, sticky), *behind(other, sticky), front.sticky(7), other.sticky(7)])
    table.change([*behind(port, sticky._replace(is_node_port=True)), port.sticky(7), remembered(7, 1)])
    (chosen,) = world.spread("pod1", protocol, VIP[family], 80, 20)
    assert set(world.spread("pod1", protocol, EXTERNAL[family], 80, 10)) == {chosen}, "one service port"
    assert set(world.spread("pod1", protocol, NODE[family], NODE_PORT, 10)) == {chosen}
    begun = time.monotonic()
    while time.monotonic() < begun + 1.5:  # longer than its time: each connection renews it
        assert world.ask("pod1", protocol, VIP[family], 80).startswith(chosen)
    assert len(learnt(family)) == 1
    assert "mark=1" not in run(["conntrack", "-L", "-f", f"ipv{family}"]), (
        "marks are only for the first packet"
    )
    end = time.monotonic() + 10
    while learnt(family):
        assert time.monotonic() < end, "clients are never forgotten"


@FAMILIES
def test_two_sticky_services_have_nothing_in_common(world: World, family: int) -> None:
    first, second = vip(family), vip(family, port=81)
    sticky = Pick(1, is_sticky=True)
    for number, (front, pod) in enumerate(((first, "pod2"), (second, "pod3"))):
        world.table.change([*behind(front, sticky, pod), front.sticky(number), remembered(number, 60)])
    for _ in range(3):
        assert world.ask("pod1", "tcp", VIP[family], 80).startswith("pod2")
        assert world.ask("pod1", "tcp", VIP[family], 81).startswith("pod3")
    assert len(learnt(family)) == 2


@FAMILIES
def test_clients_of_an_endpoint_that_has_gone_are_forgotten(world: World, family: int) -> None:
    table, front, sticky = world.table, vip(family), Pick(1, is_sticky=True)
    before = behind(front, sticky, "pod2")
    table.change([*before, front.sticky(5), remembered(5, 600)])
    assert world.ask("pod1", "tcp", VIP[family], 80).startswith("pod2")
    after = behind(front, sticky, "pod3")
    table.change(after[1:], before[1:])
    assert world.ask("pod1", "tcp", VIP[family], 80).startswith("pod2"), "remembered"
    assert (
        table.forget_clients([Gone(6), Gone(5, *target("pod1", family)), Gone(5, packed(NODE[family]), 1)])
        == 0
    )
    assert table.forget_clients([Gone(5, *target("pod2", family))]) == 1
    assert world.ask("pod1", "tcp", VIP[family], 80).startswith("pod3") and len(learnt(family)) == 1
    assert table.forget_clients([Gone(5)]) == 1 and not learnt(family)


@FAMILIES
def test_an_endpoint_on_the_node_itself_is_remembered(world: World, family: int) -> None:
    world.servers.add("host", UPLINK[family], 9090)
    front, sticky = vip(family), Pick(2, is_sticky=True)
    world.table.change(
        [front.leads(sticky.verdict), *front.slots([target(UPLINK[family], family, 9090)] * 2)]
    )
    world.table.change([front.sticky(1), remembered(1, 600)])
    for who in ("pod1", "node"):
        assert world.ask(who, "tcp", VIP[family], 80).startswith("host")
    assert len(learnt(family)) == 2


@FAMILIES
def test_a_table_leads_a_client_to_the_same_endpoint_always(world: World, family: int) -> None:
    for protocol in ("tcp", "udp"):
        front = vip(family, protocol)
        table = [target(PODS[i % 3], family) for i in range(251)]
        world.table.change([front.leads(Pick(251, hashes="source").verdict), *front.table(table)])
        assert len(world.spread("pod1", protocol, VIP[family], 80, 20)) == 1
    front = vip(family, "udp", 81)
    world.table.change([front.leads(Pick(251, hashes="port").verdict), *front.table(table)])
    ports = range(20000, 20060)
    found = [world.ask("pod1", "udp", VIP[family], 81, source_port=port) for port in ports]
    run(["conntrack", "-F"])
    assert found == [world.ask("pod1", "udp", VIP[family], 81, source_port=port) for port in ports]
    assert {answer.split()[0] for answer in found} == set(PODS)
    assert " mark=0 " in run(["conntrack", "-L", "-f", f"ipv{family}"])
    assert not re.search(r" mark=[1-9]", run(["conntrack", "-L", "-f", f"ipv{family}"]))


@FAMILIES
def test_a_pod_reaches_itself_through_its_service(world: World, family: int) -> None:
    world.table.change(behind(vip(family), Pick(1), "pod1"))
    assert world.ask("pod1", "tcp", VIP[family], 80) == f"pod1 {NODE[family]}"
    assert world.ask("pod2", "tcp", VIP[family], 80) == f"pod1 {pod_address('pod2', family)}"


@FAMILIES
def test_the_mark_goes_with_the_first_packet(world: World, family: int) -> None:
    front = Front.node_port(family, "tcp", NODE_PORT)
    world.servers.add("host", UPLINK[family], 9090)
    world.table.change(behind(front, Pick(1, is_node_port=True, masquerade="always"), "pod2"))
    here = Front.node_port(family, "tcp", NODE_PORT + 1)
    world.table.change([here.leads(Pick(1, is_node_port=True, masquerade="always").verdict)])
    world.table.change(here.slots([target(UPLINK[family], family, 9090)]))
    hooks = ("postrouting priority 200", "input priority 200")
    chains = "".join(
        f"chain c{i} {{ type filter hook {hook}; counter name seen; "
        "meta mark & 0x4000 == 0x4000 counter name leaked; }\n"
        for i, hook in enumerate(hooks)
    )
    run(["nft", f"table inet watch {{ counter leaked {{ }}\ncounter seen {{ }}\n{chains}}}"])
    assert world.ask("outside", "tcp", UPLINK[family], NODE_PORT).startswith("pod2")
    assert world.ask("outside", "tcp", UPLINK[family], NODE_PORT + 1).startswith("host")
    seen = re.findall(
        r"counter (\w+) \{\s+packets (\d+)", run(["nft", "list", "counters", "table", "inet", "watch"])
    )
    assert dict(seen)["leaked"] == "0" and int(dict(seen)["seen"]) > 0


@FAMILIES
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_service_without_endpoints_refuses(world: World, family: int, protocol: str) -> None:
    front, port = vip(family, protocol), Front.node_port(family, protocol, NODE_PORT)
    world.table.change([front.refused(), port.refused(), cluster_ip(packed(VIP[family]))])
    for who in ("pod1", "outside", "node"):
        assert world.ask(who, protocol, VIP[family], 80) == REFUSED, who
        assert world.ask(who, protocol, UPLINK[family], NODE_PORT) == REFUSED, who
    run(
        ["ip", "addr", "add", f"{EXTERNAL[family]}/{32 if family == 4 else 128}", "dev", "lo", *NODAD[family]]
    )
    world.servers.add("host", EXTERNAL[family], 80)
    assert world.ask("pod1", protocol, EXTERNAL[family], 80).startswith("host")
    world.table.change([external(family, protocol).refused()])
    assert world.ask("pod1", protocol, EXTERNAL[family], 80) == REFUSED, "in input"


@FAMILIES
def test_other_ports_of_a_cluster_ip_refuse_and_unknown_ones_are_silent(world: World, family: int) -> None:
    world.table.change([*behind(vip(family), Pick(1), "pod2"), cluster_ip(packed(VIP[family]))])
    for who in ("pod1", "node"):
        assert world.ask(who, "tcp", VIP[family], 81) == REFUSED
        assert world.ask(who, "udp", VIP[family], 80) == REFUSED
    unknown = {4: "10.96.7.7", 6: "fd00:96::77"}[family]
    assert world.is_lost("pod1", "tcp", unknown, 80)


@FAMILIES
def test_live_cluster_ips_answer_pings(world: World, family: int) -> None:
    world.table.change([cluster_ip(packed(VIP[family]))])
    assert world.pings("pod1", VIP[family]) and world.pings("node", VIP[family])
    world.table.load(Settings(answers_ping=False))
    assert not world.pings("pod1", VIP[family])


@FAMILIES
def test_source_ranges_keep_others_out(world: World, family: int) -> None:
    front = external(family)
    entries = [*behind(front, Pick(1), "pod2"), *front.firewalled([pod_address("pod1", family), *RANGES])]
    world.table.change(entries)
    assert world.ask("pod1", "tcp", EXTERNAL[family], 80).startswith("pod2")
    assert world.is_lost("pod3", "tcp", EXTERNAL[family], 80)
    assert world.is_lost("outside", "tcp", EXTERNAL[family], 80)
    world.table.change((), entries[2:])
    assert world.ask("pod3", "tcp", EXTERNAL[family], 80).startswith("pod2")


@FAMILIES
def test_queries_to_the_nodes_dns_are_not_tracked(world: World, family: int) -> None:
    length = 32 if family == 4 else 128
    run(["ip", "addr", "add", f"{VIP[family]}/{length}", "dev", "lo", *NODAD[family]])
    world.servers.add("dns", VIP[family], 53)
    for protocol in ("tcp", "udp"):
        world.table.change(behind(vip(family, protocol, 53), Pick(1), "pod2"))
        assert world.ask("pod1", protocol, VIP[family], 53).startswith("pod2")
    run(["conntrack", "-F"])
    world.table.change([local_dns(packed(VIP[family]))])
    for protocol in ("tcp", "udp"):
        for who in ("pod1", "node"):
            assert world.ask(who, protocol, VIP[family], 53).startswith("dns"), who
    assert "dport=53" not in run(["conntrack", "-L", "-f", f"ipv{family}"])


@FAMILIES
def test_connections_are_counted_by_front_end(world: World, family: int) -> None:
    front = vip(family)
    world.table.change(behind(front, Pick(1), "pod2"))
    world.spread("pod1", "tcp", VIP[family], 80, 3)
    counted = world.table.counters()
    (of_front,) = [count for entry, count in counted.items() if entry.key == front.key]
    assert of_front.packets == 3 and of_front.bytes >= 3 * 40


@FAMILIES
def test_no_connection_fails_while_rules_and_endpoints_change(world: World, family: int) -> None:
    front = vip(family)
    old, new = (behind(front, Pick(1), pod) for pod in ("pod2", "pod3"))
    world.table.change([*old, cluster_ip(packed(VIP[family]))])
    for round_ in range(30):
        run_child = os.fork()
        if run_child == 0:
            try:
                answers = {world.ask("pod1", "tcp", VIP[family], 80).split()[0] for _ in range(25)}
                os._exit(0 if answers <= {"pod2", "pod3"} else 1)
            finally:
                os._exit(2)
        if round_ % 5 == 0:
            world.table.load(Settings())
        for _ in range(10):
            world.table.change(new[1:], old[1:])
            old, new = new, old
        _, status = os.waitpid(run_child, 0)
        assert status == 0


def learnt(family: int) -> list[str]:
    text = run(["nft", "list", "map", "inet", "podwire_services", f"affinity{family}"])
    return re.findall(r"expires", text)

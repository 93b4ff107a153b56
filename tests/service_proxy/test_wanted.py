"""What a service is to have in the kernel, behaviour by behaviour, in nft's words."""

from __future__ import annotations

import pytest

from service_proxy.front_ends import Context
from service_proxy.model import (
    Algorithm,
    Endpoint,
    EndpointSlice,
    Service,
    ServiceName,
    ServicePort,
    ServiceType,
)
from service_proxy.wanted import HealthCheck, Standing, Wanted, wanted
from tests.service_proxy.made import CONTEXT, HERE, WEB, ZONE, endpoint, endpoint_slice, ip, ips, service

A, B, HOST = "10.0.0.1", "10.0.0.2", "192.0.2.1"
FAR, NEAR, GONE = endpoint(A), endpoint(B, node=HERE), endpoint(A, "unready")
PORTS = (ServicePort("http", "tcp", 80, 30080),)
VIP, OUTSIDE = "198.51.100.7", "203.0.113.9"
CLUSTER = "services4 { 10.96.0.10 . tcp . 80 : "
BALANCED = "services4 { 198.51.100.7 . tcp . 80 : "
NODE_PORT, FROM_OUTSIDE = "nodeports4 { tcp . 30080 : ", "outside_nodeports4 { tcp . 30080 : "


def node_port(**members: object) -> Service:
    return service(WEB, type=ServiceType.NODE_PORT, ports=PORTS, **members)


def load_balancer(**members: object) -> Service:
    return service(WEB, type=ServiceType.LOAD_BALANCER, load_balancer_ips=ips(VIP), **members)


def decide(one: Service, *endpoints: Endpoint, context: Context = CONTEXT, **standing: object) -> Wanted:
    slices = [endpoint_slice(*endpoints)] if endpoints else []
    return wanted(one, slices, context, Standing(**standing))  # type: ignore[arg-type]  # as a test says


def words(found: Wanted) -> list[str]:
    return [str(entry) for entry in found.entries]


def leading(found: Wanted) -> list[str]:
    """Return where packets go, without the endpoints and what marks addresses."""
    kinds = ("services", "outside", "nodeports", "refused")
    return [one for one in words(found) if one.startswith(kinds)]


def test_a_cluster_ip_leads_to_its_slots() -> None:
    assert words(decide(service(), FAR, NEAR)) == [
        "cluster_ips4 { 10.96.0.10 }",
        "endpoints4 { 10.96.0.10 . tcp . 80 . 0 : 10.0.0.1 . 8080 }",
        "endpoints4 { 10.96.0.10 . tcp . 80 . 1 : 10.0.0.2 . 8080 }",
        "services4 { 10.96.0.10 . tcp . 80 : goto pick_2 }",
        "hairpin4 { 10.0.0.2 . 10.0.0.2 }",
    ]


def test_an_endpoint_at_the_nodes_own_address_needs_no_help_to_reach_itself() -> None:
    context = Context(HERE, ZONE, addresses=ips(B))
    assert not any("hairpin" in one for one in words(decide(service(), FAR, NEAR, context=context)))


POLICIES: dict[str, tuple[Service, list[Endpoint], list[str]]] = {
    "nobody anywhere: refused": (service(), [GONE], ["refused4 { 10.96.0.10 . tcp . 80 }"]),
    "inside, Local: this node's": (
        service(is_local_inside=True), [FAR, NEAR], [f"{CLUSTER}goto local_1 }}"],
    ),
    "inside, Local, none here: dropped": (service(is_local_inside=True), [FAR], [f"{CLUSTER}drop }}"]),
    "inside, Local, nobody anywhere: refused": (
        service(is_local_inside=True), [GONE], ["refused4 { 10.96.0.10 . tcp . 80 }"],
    ),
    "a node port is masqueraded": (
        node_port(), [FAR], [f"{CLUSTER}goto pick_1 }}", f"{NODE_PORT}goto masq_node_pick_1 }}"],
    ),
    "a node port, nobody anywhere: refused": (
        node_port(), [GONE], ["refused4 { 10.96.0.10 . tcp . 80 }", "refused_nodeports4 { tcp . 30080 }"],
    ),
    "outside, Local: this node's from outside, all of them for pods and the node": (
        node_port(is_local_outside=True), [FAR, NEAR],
        [
            f"{CLUSTER}goto pick_2 }}", f"{NODE_PORT}goto own_node_pick_2 }}",
            f"{FROM_OUTSIDE}goto node_local_1 }}",
        ],
    ),
    "outside, Local, none here: dropped from outside": (
        node_port(is_local_outside=True), [FAR],
        [f"{CLUSTER}goto pick_1 }}", f"{NODE_PORT}goto own_node_pick_1 }}", f"{FROM_OUTSIDE}drop }}"],
    ),
    "outside, Local, nobody anywhere: refused": (
        node_port(is_local_outside=True), [GONE],
        ["refused4 { 10.96.0.10 . tcp . 80 }", "refused_nodeports4 { tcp . 30080 }"],
    ),
    "both Local, none here": (
        node_port(is_local_inside=True, is_local_outside=True), [FAR],
        [f"{CLUSTER}drop }}", f"{NODE_PORT}goto own_node_pick_1 }}", f"{FROM_OUTSIDE}drop }}"],
    ),
    "both Local, the last that terminates is here": (
        node_port(is_local_inside=True, is_local_outside=True), [FAR, endpoint(B, "terminating", HERE)],
        [
            f"{CLUSTER}goto local_1 }}", f"{NODE_PORT}goto own_node_pick_1 }}",
            f"{FROM_OUTSIDE}goto node_local_1 }}",
        ],
    ),
    "a load balancer's address": (
        load_balancer(), [FAR], [f"{CLUSTER}goto pick_1 }}", f"{BALANCED}goto masq_pick_1 }}"],
    ),
    "a load balancer's address, Local": (
        load_balancer(is_local_outside=True), [FAR],
        [
            f"{CLUSTER}goto pick_1 }}", f"{BALANCED}goto own_pick_1 }}",
            "outside4 { 198.51.100.7 . tcp . 80 : drop }",
        ],
    ),
    "headless: nothing": (service(is_headless=True, cluster_ips=()), [FAR], []),
    "a name of others: nothing": (service(type=ServiceType.EXTERNAL_NAME, cluster_ips=()), [FAR], []),
    "another proxy's: nothing": (
        service(labels={"service.kubernetes.io/service-proxy-name": "other"}), [FAR], [],
    ),
    "a node port of a service that has become a ClusterIP: nothing": (
        service(ports=PORTS), [FAR], [f"{CLUSTER}goto pick_1 }}"],
    ),
    "an address of a load balancer no more: nothing": (
        service(load_balancer_ips=ips(VIP)), [FAR], [f"{CLUSTER}goto pick_1 }}"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", POLICIES)
def test_policies(case: str) -> None:
    one, endpoints, expected = POLICIES[case]
    assert sorted(leading(decide(one, *endpoints))) == sorted(expected)


def test_this_nodes_list_has_slots_of_its_own() -> None:
    found = words(decide(node_port(is_local_outside=True), FAR, NEAR))
    assert "nodeport_endpoints4 { tcp . 30080 . 65536 : 10.0.0.2 . 8080 }" in found
    assert "nodeport_endpoints4 { tcp . 30080 . 1 : 10.0.0.2 . 8080 }" in found


@pytest.mark.parametrize("members", [{"is_headless": True}, {"proxy_name": "other"}])
def test_slices_for_others_are_none(members: dict[str, object]) -> None:
    theirs: EndpointSlice = endpoint_slice(FAR, **members)  # type: ignore[arg-type]  # as a test says
    assert leading(wanted(service(), [theirs], CONTEXT)) == ["refused4 { 10.96.0.10 . tcp . 80 }"]


def test_another_name_of_the_proxy_serves_what_is_labelled_so() -> None:
    label = "service.kubernetes.io/service-proxy-name"
    context = Context(HERE, ZONE, proxy_name="mine")
    slices = [endpoint_slice(FAR, proxy_name="mine")]
    assert leading(wanted(service(labels={label: "mine"}), slices, context)) == [f"{CLUSTER}goto pick_1 }}"]
    assert wanted(service(), slices, context) == Wanted()


def test_each_family_has_its_own_endpoints() -> None:
    both = service(cluster_ips=ips("10.96.0.10", "fd96::a"), type=ServiceType.NODE_PORT, ports=PORTS)
    slices = [endpoint_slice(FAR), endpoint_slice(endpoint("fd00::1"), endpoint("fd00::2"), name="b")]
    assert leading(wanted(both, slices, CONTEXT)) == [
        f"{CLUSTER}goto pick_1 }}",
        "services6 { fd96::a . tcp . 80 : goto pick_2 }",
        f"{NODE_PORT}goto masq_node_pick_1 }}",
        "nodeports6 { tcp . 30080 : goto masq_node_pick_2 }",
    ]


def test_a_family_without_a_cluster_ip_is_not_served() -> None:
    one = load_balancer(external_ips=ips("2001:db8::1"))
    slices = [endpoint_slice(FAR), endpoint_slice(endpoint("fd00::1"), name="b")]
    context = Context(HERE, ZONE, external_ips=("::/0",))
    assert not any("6 {" in entry for entry in words(wanted(one, slices, context)))


def test_protocols_share_a_number() -> None:
    ports = tuple(ServicePort(protocol, protocol, 53) for protocol in ("tcp", "udp", "sctp"))
    found = leading(decide(service(ports=ports), FAR))
    assert found == [f"refused4 {{ 10.96.0.10 . {one} . 53 }}" for one in ("tcp", "udp", "sctp")]


def test_external_ips_are_served_where_they_are_allowed_and_named_where_not() -> None:
    one = service(external_ips=ips(OUTSIDE, "203.0.114.9"))
    found = decide(one, FAR)
    assert leading(found) == [f"{CLUSTER}goto pick_1 }}"]
    (condition,) = found.conditions
    assert condition.startswith("default/web: externalIPs 203.0.113.9, 203.0.114.9 are not served")
    found = decide(one, FAR, context=Context(HERE, ZONE, external_ips=("203.0.113.0/24",)))
    assert "services4 { 203.0.113.9 . tcp . 80 : goto masq_pick_1 }" in leading(found)
    assert len(leading(found)) == 2
    assert "203.0.114.9" in found.conditions[0]


def firewall(one: Service, context: Context = CONTEXT) -> list[str]:
    return [
        each for each in words(decide(one, FAR, context=context)) if each.startswith(("firewall", "allowed"))
    ]


def test_source_ranges_are_of_the_load_balancers_address_alone() -> None:
    one = load_balancer(source_ranges=("192.0.2.0/24", "2001:db8::/32"))
    assert firewall(one) == [
        "firewalled4 { 198.51.100.7 . tcp . 80 }",
        "allowed_sources4 { 198.51.100.7 . tcp . 80 . 192.0.2.0/24 }",
    ]


def test_a_node_that_may_come_may_come_from_the_address_itself() -> None:
    context = Context(HERE, ZONE, addresses=ips(HOST))
    found = firewall(load_balancer(source_ranges=("192.0.2.0/24",)), context)
    assert "allowed_sources4 { 198.51.100.7 . tcp . 80 . 198.51.100.7 }" in found


def test_ranges_for_all_are_no_firewall_and_those_of_the_other_family_let_nobody_in() -> None:
    assert firewall(load_balancer(source_ranges=("10.0.0.0/8", "0.0.0.0/0"))) == []
    assert firewall(load_balancer(source_ranges=("::/0",))) == ["firewalled4 { 198.51.100.7 . tcp . 80 }"]


def test_a_firewall_stands_without_endpoints_too() -> None:
    found = decide(load_balancer(source_ranges=("192.0.2.0/24",)))
    assert "firewalled4 { 198.51.100.7 . tcp . 80 }" in words(found)


def test_all_front_ends_of_a_port_remember_clients_by_one_number() -> None:
    found = words(
        decide(node_port(affinity_timeout=60, is_local_outside=True), FAR, NEAR, numbers={("http", "tcp"): 7})
    )
    assert "sticky4 { 10.96.0.10 . tcp . 80 : 0x70100007 }" in found
    assert "nodeport_sticky4 { tcp . 30080 : 0x70100007 }" in found
    assert "remembering { 0x70100007 : jump remember_60 }" in found
    assert f"{CLUSTER}goto sticky_pick_2 }}" in found
    assert f"{NODE_PORT}goto own_sticky_node_pick_2 }}" in found
    assert f"{FROM_OUTSIDE}goto sticky_node_local_1 }}" in found


@pytest.mark.parametrize(
    ("algorithm", "timeout", "chain"),
    [
        (Algorithm.MAGLEV, 0, "hash_251"),
        (Algorithm.MAGLEV_SOURCE, 0, "source_251"),
        (Algorithm.MAGLEV, 60, "source_251"),
    ],
)
def test_a_hash_chooses_from_maglevs_table(algorithm: Algorithm, timeout: int, chain: str) -> None:
    found = words(decide(service(algorithm=algorithm, affinity_timeout=timeout), FAR, NEAR))
    assert f"{CLUSTER}goto {chain} }}" in found
    assert sum(one.startswith("hashed4") for one in found) == 251


def test_weights_repeat_slots_and_zero_has_none() -> None:
    weights = {"heavy": 6, A: 2, "node-9": 0}
    endpoints = [FAR, endpoint(B, pod="heavy"), endpoint("10.0.0.3", node="node-9")]
    found = words(decide(service(weights=weights), *endpoints))
    assert f"{CLUSTER}goto pick_4 }}" in found
    assert sum("10.0.0.2 . 8080" in one for one in found) == 3
    assert not any("10.0.0.3" in one for one in found)


def test_what_another_service_has_is_left_to_it() -> None:
    one = node_port()
    fronts = decide(one, FAR)
    assert len(leading(fronts)) == 2
    lost = {ip("10.96.0.10"): ServiceName("a", "b")}
    found = decide(one, FAR, lost=lost)
    assert leading(found) == [f"{NODE_PORT}goto masq_node_pick_1 }}"]
    assert "cluster_ips4 { 10.96.0.10 }" not in words(found)
    assert found.conditions == ("default/web: the ClusterIP 10.96.0.10 is not served: a/b has it",)


def test_health_is_of_ready_endpoints_here_and_of_load_balancers_with_policy_local() -> None:
    one = load_balancer(health_check_node_port=30999, is_local_outside=True)
    here = [endpoint(B, node=HERE), endpoint("10.0.0.3", node=HERE)]
    assert decide(one, FAR, *here).health == HealthCheck(30999, 2)
    assert decide(one, FAR, endpoint(B, "terminating", HERE)).health == HealthCheck(30999, 0)
    assert decide(load_balancer(health_check_node_port=30999), FAR, *here).health is None
    assert decide(node_port(health_check_node_port=30999, is_local_outside=True), *here).health is None


def test_an_external_ip_that_is_the_load_balancers_is_one_front_end() -> None:
    context = Context(HERE, ZONE, external_ips=("0.0.0.0/0",))
    one = load_balancer(external_ips=ips(VIP, "10.96.0.10"), source_ranges=("192.0.2.0/24",))
    found = decide(one, FAR, context=context)
    assert len(set(found.entries)) == len(found.entries)
    assert len({(entry.name, entry.key) for entry in found.entries}) == len(found.entries)
    assert f"{CLUSTER}goto pick_1 }}" in words(found)
    assert "firewalled4 { 198.51.100.7 . tcp . 80 }" in words(found)


def test_slots_of_now_stay() -> None:
    before = {("http", "tcp", 4, False): [(ip(B), 8080), (ip("10.0.0.9"), 8080)]}
    found = words(decide(service(), FAR, NEAR, before=before))
    assert "endpoints4 { 10.96.0.10 . tcp . 80 . 0 : 10.0.0.2 . 8080 }" in found


def test_who_goes_on_serving_is_told() -> None:
    assert decide(service(), FAR, endpoint(B, "terminating")).serving == {(ip(A), 8080), (ip(B), 8080)}
    assert decide(service(), GONE).serving == frozenset()
    assert service().name == WEB


def test_a_million_endpoints_are_as_many_as_there_are_slots_and_one_condition() -> None:
    many = tuple(Endpoint((0x0A000000 + i).to_bytes(4, "big")) for i in range(100_000)) * 10
    found = decide(service(), *many)
    assert sum(entry.name == "endpoints4" for entry in found.entries) == 65536
    assert f"{CLUSTER}goto pick_65536 }}" in leading(found)
    assert found.conditions == ("default/web: port 80: no more than 65536 endpoints are used",)


def test_a_service_of_too_many_ports_and_endpoints_is_one_condition() -> None:
    ports = tuple(ServicePort(str(i), "tcp", i) for i in range(1, 1001))
    many = [Endpoint((0x0A000000 + i).to_bytes(4, "big")) for i in range(2000)]
    found = decide(service(ports=ports), *many)
    assert found.entries == ()
    assert found.conditions == (
        "default/web: not served: 2000000 entries may be needed, 1048576 are one service's limit",
    )

"""ClusterIPs and NodePorts: given once, the same after a restart, on every node."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from cluster_store.conditions import Conditions
from cluster_store.directory import DirectoryStore
from cluster_store.store import Item, Snapshot, StoreUnavailable
from service_proxy.allocation import KEPT, Allocation
from service_proxy.claims import Ledger, StoreLedger
from service_proxy.claims_file import FileLedger
from service_proxy.model import Service, ServiceName, ServicePort, ServiceType
from service_proxy.number_range import NumberRange, address_band, port_band
from service_proxy.ranges import Ranges

PORT = ServicePort("", "tcp", 80)
RANGES = Ranges(("10.96.0.0/24", "fd00:96::/112"))


class Node:
    """One node's allocation over a store."""

    def __init__(self, folder: Path, ranges: Ranges = RANGES, *, is_file: bool = False) -> None:
        self.conditions, self.now = Conditions(), 0.0
        self.store = DirectoryStore(folder)
        self.ledger: Ledger = StoreLedger(self.store, "/podwire")
        if is_file:
            self.ledger = FileLedger(folder / "claims")
        self.allocation = Allocation(self.ledger, ranges, self.conditions, lambda: self.now)

    def fill(self, *services: Service) -> list[Service]:
        """Return the services filled, in their order."""
        found = self.allocation.fill(services)
        return [found[one.name] for one in services]

    def troubles(self) -> dict[object, object]:
        """Return what is said of whom."""
        return {one["about"]: one["message"] for one in self.conditions.as_json()}


def named(name: str, **members: object) -> Service:
    """Return a service with one port."""
    namespace, slash, rest = name.partition("/")
    called = ServiceName(namespace, rest) if slash else ServiceName("default", name)
    return replace(Service(called, ports=(PORT,)), **members)  # type: ignore[arg-type]


def texts(service: Service) -> list[str]:
    """Return the ClusterIPs."""
    return [str(ipaddress.ip_address(one)) for one in service.cluster_ips]


def packed(text: str) -> bytes:
    """Return an address, packed."""
    return ipaddress.ip_address(text).packed


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a node."""
    return Node(tmp_path / "store")


def test_bands_are_the_api_servers() -> None:
    assert [address_band(size) for size in (8, 16, 64, 256, 1024, 65536)] == [0, 0, 16, 16, 64, 256]
    assert [port_band(size) for size in (8, 16, 64, 2768, 65536)] == [0, 16, 16, 86, 128]


def test_each_service_has_an_address_of_its_own_above_the_low_band(node: Node) -> None:
    services = node.fill(*(named(f"s{i}") for i in range(200)))
    offsets = [one.cluster_ips[0][3] for one in services]
    assert len(set(offsets)) == 200 and min(offsets) >= 16 and max(offsets) <= 254
    assert node.troubles() == {}


def test_the_low_band_is_used_when_nothing_else_is_left_and_the_end_is_one_condition(tmp_path: Path) -> None:
    node = Node(tmp_path, Ranges(("10.96.0.0/26",)))
    services = node.fill(*(named(f"s{i}") for i in range(80)))
    given = [texts(one)[0] for one in services if one.cluster_ips]
    assert len(given) == len(set(given)) == 60  # but 0, 63, and those of kubernetes and kube-dns
    assert len(node.troubles()) == 20
    assert "every IPv4 address of 10.96.0.0/26 is given" in str(node.troubles().popitem()[1])


def test_kubernetes_is_first_and_kube_dns_tenth(node: Node) -> None:
    first, tenth = node.fill(named("default/kubernetes"), named("kube-system/kube-dns", families=(4, 6)))
    assert texts(first) == ["10.96.0.1"] and texts(tenth) == ["10.96.0.10", "fd00:96::a"]


@pytest.mark.parametrize("is_file", [False, True])
def test_a_restart_and_another_node_give_the_same(tmp_path: Path, is_file: bool) -> None:
    services = [named(f"s{i}", type=ServiceType.NODE_PORT, families=(6, 4)) for i in range(30)]
    first = Node(tmp_path, is_file=is_file).fill(*services)
    assert all([len(one) for one in service.cluster_ips] == [16, 4] for service in first)
    assert Node(tmp_path, is_file=is_file).fill(*reversed(services)) == first[::-1]


def test_nodes_that_share_nothing_agree_as_long_as_no_two_names_meet(tmp_path: Path) -> None:
    services = [named(f"s{i}", type=ServiceType.NODE_PORT) for i in range(100)]
    ranges = Ranges(("10.96.0.0/16",))
    one, two = Node(tmp_path / "a", ranges), Node(tmp_path / "b", ranges)
    assert one.fill(*services) == [two.fill(service)[0] for service in services]


@pytest.mark.parametrize("is_file", [False, True])
def test_nodes_that_share_a_ledger_never_give_one_thing_twice(tmp_path: Path, is_file: bool) -> None:
    services = [named(f"s{i}", type=ServiceType.NODE_PORT) for i in range(120)]
    nodes = [Node(tmp_path, Ranges(("10.96.0.0/24",), (30000, 30199)), is_file=is_file) for _ in range(3)]
    found: dict[int, list[Service]] = {}

    def work(index: int) -> None:
        order = services[index * 40 :] + services[: index * 40]
        found[index] = sorted((nodes[index].fill(one)[0] for one in order), key=lambda one: one.name)

    threads = [Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == found[2]
    assert (
        len({one.cluster_ips for one in found[0]}) == len({one.ports[0].node_port for one in found[0]}) == 120
    )


def test_what_is_asked_for_is_given_if_it_is_free(node: Node) -> None:
    asked = named("a", cluster_ips=(packed("10.96.0.20"),), type=ServiceType.NODE_PORT)
    asked = replace(asked, ports=(PORT._replace(node_port=30001),))
    rival = replace(asked, name=ServiceName("default", "b"))
    outside = named("c", cluster_ips=(packed("192.0.2.1"),))
    won, lost, refused = node.fill(asked, rival, outside)
    assert won == asked
    assert lost.cluster_ips == () and lost.ports[0].node_port == 0
    assert refused.cluster_ips == ()
    said = node.troubles()
    assert (
        said["default/b"]
        == "ClusterIP 10.96.0.20 is taken by default/a; nodePort 30001 is taken by default/a"
    )
    assert "is in none of 10.96.0.0/24" in str(said["default/c"])


def test_who_asks_comes_before_who_takes_anything(tmp_path: Path) -> None:
    anything = named("anything", created="1")
    (given,) = Node(tmp_path / "a").fill(anything)
    asking = named("asking", cluster_ips=given.cluster_ips, created="2")
    first, second = Node(tmp_path / "b").fill(anything, asking)
    assert second == asking and first.cluster_ips not in ((), asking.cluster_ips)


def test_node_ports_are_unique_for_a_protocol_and_shared_by_those_of_one_port(node: Node) -> None:
    dns = (ServicePort("udp", "udp", 53), ServicePort("tcp", "tcp", 53), ServicePort("web", "tcp", 80))
    one, two = node.fill(
        named("one", type=ServiceType.NODE_PORT, ports=dns),
        named("two", type=ServiceType.NODE_PORT, ports=(ServicePort("", "udp", 9, node_port=31000),)),
    )
    udp, tcp, web = (port.node_port for port in one.ports)
    assert udp == tcp != web and 30086 <= udp <= 32767
    assert two.ports[0].node_port == 31000
    (three,) = node.fill(
        named("three", type=ServiceType.NODE_PORT, ports=(ServicePort("", "tcp", 9, node_port=31000),))
    )
    assert three.ports[0].node_port == 31000 and node.troubles() == {}
    assert node.fill(one)[0] == one


def test_load_balancers_get_node_ports_unless_they_do_not_want_any_and_health_ports_if_local(
    node: Node,
) -> None:
    plain = named("plain", type=ServiceType.LOAD_BALANCER, is_local_outside=True)
    without = named("without", type=ServiceType.LOAD_BALANCER, allocates_node_ports=False)
    one, other = node.fill(plain, without)
    assert one.health_check_node_port and one.ports[0].node_port != one.health_check_node_port
    assert other.ports[0].node_port == 0 and other.health_check_node_port == 0
    assert node.fill(plain)[0] == one


POOLS = Ranges(("10.96.0.0/24",), pools=("192.0.2.0/30", "2001:db8::/126"))


def balancer(name: str, *asked: str, **members: object) -> Service:
    """Return a service of type LoadBalancer."""
    wanted = tuple(packed(one) for one in asked)
    given = {"type": ServiceType.LOAD_BALANCER, "wanted_load_balancer_ips": wanted, **members}
    return named(name, **given)


def vips(service: Service) -> list[str]:
    """Return a service's addresses of the load balancer."""
    return [str(ipaddress.ip_address(one)) for one in service.load_balancer_ips]


def test_load_balancers_get_addresses_of_the_pools_until_there_are_no_more(tmp_path: Path) -> None:
    services = [balancer(f"s{i}") for i in range(5)]
    node = Node(tmp_path, POOLS)
    filled = node.fill(*services)
    assert {text for one in filled for text in vips(one)} == {f"192.0.2.{i}" for i in range(4)}
    (said,) = node.troubles().values()
    assert said == "no load balancer's address: every IPv4 address of 192.0.2.0/30, 2001:db8::/126 is given"
    assert Node(tmp_path, POOLS).fill(*services) == filled


def test_a_load_balancers_address_may_be_asked_for_in_both_families(tmp_path: Path) -> None:
    node = Node(tmp_path, POOLS)
    both, lost, outside = node.fill(
        balancer("both", "192.0.2.2", "2001:db8::1"),
        balancer("lost", "192.0.2.2"),
        balancer("o", "192.0.2.9"),
    )
    assert vips(both) == ["192.0.2.2", "2001:db8::1"] and vips(lost) == vips(outside) == []
    assert node.troubles()["default/lost"] == "load balancer's address 192.0.2.2 is taken by default/both"
    assert "is in none of 192.0.2.0/30" in str(node.troubles()["default/o"])


def test_load_balancers_of_others_and_given_addresses_are_left_alone(tmp_path: Path) -> None:
    ranges = Ranges((), pools=POOLS.pools, is_all=False)
    node = Node(tmp_path, ranges)
    other = balancer("other", load_balancer_class="example.com/cloud")
    given = balancer("given", load_balancer_ips=(packed("198.51.100.1"),))
    plain = named("plain")
    assert node.fill(other, given, plain) == [other, given, plain]
    (ours,) = node.fill(balancer("ours", load_balancer_class="podwire.io/l2"))
    assert len(vips(ours)) == 1 and ours.cluster_ips == () and ours.ports[0].node_port == 0


def test_headless_and_external_names_get_nothing(node: Node) -> None:
    given = (named("a", is_headless=True), named("b", type=ServiceType.EXTERNAL_NAME))
    assert tuple(node.fill(*given)) == given
    assert node.store.list("").items == ()


def test_a_family_that_the_cluster_has_not_is_replaced_by_the_one_it_has(tmp_path: Path) -> None:
    (one,) = Node(tmp_path, Ranges(("fd00:96::/112",))).fill(named("a", families=(4,)))
    assert one.families == (6,) and texts(one)[0].startswith("fd00:96::")


@pytest.mark.parametrize("is_file", [False, True])
def test_what_is_gone_is_kept_a_while_then_given_back(tmp_path: Path, is_file: bool) -> None:
    node = Node(tmp_path, is_file=is_file)
    services = [named(f"s{i}") for i in range(3)]
    filled = node.fill(*services)
    node.allocation.vanished([services[0].name])
    living = {one.name for one in services[1:]}
    assert node.allocation.collect(living) == 0
    assert node.fill(services[0]) == filled[:1]  # it came again
    node.allocation.vanished([services[0].name])
    node.now += KEPT
    assert node.allocation.collect(living) == 2  # the address, and that it was the service's
    (taker,) = node.fill(named("taker", cluster_ips=filled[0].cluster_ips))
    assert taker.cluster_ips == filled[0].cluster_ips and node.troubles() == {}
    assert node.allocation.collect(living | {taker.name}) == 0


def test_what_is_no_longer_needed_is_given_back(node: Node) -> None:
    was = named("a", type=ServiceType.NODE_PORT)
    node.fill(was)
    node.fill(replace(was, type=ServiceType.CLUSTER_IP))
    assert len(node.store.list("").items) == 3
    assert node.allocation.collect({was.name}) == 1
    assert [one.key.split("/")[3] for one in node.store.list("").items] == ["ip", "of"]


def test_who_waits_for_a_certain_thing_is_told_when_it_is_free(node: Node) -> None:
    asks = {"type": ServiceType.NODE_PORT, "ports": (PORT._replace(node_port=30005),)}
    first, second = named("a", cluster_ips=(packed("10.96.0.99"),), **asks), named("b", **asks)
    third = named("c", cluster_ips=(packed("10.96.0.99"),))
    node.fill(first, second, third)
    assert node.allocation.again() == set()
    node.fill(replace(first, type=ServiceType.CLUSTER_IP, ports=(PORT,)))
    assert node.allocation.again() == {second.name}
    assert node.fill(second)[0].ports[0].node_port == 30005
    node.allocation.vanished([first.name])
    assert node.allocation.again() == {third.name}
    assert texts(*node.fill(third)) == ["10.96.0.99"]
    assert not node.troubles()


def test_a_range_that_is_added_serves_who_asked_for_it(node: Node) -> None:
    asks = named("a", cluster_ips=(packed("10.99.0.5"),))
    assert not node.fill(asks)[0].cluster_ips
    node.allocation.offer(["10.99.0.0/24"])
    assert node.allocation.again() == {asks.name}
    assert texts(*node.fill(asks)) == ["10.99.0.5"]
    node.allocation.offer([])
    assert texts(*node.fill(asks)) == ["10.99.0.5"], "what was given stays"


def test_what_services_had_that_went_while_nobody_looked_is_given_back_in_time(tmp_path: Path) -> None:
    Node(tmp_path).fill(named("went"), named("stays"))
    node = Node(tmp_path)
    for _ in range(3):
        node.fill(named("stays"))
        assert len(node.store.list("").items) == 4
        node.now += KEPT / 2
    for _ in range(2):
        node.now += KEPT
        node.fill(named("stays"))
    assert {item.value for item in node.store.list("").items if "went" in item.value} == set()
    assert len(node.store.list("").items) == 2


def test_an_outage_delays_what_is_new_and_nothing_else(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    (old,) = node.fill(named("old"))

    def fail(*_: object) -> None:
        raise StoreUnavailable("it is down")

    monkeypatch.setattr(node.store, "commit", fail)
    monkeypatch.setattr(node.store, "list", fail)
    found = node.allocation.fill([named("old"), named("new")])
    assert found == {old.name: old}
    assert node.conditions.has("AllocationDelayed")
    monkeypatch.undo()
    assert set(node.allocation.fill([named("old"), named("new")])) == {
        old.name,
        ServiceName("default", "new"),
    }
    assert not node.conditions.has("AllocationDelayed")


def test_strange_records_are_nobodys(tmp_path: Path) -> None:
    class Strange(DirectoryStore):
        """A store with what somebody wrote by hand."""

        def list(self, prefix: str) -> Snapshot:
            values = ("", "[]", '{"owner": 3}', '{"owner": "default/x"}')
            odd = tuple(Item(f"{prefix}ip/{i}", value, 1, 1) for i, value in enumerate(values))
            found = super().list(prefix)
            return Snapshot(found.items + odd, found.revision)

    node = Node(tmp_path)
    node.allocation = Allocation(StoreLedger(Strange(tmp_path), "/podwire"), RANGES, node.conditions)
    (one,) = node.fill(named("a"))
    assert one.cluster_ips and node.troubles() == {}


def test_a_file_that_a_crash_has_cut_loses_what_was_not_written(tmp_path: Path) -> None:
    (first,) = Node(tmp_path, is_file=True).fill(named("a"))
    with (tmp_path / "claims").open("a") as file:
        file.write('["ip/10.96.0.77", "defa')
    node = Node(tmp_path, is_file=True)
    assert node.fill(named("a"), named("b"))[0] == first
    assert Node(tmp_path, is_file=True).fill(named("b")) == node.fill(named("b"))


def test_a_file_that_cannot_be_written_is_a_condition(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    node = Node(tmp_path, is_file=True)
    assert node.allocation.fill([named("a")]) == {}
    assert "Is a directory" in str(node.troubles())


def test_numbers_are_spread_and_chosen_at_once() -> None:
    numbers, taken = NumberRange(1, 65_534, 255), set[int]()
    looks = 0

    def is_free(number: int) -> bool:
        nonlocal looks
        looks += 1
        return number not in taken

    for i in range(40_000):
        number = numbers.choose(f"default/{i}", is_free, len(taken))
        assert number is not None
        taken.add(number)
    assert looks < 3 * 40_000
    assert min(Counter(number // 8192 for number in taken).values()) > 4000

"""Decisions that depend on other services and on what was before: who has what, slots, numbers."""

from __future__ import annotations

import random
from collections import Counter

from cluster_store.conditions import Conditions
from linuxnet.service_entries import Entry
from service_proxy.catalogue import Catalogue, Changed, Kind
from service_proxy.deciding import Decider
from service_proxy.decisions import Decisions
from service_proxy.model import (
    Algorithm,
    Service,
    ServiceName,
    ServicePort,
    ServiceType,
)
from service_proxy.settings import ProxySettings
from service_proxy.wanted import Wanted
from tests.service_proxy.made import CONTEXT, HERE, WEB, endpoint, endpoint_slice, ips, service, tell

API, ZOO = ServiceName("default", "api"), ServiceName("default", "zoo")
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def world(*values: Service) -> tuple[Catalogue, Decisions]:
    """Return a catalogue of services, each with one endpoint."""
    catalogue = Catalogue(HERE)
    for one in values:
        tell(catalogue, one, endpoint_slice(endpoint(A), of=one.name))
    return catalogue, Decisions(catalogue, CONTEXT)


def words(found: Wanted) -> set[str]:
    return {str(entry) for entry in found.entries}


def remove(catalogue: Catalogue, name: ServiceName) -> None:
    catalogue.take(Changed(Kind.SERVICE, name, None))


def test_a_node_port_that_two_want_is_the_firsts_by_name_and_then_the_others() -> None:
    ports = (ServicePort("http", "tcp", 80, 30080),)
    first = service(API, type=ServiceType.NODE_PORT, ports=ports, cluster_ips=ips("10.96.0.1"))
    second = service(ZOO, type=ServiceType.NODE_PORT, ports=ports, cluster_ips=ips("10.96.0.2"))
    leads = "nodeports4 { tcp . 30080 : goto masq_node_pick_1 }"
    catalogue, decisions = world(second)
    assert leads in words(decisions.decide([ZOO])[ZOO])
    tell(catalogue, first, endpoint_slice(endpoint(A), of=API))
    found = decisions.decide([API])
    assert found.keys() == {API, ZOO}  # who has lost it is decided about anew
    assert leads in words(found[API])
    assert leads not in words(found[ZOO])
    assert found[ZOO].conditions == (
        "default/zoo: the NodePort of IPv4, tcp 30080 is not served: default/api has it",
    )
    remove(catalogue, API)
    found = decisions.decide([API])
    assert found[API] == Wanted()
    assert leads in words(found[ZOO])
    assert found[ZOO].conditions == ()


def test_the_older_service_has_it_whatever_its_name() -> None:
    young = service(API, created="2026-02-01T00:00:00Z")
    old = service(ZOO, created="2026-01-01T00:00:00Z")
    _, decisions = world(young, old)
    found = decisions.decide_all()
    assert found[ZOO].conditions == ()
    assert found[API].conditions[0] == "default/api: 10.96.0.10 tcp 80 is not served: default/zoo has it"
    assert not any("services4" in one for one in words(found[API]))


def test_nobody_takes_a_cluster_ip_by_calling_it_external() -> None:
    thief = service(
        API, cluster_ips=ips("10.96.0.1"), type=ServiceType.LOAD_BALANCER, load_balancer_ips=ips("10.96.0.10")
    )
    _, decisions = world(thief, service(ZOO, created="2026-01-01T00:00:00Z"))
    found = decisions.decide_all()
    assert "services4 { 10.96.0.10 . tcp . 80 : goto pick_1 }" in words(found[ZOO])
    assert not any("10.96.0.10" in one for one in words(found[API]))


def test_three_that_want_the_same_have_it_one_after_the_other() -> None:
    names = [ServiceName("default", one) for one in "abc"]
    catalogue, decisions = world(*(service(name) for name in names))
    assert [bool(one.conditions) for one in decisions.decide_all().values()].count(False) == 1
    for index, name in enumerate(names[:2]):
        remove(catalogue, name)
        found = decisions.decide([name])
        assert found[names[index + 1]].conditions == ()
    assert decisions.decide_all()[names[2]].conditions == ()


def test_a_look_at_everything_forgets_who_has_gone() -> None:
    catalogue, decisions = world(service(API), service(ZOO))
    decisions.decide_all()
    remove(catalogue, API)
    assert decisions.names() == {API, ZOO}
    assert decisions.decide_all()[ZOO].conditions == ()
    assert decisions.names() == {ZOO}


def test_one_endpoint_changed_is_one_entry_changed() -> None:
    catalogue, decisions = world(service())
    hosts = [f"10.0.0.{i}" for i in range(1, 11)]
    tell(catalogue, endpoint_slice(*map(endpoint, hosts)))
    before = set(decisions.decide([WEB])[WEB].entries)
    hosts[3] = "10.0.0.200"
    tell(catalogue, endpoint_slice(*map(endpoint, hosts)))
    after = set(decisions.decide([WEB])[WEB].entries)
    assert (len(before - after), len(after - before)) == (1, 1)
    del hosts[3]
    tell(catalogue, endpoint_slice(*map(endpoint, hosts)))
    fewer = set(decisions.decide([WEB])[WEB].entries)
    assert len(fewer - after) == 2  # the last one's new slot, and one slot less in the verdict


def test_after_a_restart_slots_and_numbers_are_as_the_kernel_shows_them() -> None:
    sticky = service(ZOO, affinity_timeout=60, cluster_ips=ips("10.96.0.2"))
    other = service(API, affinity_timeout=60, cluster_ips=ips("10.96.0.3"))
    catalogue, decisions = world(service(), sticky)
    hosts = [f"10.0.0.{i}" for i in range(1, 11)]
    tell(catalogue, endpoint_slice(*map(endpoint, hosts)))
    decisions.decide_all()
    tell(catalogue, endpoint_slice(*map(endpoint, [*hosts[5:], "10.0.0.77"])), other)
    decisions.decide_all()
    remove(catalogue, ZOO)
    decisions.decide([ZOO])
    tell(catalogue, service(ZOO, affinity_timeout=60, cluster_ips=ips("10.96.0.4")))
    shown = {entry for one in decisions.decide_all().values() for entry in one.entries}

    again = Decisions(catalogue, CONTEXT)
    again.adopt(shown)
    found = again.decide_all()
    again.settle()
    assert {entry for one in found.values() for entry in one.entries} == shown
    assert {entry for one in again.decide_all().values() for entry in one.entries} == shown


def numbers_in(found: dict[ServiceName, Wanted]) -> Counter[bytes]:
    return Counter(
        entry.key for one in found.values() for entry in one.entries if entry.name == "remembering"
    )


def test_numbers_are_nobody_elses_and_stay() -> None:
    ports = (ServicePort("a", "tcp", 1), ServicePort("b", "tcp", 2), ServicePort("a2", "udp", 1))
    values = [
        service(
            ServiceName("default", f"s{i}"), ports=ports, affinity_timeout=60, cluster_ips=ips(f"10.96.1.{i}")
        )
        for i in range(5)
    ]
    catalogue, decisions = world(*values)
    found = decisions.decide_all()
    numbers = numbers_in(found)
    assert len(numbers) == 15
    assert set(numbers.values()) == {1}
    tell(catalogue, service(values[0].name, affinity_timeout=0, cluster_ips=ips("10.96.1.0")))
    assert len(numbers_in(decisions.decide_all())) == 12
    tell(catalogue, values[0])
    assert numbers_in(decisions.decide_all()) == numbers  # given back, and given again


def test_a_foreign_number_in_the_kernel_harms_nobody() -> None:
    _, decisions = world(service(affinity_timeout=60))
    shown = decisions.decide_all()[WEB].entries
    twice = service(ZOO, affinity_timeout=60, cluster_ips=ips("10.96.0.2"))
    catalogue, again = world(service(affinity_timeout=60), twice)
    again.adopt(
        [*shown, *(Entry(e.name, bytes(len(e.key)), b"\xff" * 4) for e in shown if e.name == "sticky4")]
    )
    assert set(numbers_in(again.decide_all()).values()) == {1}
    assert catalogue.services.keys() == {WEB, ZOO}


def any_service(rng: random.Random, name: ServiceName) -> Service:
    return service(
        name,
        type=rng.choice([ServiceType.CLUSTER_IP, ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER]),
        ports=tuple(
            ServicePort("http", "tcp", rng.choice([80, 81]), rng.choice([0, 30080, 30081]))
            for _ in range(rng.choice([0, 1, 1, 1]))
        ),
        cluster_ips=ips(rng.choice(["10.96.0.1", "10.96.0.2", "10.96.0.3", "10.96.0.4"])),
        load_balancer_ips=ips(rng.choice(["198.51.100.1", "198.51.100.2", "10.96.0.1"])),
        is_local_inside=rng.random() < 0.3,
        is_local_outside=rng.random() < 0.3,
        affinity_timeout=rng.choice([0, 0, 60]),
        algorithm=rng.choice([Algorithm.RANDOM, Algorithm.RANDOM, Algorithm.MAGLEV]),
        created=rng.choice(["", "2026-01-01T00:00:00Z"]),
    )


def without_order(wanted: dict[ServiceName, Wanted]) -> dict[ServiceName, object]:
    """Return decisions without what may be so or otherwise: which slot and which number."""
    return {
        name: (Counter((e.name, e.data if "endpoints" in e.name else e.key) for e in one.entries
                       if "sticky" not in e.name and e.name != "remembering"), one.conditions, one.health)
        for name, one in wanted.items() if one != Wanted()
    }  # fmt: skip


def test_a_walk_of_small_changes_ends_where_one_look_at_everything_does() -> None:
    rng = random.Random(5)
    catalogue = Catalogue(HERE)
    walking = Decisions(catalogue, CONTEXT)
    names = [ServiceName("default", one) for one in "abcdef"]
    now: dict[ServiceName, Wanted] = {}
    for _ in range(400):
        name = rng.choice(names)
        match rng.randrange(4):
            case 0:
                catalogue.take(Changed(Kind.SERVICE, name, None))
            case 1:
                hosts = rng.sample([A, B, C, "10.0.0.4"], rng.randrange(4))
                some = [
                    endpoint(one, rng.choice(["ready", "unready"]), rng.choice([HERE, "n"])) for one in hosts
                ]
                tell(catalogue, endpoint_slice(*some, of=name))
            case _:
                tell(catalogue, any_service(rng, name))
        now |= walking.decide([name])
        fresh = Decisions(catalogue, CONTEXT).decide_all()
        assert without_order(now) == without_order(fresh)
        kept: Counter[tuple[str, bytes]] = Counter()
        for one in now.values():
            kept.update((e.name, e.key) for e in one.entries if not e.name.startswith("hairpin"))
        assert set(kept.values()) <= {1}  # no key of the kernel's is two services'


def test_what_one_had_that_has_gone_is_the_others_when_everything_is_looked_at() -> None:
    ports = (ServicePort("http", "tcp", 80, 30080),)
    first = service(API, type=ServiceType.NODE_PORT, ports=ports, cluster_ips=ips("10.96.0.1"))
    second = service(ZOO, type=ServiceType.NODE_PORT, ports=ports, cluster_ips=ips("10.96.0.2"))
    leads = "nodeports4 { tcp . 30080 : goto masq_node_pick_1 }"
    catalogue, _ = world(first, second)
    conditions = Conditions()
    decider = Decider(ProxySettings(node=HERE), catalogue, conditions)
    assert leads not in words(dict(decider.decide_all())[ZOO]) and conditions.has("NotServed")
    remove(catalogue, API)
    found = dict(decider.decide_all())
    assert found[API] == Wanted(), "so that its ports are closed"
    assert leads in words(found[ZOO]) and not conditions.has("NotServed")
    assert dict(decider.decide_all()).keys() == {ZOO}


def test_to_look_at_a_service_decides_nothing() -> None:
    ports = (ServicePort("http", "tcp", 80, 30080),)
    base = {"type": ServiceType.NODE_PORT, "ports": ports, "affinity_timeout": 60}
    first = service(API, cluster_ips=ips("10.96.0.1"), **base)
    second = service(ZOO, cluster_ips=ips("10.96.0.2"), **base)
    catalogue, decisions = world(second)
    before = decisions.decide([ZOO])[ZOO]
    tell(catalogue, first, endpoint_slice(endpoint(A), endpoint(B), of=API))
    assert decisions.look(API).backends and decisions.look(WEB) == Wanted()
    assert decisions.decide([API]).keys() == {API, ZOO}, "the other is to learn of its loss"
    assert decisions.look(ZOO).conditions == decisions.decide([ZOO])[ZOO].conditions != before.conditions


def test_to_look_before_the_first_decision_leaves_slots_as_the_kernel_has_them() -> None:
    catalogue = Catalogue(HERE)
    tell(catalogue, service(), endpoint_slice(*map(endpoint, (A, B, C))))
    shown = [
        one for one in Decisions(catalogue, CONTEXT).decide([WEB])[WEB].entries if one.name == "endpoints4"
    ]
    turned = [one._replace(data=shown[at - 1].data) for at, one in enumerate(shown)]
    decisions = Decisions(catalogue, CONTEXT)
    decisions.look(WEB)
    decisions.adopt(turned)
    assert {*turned} <= {*decisions.decide([WEB])[WEB].entries}

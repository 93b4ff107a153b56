"""Load balancers' addresses with an API server: who gives them, who has them, what a client's kernel sees."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster_store.conditions import Conditions
from cluster_store.kubernetes import KubernetesClient
from cluster_store.kubernetes_access import Access, FixedToken
from cluster_store.kubernetes_lease_objects import read_record
from cluster_store.kubernetes_leases import LeaseStore
from cluster_store.store import Check, Conflict, Delete, LeaseGone, Put, Snapshot, StoreRefused
from service_proxy.balancing.giver import Giver
from service_proxy.balancing.giving import Due, decide
from service_proxy.balancing.holding import chosen
from service_proxy.model import Service, ServiceName, ServiceType
from service_proxy.ranges import Ranges
from tests.calls import Container, run
from tests.deploy.kustomize import FOLDER, expand
from tests.deploy.rights import assert_allowed
from tests.kube_api.collection import Json
from tests.kube_api.server import ApiServer, running_api
from tests.service_proxy.test_balancing import ask, eventually, known, packed, segment

__all__ = ["segment"]  # a fixture

POOL = "192.0.2.100/30"
NODES = ("n1", "n2")
ROOT = Path(__file__).parents[2]
RANGES = Ranges((), pools=(POOL, "fd02::100/126"), is_all=False)
Start = Callable[[str], "subprocess.Popen[bytes]"]


def service(name: str, **spec: object) -> Json:
    """Return a service of type LoadBalancer."""
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.9"], "ports": [{"port": 80}]} | spec,
    }  # fmt: skip


def ingress(api: ApiServer, name: str) -> list[str]:
    """Return the addresses in a service's status."""
    status = api.of["services"].get(f"default/{name}").get("status", {})
    return [one.get("ip", one.get("hostname")) for one in status.get("loadBalancer", {}).get("ingress", [])]


def access(api: ApiServer) -> Access:
    """Return how the server is reached."""
    return Access(api.url, "127.0.0.1", api.http.server_port, FixedToken())


@pytest.fixture
def api(segment: Container) -> Iterator[ApiServer]:
    """Serve an API to the nodes."""
    run(["ip", "addr", "add", "192.0.2.99/24", "dev", "br0"])
    with running_api(host="192.0.2.99") as found:
        yield found


@pytest.fixture
def start(api: ApiServer) -> Iterator[Start]:
    """Start a node's process."""
    running = []

    def begin(node: str) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", "tests.service_proxy.balancing_kube_node", api.url, node, "1", POOL]
        running.append(subprocess.Popen(["ip", "netns", "exec", node, *program], cwd=ROOT))
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.wait()


def test_a_service_gets_an_address_that_one_node_has_and_the_next_follows_when_it_is_killed(
    segment: Container, api: ApiServer, start: Start
) -> None:
    services = api.of["services"]
    services.create(service("web"))
    services.create(service("cloud", loadBalancerClass="example.com/nlb"))
    services.create(service("mine", loadBalancerClass="podwire.io/l2", loadBalancerIP="192.0.2.102"))
    nodes = {name: start(name) for name in NODES}
    (address,) = eventually(lambda: ingress(api, "web"))
    assert eventually(lambda: ingress(api, "mine")) == ["192.0.2.102"]
    assert packed(address)[:3] == packed(POOL[:11])[:3] and not ingress(api, "cloud")
    best = chosen(packed(address), NODES)
    eventually(lambda: ask(segment, address) == best)

    nodes[best].kill()
    began = time.monotonic()
    other = next(one for one in NODES if one != best)
    eventually(lambda: known(address) == other)  # told, without asking
    assert time.monotonic() - began < 4
    services.create(service("late"))
    assert (
        eventually(lambda: ingress(api, "late")) and len({*ingress(api, "late"), address, "192.0.2.102"}) == 3
    )

    start(best)  # it comes again, and has what is its own
    eventually(lambda: known(address) == best)
    for name in ("web", "mine", "late", "cloud"):
        services.delete(f"default/{name}")
    nodes[other].terminate()
    nodes[other].wait(5)
    eventually(lambda: not api.of["leases"].items)  # of those who live, too: there is nothing to do
    assert_allowed(expand(FOLDER / "network-and-proxy"), api)


@pytest.fixture
def local(host: None) -> Iterator[ApiServer]:
    """Serve an API on this machine's loopback."""
    with running_api() as found:
        yield found


@pytest.fixture
def giver(local: ApiServer) -> Iterator[Giver]:
    """Begin to give."""
    found = Giver(KubernetesClient(access(local)), RANGES, Conditions())
    found.start(lambda: True)
    yield found
    found.stop()


def test_what_others_gave_stays_and_what_nobody_needs_is_taken_back(local: ApiServer, giver: Giver) -> None:
    name = ServiceName("default", "named")
    given = {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}
    local.of["services"].create(service("named") | {"status": given})
    local.of["services"].create(service("web"))
    giver.note(name, Service(name, ServiceType.LOAD_BALANCER))  # names are not in our values
    web = ServiceName("default", "web")
    giver.note(web, Service(web, ServiceType.LOAD_BALANCER, families=(4, 6)))
    assert len(eventually(lambda: ingress(local, "web"))) == 2
    assert ingress(local, "named") == ["lb.example.com"]
    addresses = tuple(map(packed, ingress(local, "web")))
    giver.note(web, Service(web, load_balancer_ips=addresses))  # of type ClusterIP now
    eventually(lambda: not ingress(local, "web"))


def test_a_server_that_refuses_is_asked_again_and_so_is_one_that_somebody_else_was_faster_at(
    local: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service_proxy.balancing.giver.RETRY_AFTER", 0.1)
    conditions, services = Conditions(), local.of["services"]
    giver = Giver(KubernetesClient(access(local)), RANGES, conditions)
    name = ServiceName("default", "web")
    services.create(service("web"))
    giver.note(name, Service(name, ServiceType.LOAD_BALANCER))
    local.hidden.add("services")
    written: list[Json] = []
    write = services.merge_patch

    def write_late(name: str, body: Json, *, is_status: bool) -> Json:
        if not written:
            services.update(name, lambda item: item["metadata"].update(labels={"now": "there"}))
        written.append(body)
        return write(name, body, is_status=is_status)

    monkeypatch.setattr(services, "merge_patch", write_late)
    giver.start(lambda: True)
    eventually(lambda: conditions.has("AllocationDelayed"))
    local.hidden.clear()
    assert eventually(lambda: ingress(local, "web")) and len(written) == 2
    assert services.get("default/web")["metadata"]["labels"] == {"now": "there"}
    giver.stop()


def made(name: str, *addresses: str, created: str = "", **more: object) -> Service:
    """Return a service with addresses."""
    packed_ones = tuple(map(packed, addresses))
    values = {"type": ServiceType.LOAD_BALANCER, "load_balancer_ips": packed_ones, "created": created} | more
    return Service(ServiceName("default", name), **values)  # type: ignore[arg-type]


def test_of_two_with_one_address_the_older_keeps_it() -> None:
    young, old = made("a", "192.0.2.100", created="2026-02"), made("b", "192.0.2.100", created="2026-01")
    (due,) = decide([young, old], {}, RANGES).due
    assert due.name.name == "a" and due.addresses != (packed("192.0.2.100"),) and due.addresses
    foreign = made("c", "192.0.2.100", load_balancer_class="example.com/nlb", created="2026-03")
    assert [one.name.name for one in decide([old, foreign], {}, RANGES).due] == ["b"]


def test_what_a_service_has_it_keeps_and_what_was_just_given_is_not_given_again() -> None:
    names = [ServiceName("default", f"s{n}") for n in range(4)]
    reserved = {name: (packed(f"192.0.2.{100 + n}"),) for n, name in enumerate(names[:3])}
    found = decide([made(one.name) for one in names], reserved, RANGES)
    assert {one.name: one.addresses for one in found.due} == {**reserved, names[3]: (packed("192.0.2.103"),)}
    assert not decide([made("s0", "192.0.2.101")], {}, RANGES).due
    asked = made("s0", "192.0.2.101", wanted_load_balancer_ips=(packed("192.0.2.102"),))
    assert decide([asked], {}, RANGES).due == (Due(asked.name, (packed("192.0.2.102"),)),)
    full = [made(f"s{n}", f"192.0.2.{100 + n}") for n in range(4)]
    found = decide([*full, made("one-too-many")], {}, RANGES)
    assert not found.due and "every IPv4 address" in found.troubles[ServiceName("default", "one-too-many")]
    assert not decide([made("s0", "198.51.100.1")], {}, RANGES).due  # of no pool of ours: another's matter


def test_a_lease_that_is_not_renewed_ends_with_all_that_is_under_it(local: ApiServer) -> None:
    first, second = (LeaseStore(access(local), "podwire", name) for name in NODES)
    one, two = first.grant(1), second.grant(1)
    first.commit([Check("/k", 0)], [Put("/k", "n1", one)])
    follower = second.follow("/")
    told = follower.next(1.0)
    assert isinstance(told, Snapshot) and [item.value for item in told.items] == ["n1"]
    with pytest.raises(Conflict):
        second.commit([Check("/k", 0)], [Put("/k", "n2", two)])
    for local.is_watch_stalled in (False, True):  # as long as it is renewed, it stays, whoever hears of it
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            assert (first.keep_alive(one), second.keep_alive(two)) == (1, 1)
            assert not follower.next(0.1)
    local.is_watch_stalled = False
    eventually(lambda: follower.next(0.1) and second.keep_alive(two))
    assert second.read("/k") is None
    second.commit([Check("/k", 0)], [Put("/k", "n2", two)])
    with pytest.raises(LeaseGone):
        first.keep_alive(one)
    with pytest.raises(LeaseGone):
        first.commit([Check("/k", 0)], [Put("/k", "n1", one)])
    item = second.read("/k")
    assert item is not None and item.value == "n2"
    second.commit([Check("/k", item.version)], [Delete("/k")])
    second.revoke(two)
    follower.close()
    assert not local.of["leases"].items


def test_leases_that_are_none_of_ours_and_a_namespace_that_is_not_there(local: ApiServer) -> None:
    store = LeaseStore(access(local), "podwire", "n1")
    leases = local.of["leases"]
    for n, spec in enumerate(
        ({}, {"holderIdentity": 3}, {"holderIdentity": "x", "leaseDurationSeconds": "x"})
    ):
        labels = {"podwire.io/part": "balancing"}
        metadata = {"name": f"odd{n}", "namespace": "podwire", "labels": labels}
        leases.create({"metadata": metadata | {"annotations": {"podwire.io/key": "/k"}}, "spec": spec})
    lease = store.grant(1)
    follower = store.follow("/")
    assert follower.next(1.0) == Snapshot((), 0)
    store.commit([Check("/holders/fd02::", 0)], [Put("/holders/fd02::", "n1", lease)])
    assert "podwire/podwire-holders-fd02--0" in leases.items
    follower.close()
    assert read_record({"metadata": [], "spec": None}) is None
    local.absent_namespaces.add("elsewhere")
    with pytest.raises(StoreRefused, match="elsewhere"):
        LeaseStore(access(local), "elsewhere", "n1").grant(1)

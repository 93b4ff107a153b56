"""What is written on our own Node, and what is read from others'."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster_store.store import StoreRefused, StoreUnavailable
from overlay.errors import NoLease, NotConfigured, Stolen
from overlay.node_annotations import ANNOTATION_PREFIX, OUR_ANNOTATION
from overlay.node_objects import KubernetesRegistry
from overlay.offers import vtep_mac
from overlay.record import Mode, NodeRecord, Offer
from overlay.registry import Nodes, Registry
from overlay.subnet import parse_subnet
from tests.kube_api.objects import managers
from tests.kube_api.server import ApiServer
from tests.overlay.node_objects.nodes import (
    DUAL,
    GOLDEN,
    MAC4,
    MAC6,
    NOON,
    V4,
    annotations_of,
    client_of,
    flannels_of,
    make_flannels,
    make_node,
    needs_golden,
    registry_of,
    wanted,
)


def test_it_is_a_registry(api: ApiServer, net_conf: Path) -> None:
    registry: Registry = registry_of(api, net_conf)
    assert registry.name == f"Kubernetes at {api.url}"


# What flanneld wrote, and what we write


@needs_golden
@pytest.mark.parametrize("number", [1, 2])
def test_what_flannel_wrote_on_a_node_is_read(api: ApiServer, net_conf: Path, number: int) -> None:
    recorded = json.loads((GOLDEN / f"node-{number}.after_n2.json").read_text())
    api.objects.create(recorded)
    (link,) = json.loads((GOLDEN / f"n{number}.link.flannel.1.json").read_text())

    (record,) = registry_of(api, net_conf).nodes().records

    assert record == NodeRecord(
        key=f"node-{number}",
        subnets=(parse_subnet(f"10.244.{number}.0/24"),),
        public4=f"192.168.77.{number}",
        offers=(Offer(Mode.VXLAN, 0, 1, link["address"]),),
        created=record.created,
    )


@needs_golden
@pytest.mark.parametrize("step", ["created", "before"])
def test_what_we_write_is_what_flannel_wrote(api: ApiServer, net_conf: Path, step: str) -> None:
    flannels = json.loads((GOLDEN / "node-1.after_n2.json").read_text())
    mac = json.loads(flannels["metadata"]["annotations"][f"{ANNOTATION_PREFIX}backend-data"])["VtepMAC"]
    api.objects.create(json.loads((GOLDEN / f"node-1.{step}.json").read_text()))
    net_conf.write_text((GOLDEN / "net-conf.json").read_text())

    registry_of(api, net_conf).acquire(wanted("192.168.77.1", mac=mac))

    ours = annotations_of(api, "node-1")
    assert OUR_ANNOTATION in ours
    assert {k: v for k, v in ours.items() if k != OUR_ANNOTATION} == flannels["metadata"]["annotations"]
    (condition,) = api.objects.nodes["node-1"]["status"]["conditions"]
    (theirs,) = flannels["status"]["conditions"]
    assert condition.keys() == theirs.keys()
    assert (condition["type"], condition["status"]) == (theirs["type"], theirs["status"])


@needs_golden
def test_a_node_that_was_flannels_is_taken_over(api: ApiServer, net_conf: Path) -> None:
    api.objects.create(json.loads((GOLDEN / "node-1.after_n2.json").read_text()))
    registry = registry_of(api, net_conf)
    (before,) = registry.nodes().records

    record = registry.acquire(before)

    assert (record.subnets, record.offers[0].mac4) == (before.subnets, before.offers[0].mac4)
    (condition,) = api.objects.nodes["node-1"]["status"]["conditions"]
    assert condition["reason"] == "PodwireIsUp"
    assert condition["lastTransitionTime"] == "2026-11-20T20:12:20Z"
    assert registry.nodes().records == (record,)


def test_a_node_without_any_annotation_works(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    assert "annotations" not in api.objects.nodes["node-1"]["metadata"]

    record = registry_of(api, net_conf).acquire(wanted())

    assert (record.key, record.node, record.subnets) == ("node-1", "node-1", (parse_subnet("10.244.1.0/24"),))
    assert registry_of(api, net_conf).nodes() == Nodes((record,))


@pytest.mark.parametrize(
    "annotations",
    [{"backend_type": "wireguard"}, {"backend_type": "vxlan", "backend_data": "{"}],
    ids=["a backend of flannel's that we have not", "no JSON"],
)
def test_what_nobody_can_read_is_written_over(
    api: ApiServer, net_conf: Path, annotations: dict[str, str]
) -> None:
    make_node(
        api, "node-1", "10.244.1.0/24", kube_subnet_manager="true", public_ip="192.0.2.7", **annotations
    )

    record = registry_of(api, net_conf).acquire(wanted())

    assert record.offers[0].mac4 == MAC4
    assert registry_of(api, net_conf).nodes() == Nodes((record,))


def test_a_mac_made_of_the_name_gives_way_to_the_one_that_peers_know(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-1", "10.244.1.0/24", mac=MAC6)

    record = registry_of(api, net_conf).acquire(wanted(mac=vtep_mac("node-1", 4)))

    assert record.offers[0].mac4 == MAC6


def test_two_families_are_written_as_flannel_names_them(api: ApiServer, net_conf: Path) -> None:
    net_conf.write_text(DUAL)
    make_node(api, "node-1", "10.244.1.0/24", "fd00:244:0:1::/64")

    registry_of(api, net_conf).acquire(wanted(public6="fd77::1"))

    assert flannels_of(annotations_of(api, "node-1")) == {
        "backend-data": f'{{"VNI":1,"VtepMAC":"{MAC4}"}}',
        "backend-v6-data": f'{{"VNI":1,"VtepMAC":"{MAC6}"}}',
        "backend-type": "vxlan",
        "kube-subnet-manager": "true",
        "public-ip": "192.0.2.1",
        "public-ipv6": "fd77::1",
    }


def test_what_flannel_wrote_of_a_family_that_is_off_goes(api: ApiServer, net_conf: Path) -> None:
    make_node(
        api, "node-1", "10.244.1.0/24", backend_v6_data=f'{{"VNI":1,"VtepMAC":"{MAC6}"}}',
        public_ipv6="fd77::1", public_ip="192.0.2.1", public_ip_overwrite="203.0.113.9",
    )  # fmt: skip

    registry_of(api, net_conf).acquire(wanted())

    left = flannels_of(annotations_of(api, "node-1"))
    assert left.keys() == {
        "backend-data", "backend-type", "kube-subnet-manager", "public-ip", "public-ip-overwrite",
    }  # fmt: skip


def test_the_condition_says_that_the_network_is_there(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    others = {"type": "Ready", "status": "True"}
    before = {"reason": "NoRouteCreated", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    absent = {"type": "NetworkUnavailable", "status": "True", **before}
    api.objects.update("node-1", lambda node: node["status"].update(conditions=[absent, others]))

    registry_of(api, net_conf).acquire(wanted())

    assert api.objects.nodes["node-1"]["status"]["conditions"] == [
        others,
        {
            "type": "NetworkUnavailable",
            "status": "False",
            "reason": "PodwireIsUp",
            "message": "podwire is running on this node",
            "lastHeartbeatTime": "2027-01-15T08:00:00Z",
            "lastTransitionTime": "2027-01-15T08:00:00Z",
        },
    ]
    assert managers(api.objects.nodes["node-1"])["podwire"]["subresource"] == "status"


def test_publishing_the_same_again_wakes_nobody(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    record = registry_of(api, net_conf).acquire(wanted())
    version = api.objects.version

    later = KubernetesRegistry(client_of(api), "node-1", net_conf, now=lambda: NOON + 9000)

    assert later.publish(record) == record
    assert api.objects.version == version


@pytest.mark.parametrize(
    "offer",
    [
        Offer(Mode.VXLAN, 0, 1, MAC4),
        Offer(Mode.VXLAN, 4789, 7, MAC4),
        Offer(Mode.GPE, 0, 1),
        Offer(Mode.DIRECT),
    ],
)
def test_what_we_write_is_read_as_it_was_meant(api: ApiServer, net_conf: Path, offer: Offer) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    registry = registry_of(api, net_conf)

    record = registry.acquire(replace(wanted(), offers=(offer,)))

    assert record.offers == (offer,)
    assert registry.nodes() == Nodes((record,))


def test_a_write_that_collides_is_decided_again(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    apply, calls = api.objects.apply, []

    def colliding(name: str, body: Any, **more: Any) -> Any:
        calls.append(body)
        if len(calls) == 1:
            api.objects.annotate(name, public_ip_overwrite="203.0.113.9")
        return apply(name, body, **more)

    api.objects.apply = colliding  # type: ignore[method-assign]

    assert registry_of(api, net_conf).acquire(wanted()).public4 == "203.0.113.9"
    assert len(calls) == 2


def test_a_node_that_always_collides_is_given_up(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    apply = api.objects.apply

    def colliding(name: str, body: Any, **more: Any) -> Any:
        api.objects.update(name, lambda node: node["metadata"].update(labels={"n": str(api.objects.version)}))
        return apply(name, body, **more)

    api.objects.apply = colliding  # type: ignore[method-assign]

    with pytest.raises(StoreUnavailable, match="changed 5 times"):
        registry_of(api, net_conf).acquire(wanted())


def test_another_node_under_the_same_name_is_not_written_on(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    record = registry_of(api, net_conf).acquire(wanted())
    apply = api.objects.apply

    def replaced(name: str, body: Any, **more: Any) -> Any:
        api.objects.apply = apply  # type: ignore[method-assign]
        api.objects.delete(name)
        make_node(api, name, "10.244.9.0/24")
        return apply(name, body, **more)

    api.objects.apply = replaced  # type: ignore[method-assign]

    with pytest.raises(Stolen, match=r"live on 10\.244\.1\.0/24, but Node node-1 now has 10\.244\.9\.0/24"):
        registry_of(api, net_conf).publish(record)
    assert "annotations" not in api.objects.nodes["node-1"]["metadata"]


# Addresses that people set


def test_an_overwritten_address_is_published_and_read(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24", public_ip_overwrite="203.0.113.9")

    record = registry_of(api, net_conf).acquire(wanted())

    assert record.public4 == "203.0.113.9"
    assert flannels_of(annotations_of(api, "node-1"))["public-ip"] == "203.0.113.9"


def test_an_overwrite_on_a_peer_of_flannels_is_honoured(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-2", "10.244.2.0/24")
    api.objects.annotate("node-2", public_ip_overwrite="203.0.113.9")

    (record,) = registry_of(api, net_conf).nodes().records

    assert record.public4 == "203.0.113.9"


@pytest.mark.parametrize("value", ["somewhere", "fd77::1"])
def test_an_overwrite_that_is_no_address_is_refused_by_name(
    api: ApiServer, net_conf: Path, value: str
) -> None:
    make_node(api, "node-1", "10.244.1.0/24", public_ip_overwrite=value)
    with pytest.raises(StoreRefused, match=f"public-ip-overwrite is '{value}', no IPv4 address"):
        registry_of(api, net_conf).acquire(wanted())


# No lease


@pytest.mark.parametrize(
    ("config", "cidrs", "sentence"),
    [
        (V4, (), r"no spec.podCIDRs \(yet\).*--allocate-node-cidrs=true --cluster-cidr=10\.244\.0\.0/16"),
        (DUAL, (), r"--cluster-cidr=10\.244\.0\.0/16,fd00:244::/48"),
        (DUAL, ("10.244.1.0/24",), r"no IPv6 subnet \(spec.podCIDRs: 10\.244\.1\.0/24\)"),
        (V4, ("10.99.1.0/24",), r"10\.99\.1\.0/24 is not in 10\.244\.0\.0/16"),
        (V4, ("10.0.0.0/8",), r"10\.0\.0\.0/8 is not in 10\.244\.0\.0/16"),
    ],
)
def test_without_a_subnet_that_fits_there_is_no_lease(
    api: ApiServer, net_conf: Path, config: str, cidrs: tuple[str, ...], sentence: str
) -> None:
    net_conf.write_text(config)
    make_node(api, "node-1", *cidrs)

    with pytest.raises(NoLease, match=sentence):
        registry_of(api, net_conf).acquire(wanted())

    assert not annotations_of(api, "node-1")


def test_a_subnet_that_comes_later_is_taken(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1")
    registry = registry_of(api, net_conf)
    with pytest.raises(NoLease):
        registry.acquire(wanted())

    api.objects.update("node-1", lambda node: node["spec"].update(podCIDR="10.244.1.0/24"))  # the old form

    assert registry.acquire(wanted()).subnets == (parse_subnet("10.244.1.0/24"),)


def test_a_family_that_is_off_is_not_taken(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "fd00:244:0:1::/64", "10.244.1.0/24")

    assert registry_of(api, net_conf).acquire(wanted()).subnets == (parse_subnet("10.244.1.0/24"),)


def test_a_node_that_is_not_there_is_not_made(api: ApiServer, net_conf: Path) -> None:
    with pytest.raises(NoLease, match="there is no Node node-1: does the kubelet run"):
        registry_of(api, net_conf).acquire(wanted())
    assert not api.objects.nodes


def test_other_subnets_than_pods_live_on_are_stolen_ones(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.7.0/24")
    make_flannels(api, "node-5", "10.244.1.0/24")
    held = NodeRecord("node-1", (parse_subnet("10.244.1.0/24"),), "192.0.2.1", offers=wanted().offers)

    for write in (registry_of(api, net_conf).acquire, registry_of(api, net_conf).publish):
        with pytest.raises(Stolen, match=r"now has 10\.244\.7\.0/24; Node node-5 has 10\.244\.1\.0/24"):
            write(held)
    with pytest.raises(Stolen):
        registry_of(api, net_conf).keep_alive(held)
    assert not annotations_of(api, "node-1")


def test_the_node_is_the_life_of_the_lease(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    registry = registry_of(api, net_conf)
    record = registry.acquire(wanted())
    assert registry.keep_alive(record) > 60

    api.objects.delete("node-1")

    with pytest.raises(Stolen, match=r"Node node-1 is gone.*10\.244\.1\.0/24 to another"):
        registry.keep_alive(record)
    with pytest.raises(Stolen, match="is gone"):
        registry.publish(record)


def test_kubernetes_gives_no_second_block_and_takes_none_back(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    registry = registry_of(api, net_conf)
    record = registry.acquire(wanted())

    with pytest.raises(NoLease, match="--node-cidr-mask-size-ipv4"):
        registry.grow(record, 4)
    for force in (False, True):
        with pytest.raises(StoreRefused, match="kubectl delete node node-1"):
            registry.release("node-1", force=force)


def test_a_configuration_that_is_not_there_says_where_it_is_missed(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    net_conf.unlink()
    with pytest.raises(NotConfigured, match=f"there is no {net_conf}"):
        registry_of(api, net_conf).acquire(wanted())
    net_conf.write_text("{")
    with pytest.raises(NotConfigured, match=f"{net_conf}: not JSON"):
        registry_of(api, net_conf).net_conf()

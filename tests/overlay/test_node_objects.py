"""Nodes as the overlay's registry: what is written on ours, what is read from others', and what follows."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster_store.kubernetes import KubernetesClient
from cluster_store.kubernetes_access import Access, FixedToken
from cluster_store.store import StoreRefused, StoreUnavailable
from overlay.errors import NoLease, NotConfigured, Stolen
from overlay.net_conf_file import NetConfFile
from overlay.node_annotations import ANNOTATION_PREFIX, OUR_ANNOTATION
from overlay.node_following import NodeObjectsFollower
from overlay.node_objects import KubernetesRegistry
from overlay.offers import vtep_mac
from overlay.record import Mode, NodeRecord, Offer
from overlay.registry import Changed, Nodes, Refused, Registry
from overlay.subnet import parse_subnet
from tests.kube_api.objects import managers
from tests.kube_api.server import ApiServer, running_api
from tests.overlay.flannel.recordings import FOLDER

GOLDEN = FOLDER / "e_kube_v4"
MAC4, MAC6 = "3e:62:84:e3:03:f7", "da:4a:18:b1:1f:bb"
V4 = '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}'
DUAL = '{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"}'
NOON = 1_800_000_000.0

needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="the recordings of flanneld are not here")


@pytest.fixture
def api(host: None) -> Iterator[ApiServer]:
    """Serve Nodes in a fresh namespace."""
    with running_api() as server:
        yield server


@pytest.fixture
def net_conf(tmp_path: Path) -> Path:
    """Write a configuration of IPv4."""
    file = tmp_path / "net-conf.json"
    file.write_text(V4)
    return file


def client_of(api: ApiServer) -> KubernetesClient:
    return KubernetesClient(Access(api.url, "127.0.0.1", api.http.server_port, FixedToken()), page=3)


def registry_of(api: ApiServer, net_conf: Path, node: str = "node-1") -> KubernetesRegistry:
    return KubernetesRegistry(client_of(api), node, net_conf, now=lambda: NOON)


def follower_of(api: ApiServer, net_conf: Path) -> NodeObjectsFollower:
    return NodeObjectsFollower(client_of(api), NetConfFile(net_conf), ANNOTATION_PREFIX, hold=0)


def make_node(api: ApiServer, name: str, *cidrs: str, **annotations: str) -> None:
    """Make a Node with subnets; without annotations it has no such member at all."""
    spec: dict[str, Any] = {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}
    api.objects.create({"metadata": {"name": name}, "spec": spec})
    if annotations:
        api.objects.annotate(name, **annotations)


def make_flannels(api: ApiServer, name: str, *cidrs: str, public: str = "192.0.2.7", mac: str = MAC4) -> None:
    """Make a Node as a flanneld leaves it."""
    make_node(
        api, name, *cidrs, backend_type="vxlan", kube_subnet_manager="true", public_ip=public,
        backend_data=json.dumps({"VNI": 1, "VtepMAC": mac}),
    )  # fmt: skip


def wanted(public4: str = "192.0.2.1", public6: str = "", mac: str = MAC4) -> NodeRecord:
    offer = Offer(Mode.VXLAN, 8472, 1, mac, MAC6 if public6 else "")
    return NodeRecord("", (), public4, public6, (offer,), boot="b1", mtu=1500)


def annotations_of(api: ApiServer, name: str) -> dict[str, str]:
    return dict(api.objects.nodes[name]["metadata"].get("annotations", {}))


def flannels_of(annotations: dict[str, str]) -> dict[str, str]:
    return {
        key.removeprefix(ANNOTATION_PREFIX): value
        for key, value in annotations.items()
        if key.startswith(ANNOTATION_PREFIX)
    }


def snapshot(follower: NodeObjectsFollower) -> dict[str, NodeRecord]:
    got = follower.next(10)
    assert isinstance(got, Nodes), got
    return {one.key: one for one in got.records}


def change(follower: NodeObjectsFollower) -> dict[str, NodeRecord | Refused | None]:
    got = follower.next(10)
    assert isinstance(got, Changed), got
    return got.records


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


# Following


def test_a_cluster_of_ours_is_followed_by_metadata_alone(api: ApiServer, net_conf: Path) -> None:
    for number in (1, 2, 3, 4):
        make_node(api, f"node-{number}", f"10.244.{number}.0/24")
        registry_of(api, net_conf, f"node-{number}").acquire(wanted(f"192.0.2.{number}"))
    follower = follower_of(api, net_conf)
    asked = len(api.asked)

    records = snapshot(follower)
    registry_of(api, net_conf, "node-2").publish(replace(records["node-2"], public4="192.0.2.99"))
    changed = change(follower)

    assert {key: one.subnets for key, one in records.items()} == {
        f"node-{number}": (parse_subnet(f"10.244.{number}.0/24"),) for number in (1, 2, 3, 4)
    }
    assert [(key, one.public4) for key, one in changed.items() if isinstance(one, NodeRecord)] == [
        ("node-2", "192.0.2.99")
    ]
    assert follower.is_metadata
    lists = [one for one in api.asked[asked:] if one.method == "GET" and one.path == "/api/v1/nodes"]
    assert all(one.is_metadata for one in lists)
    follower.close()


def test_one_node_of_flannels_is_enough_for_whole_nodes(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    registry_of(api, net_conf).acquire(wanted())
    make_flannels(api, "node-2", "10.244.2.0/24")
    follower = follower_of(api, net_conf)

    records = snapshot(follower)

    assert records["node-2"].subnets == (parse_subnet("10.244.2.0/24"),)
    assert not follower.is_metadata
    follower.close()


def test_a_node_of_flannels_that_joins_later_brings_whole_nodes(api: ApiServer, net_conf: Path) -> None:
    make_node(api, "node-1", "10.244.1.0/24")
    registry_of(api, net_conf).acquire(wanted())
    follower = follower_of(api, net_conf)
    assert snapshot(follower).keys() == {"node-1"}

    make_flannels(api, "node-2", "10.244.2.0/24")
    records = snapshot(follower)

    assert records.keys() == {"node-1", "node-2"}
    assert not follower.is_metadata
    follower.close()


def test_metadata_is_enough_again_when_the_last_node_has_moved(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-1", "10.244.1.0/24")
    follower = follower_of(api, net_conf)
    (before,) = snapshot(follower).values()

    moved = registry_of(api, net_conf).acquire(before)

    assert change(follower) == {"node-1": moved}
    assert snapshot(follower) == {"node-1": moved}
    assert follower.is_metadata
    follower.close()


@pytest.mark.parametrize("one", [{"public_ip": "192.0.2.9"}, {"public_ipv6": "fd77::9"}])
def test_a_change_of_one_family_alone_is_followed(
    api: ApiServer, net_conf: Path, one: dict[str, str]
) -> None:
    net_conf.write_text(DUAL)
    make_flannels(api, "node-2", "10.244.2.0/24", "fd00:244:0:2::/64")
    api.objects.annotate(
        "node-2", backend_v6_data=json.dumps({"VNI": 1, "VtepMAC": MAC6}), public_ipv6="fd77::7"
    )
    follower = follower_of(api, net_conf)
    assert snapshot(follower)["node-2"].public6 == "fd77::7"

    api.objects.annotate("node-2", **one)
    record = change(follower)["node-2"]

    assert isinstance(record, NodeRecord)
    seen = {"public_ip": record.public4, "public_ipv6": record.public6}
    assert seen == {"public_ip": "192.0.2.7", "public_ipv6": "fd77::7"} | one
    follower.close()


def test_other_pod_cidrs_of_a_peer_are_followed(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-2", "10.244.2.0/24")
    follower = follower_of(api, net_conf)
    snapshot(follower)

    api.objects.update("node-2", lambda node: node["spec"].update(podCIDRs=["10.244.8.0/24"]))
    record = change(follower)["node-2"]

    assert isinstance(record, NodeRecord)
    assert record.subnets == (parse_subnet("10.244.8.0/24"),)
    follower.close()


def test_a_node_that_is_deleted_or_bared_is_gone(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-2", "10.244.2.0/24")
    make_flannels(api, "node-3", "10.244.3.0/24")
    make_flannels(api, "node-4", "10.244.4.0/24")
    follower = follower_of(api, net_conf)
    snapshot(follower)

    api.objects.delete("node-2")
    assert change(follower) == {"node-2": None}
    api.objects.annotate("node-3", backend_type=None)
    assert change(follower) == {"node-3": None}
    follower.close()


def test_what_changes_nothing_for_the_overlay_is_not_told(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-2", "10.244.2.0/24")
    follower = follower_of(api, net_conf)
    snapshot(follower)

    api.objects.update("node-2", lambda node: node["metadata"].update(labels={"zone": "b"}))
    make_node(api, "node-3", "10.244.3.0/24")  # nobody's yet

    assert follower.next(0.3) is None
    follower.close()


def test_a_record_that_is_none_is_refused_and_harms_nobody(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-2", "10.244.2.0/24", mac="ff:ff:ff:ff:ff:ff")
    make_flannels(api, "node-3", "10.244.3.0/24")
    follower = follower_of(api, net_conf)

    got = follower.next(10)

    assert isinstance(got, Nodes)
    assert [one.key for one in got.records] == ["node-3"]
    assert [one.key for one in got.refused] == ["node-2"]
    api.objects.annotate("node-2", backend_data=json.dumps({"VNI": 1, "VtepMAC": MAC4}))
    assert isinstance(change(follower)["node-2"], NodeRecord)
    follower.close()


def test_what_happened_in_an_outage_is_told_after_it(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-2", "10.244.2.0/24")
    make_flannels(api, "node-3", "10.244.3.0/24")
    follower = follower_of(api, net_conf)
    snapshot(follower)
    assert follower.next(0.01) is None
    api.wait_watchers(1)

    api.drop_connections()
    api.wait_watchers(0)
    api.objects.delete("node-2")
    api.objects.compact()
    with pytest.raises(StoreUnavailable):
        follower.next(10)

    assert snapshot(follower).keys() == {"node-3"}
    follower.close()


def test_the_last_of_flannels_may_go_in_an_outage(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-2", "10.244.2.0/24")
    follower = follower_of(api, net_conf)
    snapshot(follower)
    assert follower.next(0.01) is None
    api.wait_watchers(1)

    api.drop_connections()
    api.wait_watchers(0)
    api.objects.delete("node-2")
    api.objects.compact()
    with pytest.raises(StoreUnavailable):
        follower.next(10)

    assert snapshot(follower) == {}
    assert snapshot(follower) == {}
    assert follower.is_metadata
    follower.close()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_follower_ends_up_with_what_there_is(
    api: ApiServer, net_conf: Path, seed: int
) -> None:
    follower, chance = follower_of(api, net_conf), random.Random(seed)
    told: dict[str, NodeRecord | Refused] = {}
    for _ in range(60):
        happen(api, chance, net_conf)
        if chance.random() < 0.6:
            take(follower, told, 0.01)

    expected = {one.key: one for one in registry_of(api, net_conf).nodes().records}
    deadline = time.monotonic() + 20
    while told != expected and time.monotonic() < deadline:
        take(follower, told, 0.2)

    assert told == expected
    follower.close()


def take(follower: NodeObjectsFollower, told: dict[str, NodeRecord | Refused], timeout: float) -> None:
    """Follow as the agent does, and keep in `told` what it would have in its hands."""
    try:
        got = follower.next(timeout)
    except StoreUnavailable:
        return
    if isinstance(got, Nodes):
        told.clear()
        told.update({one.key: one for one in got.records})
        told.update({one.key: one for one in got.refused})
    elif isinstance(got, Changed):
        for key, one in got.records.items():
            told.pop(key, None)
            if one is not None:
                told[key] = one


def happen(api: ApiServer, chance: random.Random, net_conf: Path) -> None:
    """Let one thing happen to a cluster of six nodes."""
    number = chance.randrange(1, 7)
    name, address = f"node-{number}", f"192.0.2.{chance.randrange(1, 200)}"
    fault = chance.randrange(12)
    if name not in api.objects.nodes:
        make = chance.choice((make_node, make_flannels))
        make(api, name, f"10.244.{number}.0/24")
    elif fault == 0:
        api.objects.delete(name)
    elif fault == 1:
        api.objects.compact()
    elif fault == 2:
        api.drop_connections()
    elif fault == 3:
        api.end_watches()
    elif fault == 4:
        api.bookmark()
    elif fault == 5:
        api.break_next = [503]
    elif fault in (6, 7):
        api.objects.annotate(name, public_ip=address)
    else:
        with contextlib.suppress(StoreUnavailable):
            registry_of(api, net_conf, name).acquire(wanted(address))


def test_a_changed_configuration_is_told(api: ApiServer, net_conf: Path) -> None:
    follower = follower_of(api, net_conf)
    snapshot(follower)

    net_conf.write_text(DUAL)

    assert follower.next(5) == Changed({}, net_conf=True)
    assert follower.next(0.01) is None
    follower.close()


def test_close_ends_a_wait_in_another_thread(api: ApiServer, net_conf: Path) -> None:
    follower = follower_of(api, net_conf)
    snapshot(follower)
    got: list[object] = []
    waiting = threading.Thread(target=lambda: got.append(follower.next(60)))
    waiting.start()
    api.wait_watchers(1)

    before = time.monotonic()
    follower.close()
    waiting.join(50)

    assert got == [None]
    assert time.monotonic() - before < 30

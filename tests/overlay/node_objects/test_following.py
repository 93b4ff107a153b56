"""What follows when Nodes change."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cluster_store.store import StoreUnavailable
from overlay.node_following import NodeObjectsFollower
from overlay.record import NodeRecord
from overlay.registry import Changed, Nodes, Refused
from overlay.subnet import parse_subnet
from tests.kube_api.server import ApiServer
from tests.overlay.node_objects.nodes import (
    DUAL,
    MAC4,
    MAC6,
    change,
    follower_of,
    make_flannels,
    make_node,
    registry_of,
    snapshot,
    wanted,
)


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


def lose_in_an_outage(api: ApiServer, follower: NodeObjectsFollower, name: str) -> None:
    """Delete a node while nobody watches, and have its history forgotten."""
    snapshot(follower)
    assert follower.next(0.01) is None
    api.wait_watchers(1)

    api.drop_connections()
    api.wait_watchers(0)
    api.objects.delete(name)
    api.objects.compact()
    with pytest.raises(StoreUnavailable):
        follower.next(10)


def test_what_happened_in_an_outage_is_told_after_it(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-2", "10.244.2.0/24")
    make_flannels(api, "node-3", "10.244.3.0/24")
    follower = follower_of(api, net_conf)
    lose_in_an_outage(api, follower, "node-2")

    assert snapshot(follower).keys() == {"node-3"}
    follower.close()


def test_the_last_of_flannels_may_go_in_an_outage(api: ApiServer, net_conf: Path) -> None:
    make_flannels(api, "node-2", "10.244.2.0/24")
    follower = follower_of(api, net_conf)
    lose_in_an_outage(api, follower, "node-2")

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

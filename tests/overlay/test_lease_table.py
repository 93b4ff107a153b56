"""Which record stands for which key: flannel's while it lives, the owner's after it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cluster_store.store import Event, Item
from overlay.flannel_form import dump_lease
from overlay.lease_keys import Keys
from overlay.lease_table import LeaseTable
from overlay.record import NodeRecord
from overlay.registry import Refused
from overlay.subnet import parse_subnet
from tests.overlay.records import classic, node

KEYS = Keys()
OURS = node(17)
FLANNELS = replace(OURS, node="", boot="", mtu=0, wire_version=0, offers=(classic(17, port=0),))
RESERVED = json.dumps({"PublicIP": "0.0.0.0", "BackendType": "reserved", "Podwire": {"Reserved": "router"}})


def item(key: str, value: NodeRecord | str, created: int = 1) -> Item:
    return Item(key, value if isinstance(value, str) else dump_lease(value), created, created)


def lease(value: NodeRecord | str = OURS, created: int = 1) -> Item:
    return item(KEYS.lease(OURS.key), value, created)


def owned(value: NodeRecord | str = OURS, created: int = 1) -> Item:
    return item(KEYS.owned(OURS.key), value, created)


ALIVE = item(KEYS.alive("node-17"), "b1")


def record(*items: Item) -> NodeRecord | Refused | None:
    table = LeaseTable(KEYS)
    table.fill(items)
    return table.record(OURS.key)


STANDING: dict[str, tuple[tuple[Item, ...], NodeRecord | None]] = {
    "nothing": ((), None),
    "ours, alive": ((lease(created=5), owned(created=5), ALIVE), replace(OURS, created=5)),
    "ours, silent": ((lease(created=5), owned(created=5)), replace(OURS, created=5, is_live=False)),
    "ours, after a day": ((owned(created=5),), replace(OURS, created=5, is_live=False)),
    "ours, after a day, its TTL back": (
        (lease(created=9), owned(created=5), ALIVE),
        replace(OURS, created=5),
    ),
    "flannel's": ((lease(FLANNELS, 5),), replace(FLANNELS, created=5)),
    "flannel's, that was ours": (
        (lease(FLANNELS, 9), owned(created=5)),
        replace(FLANNELS, created=9),
    ),
    "flannel's, taken by a flanneld on another address": (
        (lease(replace(FLANNELS, public4="198.51.100.1"), 9), owned(created=5), ALIVE),
        replace(FLANNELS, public4="198.51.100.1", created=9),
    ),
    "reserved": ((lease(RESERVED), owned(RESERVED)), None),
    "its own damaged copy is no matter": ((lease(created=9), owned("{", 5), ALIVE), replace(OURS, created=9)),
}


@pytest.mark.parametrize("name", STANDING)
def test_one_record_stands_for_a_key(name: str) -> None:
    items, expected = STANDING[name]
    assert record(*items) == expected


def test_what_is_no_record_says_why() -> None:
    seen = record(lease("{"))
    assert isinstance(seen, Refused) and seen.key == OURS.key and "JSON" in seen.reason


def test_events_tell_what_has_changed() -> None:
    table = LeaseTable(KEYS)
    table.fill([lease(), owned(), ALIVE, item(KEYS.config, "{}"), item("/coreos.com/network/more", "x")])
    assert table.config is not None and table.names() == [OURS.key]
    gone = [Event(KEYS.lease(OURS.key), None), Event(KEYS.alive("node-17"), None), Event("/elsewhere", None)]
    assert table.change(gone) == ({OURS.key}, {"node-17"}, False)
    assert table.change([Event(KEYS.config, None)]) == (set(), set(), True)
    assert table.config is None and table.names() == [OURS.key]
    assert table.change([Event(KEYS.owned(OURS.key), None)]) == ({OURS.key}, set(), False)
    assert table.names() == [] and table.record(OURS.key) is None


def test_a_snapshot_begins_anew() -> None:
    table = LeaseTable(KEYS)
    table.fill([lease(), owned(), ALIVE, item(KEYS.config, "{}")])
    table.fill([])
    assert table.names() == [] and table.config is None and not table.alive


def test_all_records_and_all_that_are_none() -> None:
    table = LeaseTable(KEYS)
    table.fill([lease(), item(KEYS.lease("nonsense"), "{}"), item(KEYS.lease("10.244.9.0-24"), RESERVED)])
    records, refused = table.records()
    assert [one.key for one in records] == [OURS.key]
    assert [one.key for one in refused] == ["nonsense"]


def test_keys_are_flannels_and_ours_beside_them() -> None:
    keys = Keys("/net")
    subnet = parse_subnet("fd00::/64")
    made = {
        "/net/config": ("config", ""),
        keys.lease("10.244.1.0-24&fd00::-64"): ("subnets", "10.244.1.0-24&fd00::-64"),
        keys.owned("10.244.1.0-24"): ("owned", "10.244.1.0-24"),
        keys.alloc(subnet): ("alloc", "fd00::-64"),
        keys.alive("node/1"): ("alive", "node/1"),
        "/net/subnets": ("subnets", ""),
        "/network/config": ("", "/network/config"),
        "/net/else": ("", "/net/else"),
    }
    assert {key: keys.split(key) for key in made} == made
    assert keys.lease("x") == "/net/subnets/x" and keys.owned("x") == "/net/podwire/owned/x"
    flannels = {"subnets/", "config"}
    assert not [
        key
        for key in (keys.owned("x"), keys.alloc(subnet), keys.alive("n"))
        if key[5:].startswith(tuple(flannels))
    ]


def test_a_deeply_nested_value_is_refused() -> None:
    assert isinstance(record(lease("[" * 10_000)), Refused)

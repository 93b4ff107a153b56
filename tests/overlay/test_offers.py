"""What a node offers while it changes its ways: first the new beside the old, then the new alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from overlay.net_conf import NetConf, parse_net_conf
from overlay.offers import configured_offer, is_same_way, may_drop_old, offers_now
from overlay.record import Mode, Offer
from tests.overlay.records import classic, node

OLD, NEW = Offer(Mode.VXLAN, 8472, 1, "02:00:00:00:00:01"), Offer(Mode.GPE, 4790, 1)


def conf(**backend: object) -> NetConf:
    return parse_net_conf(json.dumps({"Network": "10.244.0.0/16", "Backend": backend}), "here")[0]


OFFERS = [
    ({}, Offer(Mode.VXLAN, 8472, 1, "m4", "m6")),
    ({"Type": "vxlan", "VNI": 7, "Port": 4789}, Offer(Mode.VXLAN, 4789, 7, "m4", "m6")),
    ({"Type": "vxlan-gpe"}, Offer(Mode.GPE, 4790, 1)),
    ({"Type": "host-gw"}, Offer(Mode.DIRECT)),
    ({"Type": "direct"}, Offer(Mode.DIRECT)),
]


@pytest.mark.parametrize(("backend", "offer"), OFFERS)
def test_the_configuration_says_what_is_offered(backend: dict[str, object], offer: Offer) -> None:
    assert configured_offer(conf(**backend), "m4", "m6") == offer


def test_the_new_way_comes_first_and_the_old_one_stays() -> None:
    assert offers_now(NEW, (OLD,)) == (NEW, OLD)
    assert offers_now(NEW, (NEW, OLD)) == (NEW, OLD)
    assert offers_now(OLD, (NEW, OLD)) == (OLD, NEW)
    assert offers_now(OLD, ()) == (OLD,)


def test_another_mac_is_the_same_way() -> None:
    moved = replace(OLD, mac4="02:00:00:00:00:02")
    assert is_same_way(OLD, moved) and offers_now(moved, (OLD,)) == (moved,)
    assert not is_same_way(OLD, replace(OLD, port=4789)) and not is_same_way(OLD, replace(OLD, vni=2))


def test_the_old_way_goes_when_all_who_live_have_the_new_one() -> None:
    both, old = node(1, offers=(NEW, classic(1))), node(2, offers=(classic(2),))
    assert may_drop_old(NEW, [both]) and may_drop_old(NEW, [])
    assert not may_drop_old(NEW, [both, old])
    assert may_drop_old(NEW, [both, replace(old, is_live=False)])


def test_a_flanneld_keeps_the_old_way_open() -> None:
    flanneld = node(3, offers=(classic(3, port=0),), node="", boot="", wire_version=0)
    assert not may_drop_old(NEW, [node(1, offers=(NEW,)), flanneld])


def test_a_flanneld_that_has_the_new_vni_keeps_nothing_open() -> None:
    """Its record names no port: it has the network's."""
    wanted = Offer(Mode.VXLAN, 8472, 7)
    old = node(3, offers=(classic(3, port=0),), node="", boot="", wire_version=0)
    assert not may_drop_old(wanted, [old])
    assert may_drop_old(wanted, [replace(old, offers=(classic(3, port=0, vni=7),))])

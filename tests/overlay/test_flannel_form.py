"""flannel's forms: one table for both directions, what flannel really wrote, and what only malice writes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.errors import BadRecord
from overlay.flannel_form import OURS, dump_lease, lease_key, load_lease, parse_lease_key
from overlay.node_annotations import OUR_ANNOTATION, dump_annotations, load_annotations
from overlay.record import Mode, NodeRecord, Offer
from overlay.record_members import SIZE_LIMIT
from overlay.subnet import parse_subnet
from tests.overlay import golden
from tests.overlay.records import node, records

A = parse_subnet("10.244.17.0/24")
B = parse_subnet("fd00:244:0:13::/64")
KEY, BOTH = "10.244.17.0-24", "10.244.17.0-24&fd00:244:0:13::-64"
MAC, MAC6 = "56:af:97:5b:4d:6f", "da:4a:18:b1:1f:bb"
CLASSIC: dict[str, Any] = {
    "PublicIP": "192.0.2.1", "PublicIPv6": None, "BackendType": "vxlan",
    "BackendData": {"VNI": 1, "VtepMAC": MAC},
}  # fmt: skip


def ours(*offers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {OURS: {"Version": 1, "Node": "n", "Boot": "b", **more, "Offers": list(offers)}}


def mine(*offers: Offer, **fields: Any) -> NodeRecord:
    made: dict[str, Any] = {"public4": "192.0.2.1", "node": "n", "boot": "b", "wire_version": 1} | fields
    return NodeRecord(KEY, (A,), offers=offers, **made)


CASES: dict[str, tuple[NodeRecord, dict[str, Any]]] = {
    "flannel's vxlan": (NodeRecord(KEY, (A,), "192.0.2.1", offers=(Offer(Mode.VXLAN, 0, 1, MAC),)), CLASSIC),
    "flannel's host-gw": (
        NodeRecord(KEY, (A,), "192.0.2.1", offers=(Offer(Mode.DIRECT),)),
        {"PublicIP": "192.0.2.1", "PublicIPv6": None, "BackendType": "host-gw"},
    ),
    "flannel's dual stack": (
        NodeRecord(BOTH, (A, B), "192.0.2.1", "fd77::2", (Offer(Mode.VXLAN, 0, 7, MAC, MAC6),)),
        {
            "PublicIP": "192.0.2.1", "PublicIPv6": "fd77::2", "BackendType": "vxlan",
            "BackendData": {"VNI": 7, "VtepMAC": MAC}, "BackendV6Data": {"VNI": 7, "VtepMAC": MAC6},
        },
    ),
    "flannel's IPv6 alone": (
        NodeRecord("fd00:244:0:13::-64", (B,), "", "fd77::2", (Offer(Mode.VXLAN, 0, 7, "", MAC6),)),
        {
            "PublicIP": "0.0.0.0", "PublicIPv6": "fd77::2", "BackendType": "vxlan",
            "BackendV6Data": {"VNI": 7, "VtepMAC": MAC6},
        },
    ),
    "ours, classic": (
        mine(Offer(Mode.VXLAN, 8472, 1, MAC), mtu=1400, zone="east"),
        CLASSIC | ours({"Mode": "vxlan", "Port": 8472, "VNI": 1}, MTU=1400, Zone="east"),
    ),
    "ours, without MACs": (
        mine(Offer(Mode.GPE, 4790, 1)),
        {"PublicIP": "192.0.2.1", "PublicIPv6": None, "BackendType": "vxlan-gpe"}
        | ours({"Mode": "vxlan-gpe", "Port": 4790, "VNI": 1}),
    ),
    "ours, changing over": (
        mine(Offer(Mode.GPE, 4790, 1), Offer(Mode.VXLAN, 8472, 1, MAC), Offer(Mode.DIRECT)),
        CLASSIC
        | ours(
            {"Mode": "vxlan-gpe", "Port": 4790, "VNI": 1},
            {"Mode": "vxlan", "Port": 8472, "VNI": 1},
            {"Mode": "direct"},
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_record_and_its_value_say_the_same(name: str) -> None:
    record, value = CASES[name]
    assert json.loads(dump_lease(record)) == value
    assert list(json.loads(dump_lease(record))) == list(value), "flannel's members come in flannel's order"
    assert load_lease(record.key, json.dumps(value)) == record


@given(records())
def test_what_is_written_is_read_back(record: NodeRecord) -> None:
    assert load_lease(record.key, dump_lease(record), created=record.created) == record


@given(records())
def test_what_is_annotated_is_read_back(record: NodeRecord) -> None:
    annotations = dump_annotations(record)
    cidrs = [str(one) for one in record.subnets]
    assert load_annotations(record.key, annotations, cidrs, created=record.created) == record
    if record.wire_version:
        assert load_annotations(record.key, annotations, created=record.created) == record


@given(records())
def test_a_flanneld_sees_its_own_members_first_and_nothing_of_ours_among_them(record: NodeRecord) -> None:
    members = list(json.loads(dump_lease(record)))
    flannels = ["PublicIP", "PublicIPv6", "BackendType", "BackendData", "BackendV6Data", OURS]
    assert members == [one for one in flannels if one in members]


@pytest.mark.parametrize(("key", "value"), golden.leases())
def test_what_flannel_wrote_is_written_again_byte_for_byte(key: str, value: str) -> None:
    record = load_lease(key, value)
    assert lease_key(record.subnets) == key
    assert dump_lease(record) == value
    written = dump_lease(replace(record, node="n", boot="b", wire_version=1))
    assert written.startswith(f'{value[:-1]},"{OURS}":')


@pytest.mark.parametrize("summary", golden.nodes(), ids=lambda one: one["name"])
def test_what_flannel_annotated_is_annotated_again(summary: dict[str, Any]) -> None:
    seen = {key: text for key, text in summary["annotations"].items() if key.startswith("flannel.")}
    record = load_annotations(summary["name"], seen, summary["podCIDRs"])
    assert record is not None
    written = dump_annotations(record)
    assert written == seen or {key: text for key, text in written.items() if key != OUR_ANNOTATION} == seen


def test_a_block_says_whose_it_is() -> None:
    block = node(1, block_of="10.244.9.0-24")
    assert load_lease(block.key, dump_lease(block)).block_of == "10.244.9.0-24"


def with_(**members: Any) -> str:
    return json.dumps(CLASSIC | members)


def data(vni: Any = 1, mac: Any = MAC) -> str:
    return with_(BackendData={"VNI": vni, "VtepMAC": mac})


HOSTILE: dict[str, str] = {
    "nothing": "",
    "no JSON": "{",
    "no object": "[]",
    "null": "null",
    "too large": json.dumps(CLASSIC | {"x": "y" * SIZE_LIMIT}),
    "too large in bytes": json.dumps(CLASSIC | {"x": "é" * (SIZE_LIMIT * 2 // 3)}, ensure_ascii=False),
    "nested": "[" * 8000,
    "nested objects": '{"a":' * 2700,
    "a number of many digits": '{"PublicIP": ' + "9" * 9000 + "}",
    "no address": with_(PublicIP=None),
    "address: zero": with_(PublicIP="0.0.0.0"),
    "address: a number": with_(PublicIP=3221225985),
    "address: true": with_(PublicIP=True),
    "address: a list": with_(PublicIP=[":"]),
    "address: an object": with_(PublicIP={"a": 1}),
    "address: loopback": with_(PublicIP="127.0.0.1"),
    "address: of this network": with_(PublicIP="0.1.2.3"),
    "address: multicast": with_(PublicIP="239.1.1.1"),
    "address: broadcast": with_(PublicIP="255.255.255.255"),
    "address: IPv6 as IPv4": with_(PublicIP="fd77::1"),
    "address: IPv4 as IPv6": with_(PublicIPv6="192.0.2.1"),
    "address: IPv6 multicast": with_(PublicIPv6="ff02::1"),
    "address: IPv6 loopback": with_(PublicIPv6="::1"),
    "address: NUL": with_(PublicIP="192.0.2.1\0"),
    "address: a newline": with_(PublicIP="192.0.2.1\n"),
    "address: other digits": with_(PublicIP="١٩٢.0.2.1"),
    "address: half a surrogate": with_(PublicIP="\ud800"),
    "address: octal": with_(PublicIP="192.0.2.010"),
    "address: with a zone": with_(PublicIPv6="fe80::1%eth0"),
    "MAC: none": with_(BackendData=None),
    "MAC: missing": with_(BackendData={"VNI": 1}),
    "MAC: data as text": with_(BackendData="VNI"),
    "MAC: data as a list": with_(BackendData=[1]),
    "MAC: a number": data(mac=1),
    "MAC: multicast": data(mac="01:00:5e:00:00:01"),
    "MAC: broadcast": data(mac="ff:ff:ff:ff:ff:ff"),
    "MAC: zero": data(mac="00:00:00:00:00:00"),
    "MAC: too long": data(mac=f"{MAC}:00"),
    "MAC: a newline": data(mac=f"{MAC}\n"),
    "MAC: NUL": data(mac=f"{MAC}\0"),
    "MAC: other digits": data(mac="٥6:af:97:5b:4d:6f"),
    "VNI: 2^24": data(vni=1 << 24),
    "VNI: 0": data(vni=0),
    "VNI: below 0": data(vni=-1),
    "VNI: true": data(vni=True),
    "VNI: a fraction": data(vni=1.5),
    "VNI: text": data(vni="1"),
    "VNI: infinite": data(vni=float("inf")),
    "VNI: null": data(vni=None),
    "backend: unknown": with_(BackendType="wireguard"),
    "backend: a list": with_(BackendType=["vxlan"]),
    "backend: missing": json.dumps({"PublicIP": "192.0.2.1"}),
    "offer: port too high": json.dumps(CLASSIC | ours({"Mode": "vxlan", "Port": 65536, "VNI": 1})),
    "offer: port true": json.dumps(CLASSIC | ours({"Mode": "vxlan", "Port": True, "VNI": 1})),
    "offer: VNI missing": json.dumps(CLASSIC | ours({"Mode": "vxlan-gpe", "Port": 4790})),
    "offer: VNI 2^24": json.dumps(CLASSIC | ours({"Mode": "vxlan-gpe", "Port": 4790, "VNI": 1 << 24})),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_is_no_record_and_the_reason_is_short(name: str) -> None:
    with pytest.raises(BadRecord) as caught:
        load_lease(KEY, HOSTILE[name])
    assert 0 < len(str(caught.value)) < 250
    assert str(caught.value).isprintable()


ODD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ours is no object": ({OURS: [1]}, {"wire_version": 0}),
    "a mode that is a list": (ours({"Mode": []}), {"offers": (Offer(Mode.VXLAN, 0, 1, MAC),)}),
    "a mode that is an object": (ours({"Mode": {}}), {"offers": (Offer(Mode.VXLAN, 0, 1, MAC),)}),
    "a mode of tomorrow": (
        ours({"Mode": "quic"}, {"Mode": "vxlan", "Port": 8472, "VNI": 1}),
        {"offers": (Offer(Mode.VXLAN, 8472, 1, MAC),)},
    ),
    "offers that are none": (
        {OURS: {"Version": 1, "Offers": 7}},
        {"offers": (Offer(Mode.VXLAN, 0, 1, MAC),)},
    ),
    "an MTU of true": (ours(MTU=True), {"mtu": 0}),
    "an MTU nobody can use": (ours(MTU=1), {"mtu": 0}),
    "an MTU below zero": (ours(MTU=-5), {"mtu": 0}),
    "an MTU as text": (ours(MTU="1500"), {"mtu": 0}),
    "a version of true": (ours(Version=True), {"wire_version": 1}),
    "a version as text": (ours(Version="2"), {"wire_version": 1}),
    "a newer version": (ours(Version=2), {"wire_version": 2}),
    "a name of many lines": (ours(Node="a\nb"), {"node": ""}),
    "a long name": (ours(Node="a" * 5000), {"node": ""}),
    "a name that is an object": (ours(Node={}), {"node": ""}),
    "more members": (ours(Colour="red"), {"node": "n"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_beside_flannels_members_costs_no_more_than_itself(name: str) -> None:
    members, expected = ODD[name]
    record = load_lease(KEY, json.dumps(CLASSIC | members))
    assert {field: getattr(record, field) for field in expected} == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
MEMBERS = ("PublicIP", "PublicIPv6", "BackendType", "BackendData", "BackendV6Data", OURS)


@given(st.sampled_from(MEMBERS), JSON)
def test_any_json_in_any_member_is_a_record_or_a_bad_one(member: str, value: Any) -> None:
    body = CLASSIC | ours({"Mode": "vxlan", "Port": 8472, "VNI": 1}) | {member: value}
    try:
        record = load_lease(KEY, json.dumps(body))
    except BadRecord:
        return
    assert load_lease(KEY, dump_lease(record)) == record


@given(st.sampled_from(("Version", "Node", "Boot", "MTU", "Zone", "Offers", "Of")), JSON, st.booleans())
def test_any_json_within_our_member_is_a_record_or_a_bad_one(member: str, value: Any, in_offer: bool) -> None:
    offer = {"Mode": "vxlan", "Port": 8472, "VNI": 1}
    body = ours(offer)
    if in_offer:
        body = ours(offer | dict.fromkeys(("Mode", "Port", "VNI"), value))
    else:
        body[OURS][member] = value
    try:
        record = load_lease(KEY, json.dumps(CLASSIC | body))
    except BadRecord:
        return
    assert load_lease(KEY, dump_lease(record)) == record


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_none(key: str) -> None:
    try:
        subnets = parse_lease_key(key)
    except BadRecord as error:
        assert len(str(error)) < 1000
        return
    assert lease_key(subnets) == key


BAD_KEYS = (
    "", "config", "10.244.17.0", "10.244.17.0/24", "10.244.17.0-33", "10.244.17.1-24", "10.244.17.0-24&",
    "10.244.17.0-24&10.244.18.0-24", "fd00::-64&10.244.17.0-24", "10.244.17.0-024", "fd00:0::-64",
    "FD00::-64", "10.244.17.0-24&fd00::-64&fd01::-64", "10.244.17.0-٢٤", "10.244.17.0\0-24",
    "10.244.17.0-" + "9" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS, ids=lambda key: ascii(key[:30]))
def test_a_key_has_one_spelling_and_all_else_is_none(key: str) -> None:
    with pytest.raises(BadRecord) as caught:
        parse_lease_key(key)
    assert len(str(caught.value)) < 300


def test_an_underlay_address_is_kept_in_its_shortest_form() -> None:
    record = load_lease(KEY, with_(PublicIPv6="FD77:0:0::1"))
    assert record.public6 == "fd77::1"


def test_a_node_that_nobody_wrote_on_is_none() -> None:
    assert load_annotations("node-1", {"node.alpha.kubernetes.io/ttl": "0"}, ["10.244.1.0/24"]) is None
    assert load_annotations("node-1", dump_annotations(CASES["flannel's vxlan"][0]), []) is None

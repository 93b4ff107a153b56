"""net-conf.json: flannel's keys and rules, and errors that name the key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_spec.errors import CniError
from overlay.net_conf import NetConf, parse_net_conf
from overlay.record import Mode
from overlay.subnet import BITS, parse_subnet
from tests.overlay.flannel.recordings import FOLDER


def conf(**members: Any) -> NetConf:
    return parse_net_conf(json.dumps({"Network": "10.244.0.0/16"} | members), "here")[0]


def fault(**members: Any) -> str:
    with pytest.raises(CniError) as caught:
        conf(**members)
    assert caught.value.code == 7
    return f"{caught.value.msg} {caught.value.details}"


def test_little_is_enough() -> None:
    seen = conf()
    assert (seen.versions, seen.backend.mode, seen.backend.vni) == ((4,), Mode.VXLAN, 1)
    assert (seen.backend.tunnel_port, seen.backend.mtu, seen.backend.direct_routing) == (8472, 0, False)
    pool = seen.pool(4)
    assert (str(pool[0]), str(pool[pool.size - 1]), pool.size) == ("10.244.1.0/24", "10.244.255.0/24", 255)


def test_every_key_of_flannels_is_known() -> None:
    body = {
        "Network": "10.244.0.0/16", "IPv6Network": "fd00::/48", "EnableIPv4": True, "EnableIPv6": True,
        "EnableNFTables": True, "SubnetLen": 25, "SubnetMin": "10.244.10.0", "SubnetMax": "10.244.20.128",
        "IPv6SubnetLen": 65, "IPv6SubnetMin": "fd00:0:0:1::", "IPv6SubnetMax": "fd00:0:0:2:8000::",
        "Backend": {
            "Type": "vxlan", "VNI": 7, "Port": 4789, "MTU": 1400, "GBP": True, "Learning": True,
            "DirectRouting": True,
        },
    }  # fmt: skip
    seen, remarks = parse_net_conf(json.dumps(body), "here")
    assert not remarks.unknown
    four, six = seen.pool(4), seen.pool(6)
    assert (str(four[0]), str(four[four.size - 1])) == ("10.244.10.0/25", "10.244.20.128/25")
    assert (str(six[0]), str(six[six.size - 1])) == ("fd00:0:0:1::/65", "fd00:0:0:2:8000::/65")
    assert (four.size, six.size) == (22, 4)
    backend = seen.backend
    assert (backend.vni, backend.port, backend.mtu, backend.direct_routing) == (7, 4789, 1400, True)


# flannel: /24 where the network is /22 or larger, else two bits more; the first subnet is left out.
LENGTHS = [
    ("10.0.0.0/8", "10.0.1.0/24", "10.255.255.0/24"),
    ("10.244.0.0/16", "10.244.1.0/24", "10.244.255.0/24"),
    ("10.244.0.0/22", "10.244.1.0/24", "10.244.3.0/24"),
    ("10.244.0.0/23", "10.244.0.128/25", "10.244.1.128/25"),
    ("10.244.0.0/24", "10.244.0.64/26", "10.244.0.192/26"),
    ("10.244.0.0/28", "10.244.0.4/30", "10.244.0.12/30"),
    ("fd00::/48", "fd00:0:0:1::/64", "fd00:0:0:ffff::/64"),
    ("fd00::/62", "fd00:0:0:1::/64", "fd00:0:0:3::/64"),
    ("fd00::/63", "fd00:0:0:0:8000::/65", "fd00:0:0:1:8000::/65"),
]


@pytest.mark.parametrize(("network", "first", "last"), LENGTHS)
def test_what_is_not_said_is_chosen_as_flannel_does(network: str, first: str, last: str) -> None:
    six = ":" in network
    members = {"EnableIPv4": not six, "EnableIPv6": six, "IPv6Network" if six else "Network": network}
    pool = parse_net_conf(json.dumps(members), "here")[0].pool(6 if six else 4)
    assert (pool[0], pool[pool.size - 1]) == (parse_subnet(first), parse_subnet(last))


@given(st.integers(8, 28), st.data())
def test_a_pool_is_its_subnets_in_order(length: int, data: st.DataObject) -> None:
    base = data.draw(st.integers(0, (1 << length) - 1)) << BITS[4] - length
    network = parse_subnet(f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}/{length}")
    subnet_len = data.draw(st.integers(length + 2, 30))
    pool = conf(Network=str(network), SubnetLen=subnet_len).pool(4)
    index = data.draw(st.integers(0, pool.size - 1))
    subnet = pool[index]
    assert pool.size == (1 << subnet_len - length) - 1
    assert subnet.length == subnet_len and network.covers(subnet) and subnet in pool
    assert subnet.base != network.base, "the first is left out"
    if index:
        assert pool[index - 1].last + 1 == subnet.base
    with pytest.raises(IndexError):
        pool[pool.size]
    with pytest.raises(IndexError):
        pool[-1]


def test_both_ends_are_in_the_pool() -> None:
    pool = conf(SubnetMin="10.244.7.0", SubnetMax="10.244.9.0").pool(4)
    assert [str(pool[i]) for i in range(pool.size)] == ["10.244.7.0/24", "10.244.8.0/24", "10.244.9.0/24"]
    assert parse_subnet("10.244.6.0/24") not in pool and parse_subnet("10.244.10.0/24") not in pool
    assert parse_subnet("10.244.7.0/25") not in pool and parse_subnet("fd00::/64") not in pool


def test_the_first_subnet_may_be_asked_for() -> None:
    assert str(conf(SubnetMin="10.244.0.0").pool(4)[0]) == "10.244.0.0/24"


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no network": ({"Network": None}, "Network is missing"),
    "an empty network": ({"Network": ""}, "Network is missing"),
    "no IPv6 network": ({"EnableIPv6": True}, "IPv6Network is missing"),
    "no family": ({"EnableIPv4": False}, "both false"),
    "host bits": ({"Network": "10.244.0.1/16"}, "bits set"),
    "no number": ({"Network": "10.244.0.0/99"}, "no network"),
    "the other family": ({"Network": "fd00::/48"}, "other family"),
    "a number as network": ({"Network": 10}, "as text"),
    "too few subnets": ({"SubnetLen": 17}, "4 subnets"),
    "too small subnets": ({"SubnetLen": 31}, "no room"),
    "a negative length": ({"SubnetLen": -1}, "SubnetLen"),
    "a length of true": ({"SubnetLen": True}, "SubnetLen"),
    "a lowest that is not aligned": ({"SubnetMin": "10.244.1.1"}, "10.244.1.1 is no subnet"),
    "a lowest outside": ({"SubnetMin": "10.245.1.0"}, "10.245.1.0 is no subnet"),
    "a highest outside": ({"SubnetMax": "10.243.1.0"}, "10.243.1.0 is no subnet"),
    "upside down": ({"SubnetMin": "10.244.9.0", "SubnetMax": "10.244.8.0"}, "above"),
    "a lowest of the other family": ({"SubnetMin": "fd00::"}, "fd00:: is no subnet"),
    "a lowest that is none": ({"SubnetMin": "first"}, "first"),
    "a backend of another kind": ({"Backend": {"Type": "wireguard"}}, "Type"),
    "a VNI of 2^24": ({"Backend": {"VNI": 1 << 24}}, "VNI"),
    "a VNI of 0": ({"Backend": {"VNI": 0}}, "VNI"),
    "a port too high": ({"Backend": {"Port": 65536}}, "Port"),
    "a port as text": ({"Backend": {"Port": "8472"}}, "Port"),
    "an MTU below zero": ({"Backend": {"MTU": -1}}, "MTU"),
    "a backend that is a list": ({"Backend": []}, "Backend"),
    "no networks to leave": ({"NoMasquerade": ["here"]}, "here"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_mistake_is_named(name: str) -> None:
    members, said = FAULTS[name]
    assert said in fault(**members)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0", "[" * 10_000])
def test_what_is_no_object_says_where_it_stands(text: str) -> None:
    with pytest.raises(CniError) as caught:
        parse_net_conf(text, "/etc/net-conf.json")
    assert "/etc/net-conf.json" in f"{caught.value.msg} {caught.value.details}"


def test_keys_are_taken_in_any_letter_case_and_a_backend_without_type_is_vxlan() -> None:
    text = json.dumps({"network": "10.1.0.0/16", "BACKEND": {"vni": 5}})
    seen = parse_net_conf(text, "here")[0]
    assert (str(seen.network), seen.backend.vni, seen.backend.mode) == ("10.1.0.0/16", 5, Mode.VXLAN)


MODES = [
    ("vxlan", Mode.VXLAN, 8472),
    ("vxlan-gpe", Mode.GPE, 4790),
    ("host-gw", Mode.DIRECT, 0),
    ("direct", Mode.DIRECT, 0),
]


@pytest.mark.parametrize(("name", "mode", "port"), MODES)
def test_each_backend_has_its_mode_and_port(name: str, mode: Mode, port: int) -> None:
    backend = conf(Backend={"Type": name}).backend
    assert (backend.mode, backend.tunnel_port) == (mode, port)
    assert conf(Backend={"Type": name, "Port": 9999}).backend.tunnel_port == 9999


def test_it_is_read_as_it_is_written() -> None:
    for members in ({}, {"EnableIPv6": True, "IPv6Network": "fd00::/48", "NoMasquerade": ["192.0.2.0/24"]}):
        before = conf(**members)
        again = parse_net_conf(json.dumps(before.model_dump(mode="json", by_alias=True)), "here")[0]
        assert again == before


@pytest.mark.parametrize("case", sorted(path.parent.name for path in FOLDER.glob("*/net-conf.json")))
def test_what_flannel_was_configured_with_configures_us(case: str) -> None:
    text = (FOLDER / case / "net-conf.json").read_text()
    seen = parse_net_conf(text, case)[0]
    assert str(seen.network) == "10.244.0.0/16"

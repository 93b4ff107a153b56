"""One table of results judges every conversion: what a version can say survives, the rest is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPAddress, IPNetwork

from cni_spec.config import Dns
from cni_spec.errors import DECODING_FAILURE, INCOMPATIBLE_VERSION, CniError
from cni_spec.json_input import JsonObject
from cni_spec.result import Interface, IpConfig, Result, Route, read_result
from cni_spec.versions import ALL_VERSIONS, is_at_least

BY_FAMILY = ("0.1.0", "0.2.0")
WITH_FAMILY = ("0.3.0", "0.3.1", "0.4.0")

# The result of 1.1.0 that uses every field there is, and what each older group of versions keeps of it.
FULL: JsonObject = {
    "interfaces": [
        {"name": "cni0", "mac": "00:11:22:33:44:55", "mtu": 1450},
        {
            "name": "eth0",
            "mac": "00:11:22:33:44:66",
            "sandbox": "/run/netns/a",
            "socketPath": "/s",
            "pciID": "p",
        },
    ],
    "ips": [
        {"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 1},
        {"address": "10.2.0.5/16", "interface": 0},
        {"address": "fd00::5/64", "gateway": "fd00::1", "interface": 1},
    ],
    "routes": [
        {
            "dst": "0.0.0.0/0",
            "gw": "10.1.0.1",
            "mtu": 1400,
            "advmss": 1360,
            "priority": 10,
            "table": 5,
            "scope": 0,
        },
        {"dst": "10.9.0.0/16"},
        {"dst": "::/0", "gw": "fd00::1"},
    ],
    "dns": {"nameservers": ["10.1.0.1"], "domain": "d", "search": ["s"], "options": ["o"]},
}
PLAIN_INTERFACES = [
    {"name": "cni0", "mac": "00:11:22:33:44:55"},
    {"name": "eth0", "mac": "00:11:22:33:44:66", "sandbox": "/run/netns/a"},
]
PLAIN_ROUTES = [
    {"dst": "0.0.0.0/0", "gw": "10.1.0.1"},
    {"dst": "10.9.0.0/16"},
    {"dst": "::/0", "gw": "fd00::1"},
]
FULL_1_0: JsonObject = FULL | {"interfaces": PLAIN_INTERFACES, "routes": PLAIN_ROUTES}
FULL_0_3: JsonObject = FULL_1_0 | {
    "ips": [
        {"version": "4", "address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 1},
        {"version": "4", "address": "10.2.0.5/16", "interface": 0},
        {"version": "6", "address": "fd00::5/64", "gateway": "fd00::1", "interface": 1},
    ]
}
FULL_0_1: JsonObject = {
    "ip4": {"ip": "10.1.0.5/16", "gateway": "10.1.0.1", "routes": PLAIN_ROUTES[:2]},
    "ip6": {"ip": "fd00::5/64", "gateway": "fd00::1", "routes": PLAIN_ROUTES[2:]},
    "dns": FULL["dns"],
}
FORMS: dict[str, JsonObject] = {
    "1.1.0": FULL,
    "1.0.0": FULL_1_0,
    **dict.fromkeys(WITH_FAMILY, FULL_0_3),
    **dict.fromkeys(BY_FAMILY, FULL_0_1),
}


def _with_version(body: JsonObject, version: str) -> JsonObject:
    return {"cniVersion": version} | body


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_the_full_result_is_written_in_every_version(version: str) -> None:
    result = read_result(_with_version(FULL, "1.1.0"), "0.1.0")

    assert result.to_json(version) == _with_version(FORMS[version], version)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_every_version_reads_what_it_wrote(version: str) -> None:
    body = _with_version(FORMS[version], version)

    assert read_result(body, "1.1.0").to_json(version) == body


@pytest.mark.parametrize(
    ("older", "newer"), [(a, b) for a in ALL_VERSIONS for b in ALL_VERSIONS if is_at_least(b, a)]
)
def test_a_detour_over_a_newer_version_loses_nothing(older: str, newer: str) -> None:
    body = _with_version(FORMS[older], older)

    detour = read_result(body, "1.1.0").to_json(newer)

    assert read_result(detour, "1.1.0").to_json(older) == body


@pytest.mark.parametrize("version", ALL_VERSIONS[2:])
def test_an_empty_result_is_valid_since_0_3_0(version: str) -> None:
    expected: JsonObject = {} if is_at_least(version, "1.0.0") else {"dns": {}}

    assert Result().to_json(version) == _with_version(expected, version)


@pytest.mark.parametrize("version", BY_FAMILY)
def test_a_result_without_addresses_cannot_be_said_before_0_3_0(version: str) -> None:
    with pytest.raises(CniError, match="no valid IP addresses") as caught:
        Result(interfaces=(Interface(name="eth0"),)).to_json(version)
    assert caught.value.code == INCOMPATIBLE_VERSION


@pytest.mark.parametrize("index", [-1, None, 0])
def test_an_address_may_name_no_interface(index: int | None) -> None:
    result = Result(ips=(IpConfig(address=IPNetwork("10.0.0.2/24"), interface=index),))

    assert read_result(result.to_json("1.1.0"), "1.1.0") == result


def test_a_result_without_version_is_of_the_assumed_one() -> None:
    assert read_result({"ip4": {"ip": "10.0.0.2/24"}}, "0.2.0").ips[0].address == IPNetwork("10.0.0.2/24")
    assert read_result({"ip4": {"ip": "10.0.0.2/24"}}, "1.0.0").ips == ()


def test_keys_of_a_foreign_plugin_may_have_any_case_and_nulls() -> None:
    body: JsonObject = {
        "cniVersion": "1.0.0",
        "IPs": [{"Address": "10.0.0.2/24", "gateway": None}],
        "dns": None,
    }

    assert read_result(body, "1.0.0").ips[0].gateway is None


BAD_RESULTS: list[tuple[JsonObject, int]] = [
    ({"cniVersion": "9.9.9"}, INCOMPATIBLE_VERSION),
    ({"cniVersion": ["1.0.0"]}, INCOMPATIBLE_VERSION),
    ({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2"}]}, DECODING_FAILURE),
    ({"cniVersion": "1.0.0", "ips": [None]}, DECODING_FAILURE),
    ({"cniVersion": "1.0.0", "ips": {}}, DECODING_FAILURE),
    ({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24", "interface": "1"}]}, DECODING_FAILURE),
    ({"cniVersion": "1.0.0", "interfaces": [{"mac": "x"}]}, DECODING_FAILURE),
    ({"cniVersion": "0.2.0", "ip4": {"ip": "fd00::1"}}, DECODING_FAILURE),
]


@pytest.mark.parametrize(("body", "code"), BAD_RESULTS)
def test_what_is_no_result_is_refused_in_a_sentence(body: JsonObject, code: int) -> None:
    with pytest.raises(CniError) as caught:
        read_result(body, "1.0.0", "result of bridge")
    assert caught.value.code == code
    assert caught.value.msg.startswith("result of bridge: ")


def _networks() -> st.SearchStrategy[IPNetwork]:
    four = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32))
    six = st.tuples(st.integers(1 << 64, 2**128 - 1), st.integers(0, 128))
    return four.map(lambda p: IPNetwork(f"{IPAddress(p[0], 4)}/{p[1]}")) | six.map(
        lambda p: IPNetwork(f"{IPAddress(p[0], 6)}/{p[1]}")
    )


@given(
    ips=st.lists(_networks(), max_size=4),
    routes=st.lists(_networks(), max_size=4),
    search=st.lists(st.text(max_size=5), max_size=2),
    mtu=st.none() | st.integers(68, 65535),
)
def test_any_result_survives_the_way_through_json(
    ips: list[IPNetwork], routes: list[IPNetwork], search: list[str], mtu: int | None
) -> None:
    result = Result(
        interfaces=(Interface(name="eth0", mtu=mtu, sandbox="/run/netns/x"),),
        ips=tuple(IpConfig(address=ip, interface=0) for ip in ips),
        routes=tuple(Route(dst=dst, mtu=mtu, table=254) for dst in routes),
        dns=Dns(search=tuple(search)),
    )
    assert read_result(result.to_json("1.1.0"), "0.1.0") == result

"""Addresses as pydantic fields, and the error object."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPNetwork

from cni_spec.addresses import host_network, parse_address, parse_cidr, parse_mac, parse_subnet
from cni_spec.errors import CheckFailed, CniError

REFUSED: list[tuple[Callable[[object], object], list[object]]] = [
    (
        parse_address,
        [
            "",
            "10.1",
            "10.0.0.1/24",
            "010.0.0.1",
            "1.2.3.4.5",
            "fe80::1%eth0",
            "::g",
            7,
            None,
            "١.1.1.1",
            " 10.0.0.1",
        ],
    ),
    (
        parse_cidr,
        [
            "",
            "10.0.0.1",
            "10.0.0.0/",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0.0/-1",
            "10.0.0.0/255.0.0.0",
            "/8",
            8,
        ],
    ),
    (parse_subnet, ["10.0.0.1/24", "fd00::1/64", "10.0.0.0"]),
    (
        parse_mac,
        [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:0g",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "0200.0000.0001",
            2,
        ],
    ),
]


@pytest.mark.parametrize(("parse", "text"), [(parse, text) for parse, texts in REFUSED for text in texts])
def test_what_is_no_address_is_refused(parse: Callable[[object], object], text: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(text)


@given(st.ip_addresses())
def test_every_address_is_read_as_the_standard_library_reads_it(address: ipaddress._BaseAddress) -> None:
    mapped = getattr(address, "ipv4_mapped", None)

    assert ipaddress.ip_address(str(parse_address(str(address)))) == (mapped or address)


@pytest.mark.parametrize("text", ["10.0.0.5/24", "fd00::5/64", "0.0.0.0/0", "10.0.0.0/32"])
def test_a_cidr_keeps_its_host_bits(text: str) -> None:
    assert str(parse_cidr(text)) == text


def test_macs_are_spelled_as_the_kernel_spells_them() -> None:
    assert parse_mac("0A-58-0a-01-00-05") == "0a:58:0a:01:00:05"


def test_the_network_of_one_address_holds_only_it() -> None:
    assert host_network(parse_address("10.0.0.1")) == IPNetwork("10.0.0.1/32")
    assert host_network(parse_address("fd00::1")) == IPNetwork("fd00::1/128")


def test_an_error_object_carries_version_code_message_details_and_notes() -> None:
    error = CniError(7, "mtu: too large", "the uplink takes 1500")
    error.add_note("undo failed")

    assert json.loads(error.to_json("1.0.0")) == {
        "cniVersion": "1.0.0",
        "code": 7,
        "msg": "mtu: too large",
        "details": "the uplink takes 1500\nundo failed",
    }


def test_an_error_object_without_details_has_no_such_key() -> None:
    assert json.loads(CheckFailed("link eth0 is gone").to_json("1.0.0")) == {
        "cniVersion": "1.0.0",
        "code": 102,
        "msg": "link eth0 is gone",
    }

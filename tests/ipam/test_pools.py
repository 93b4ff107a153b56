"""What may be handed out, and in which order."""

from __future__ import annotations

import pytest
from netaddr import IPAddress, IPNetwork

from cni_spec.errors import INVALID_CONFIG, CniError
from ipam.keys import address_of, count, key_of, name_of, parse_name
from ipam.pools import NO_GATEWAY, Range, RangeSet, check_disjoint, make_range, make_range_set
from tests.ipam_world import pool


def handed_out(*ranges: Range, last: str | None = None) -> list[str]:
    spans = make_range_set(ranges).circle(IPAddress(last) if last else None)
    return [name_of(key) for first, end in spans for key in _keys(first, end)]


def _keys(first: bytes, end: bytes) -> list[bytes]:
    return [key_of(address_of(first) + i) for i in range(count(first, end))]


@pytest.mark.parametrize(
    ("subnet", "first", "last", "gateway"),
    [
        ("192.0.2.0/24", "192.0.2.1", "192.0.2.254", "192.0.2.1"),
        ("192.0.2.0/25", "192.0.2.1", "192.0.2.126", "192.0.2.1"),
        ("192.0.2.128/30", "192.0.2.129", "192.0.2.130", "192.0.2.129"),
        ("192.0.2.2/31", "192.0.2.2", "192.0.2.3", None),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.7", None),
        ("2001:db8:1::/64", "2001:db8:1::1", "2001:db8:1:0:ffff:ffff:ffff:ffff", "2001:db8:1::1"),
        ("2001:db8:1::2/127", "2001:db8:1::2", "2001:db8:1::3", None),
        ("2001:db8:1::9/128", "2001:db8:1::9", "2001:db8:1::9", None),
    ],
)
def test_what_is_not_said_follows_from_the_subnet(
    subnet: str, first: str, last: str, gateway: str | None
) -> None:
    made = make_range(IPNetwork(subnet))
    assert (str(made.first), str(made.last)) == (first, last)
    assert made.gateway == (IPAddress(gateway) if gateway else None)


@pytest.mark.parametrize(
    ("subnet", "options", "complaint"),
    [
        ("192.0.2.12/24", {}, "host bits"),
        ("2001:db8::1/64", {}, "host bits"),
        ("192.0.2.0/24", {"first": "192.0.3.0"}, "rangeStart 192.0.3.0"),
        ("192.0.2.0/24", {"last": "192.0.4.0"}, "rangeEnd 192.0.4.0"),
        ("192.0.2.0/24", {"first": "2001:db8::1"}, "rangeStart 2001:db8::1"),
        ("192.0.2.0/24", {"first": "192.0.2.50", "last": "192.0.2.40"}, "after"),
        ("192.0.2.0/24", {"gateway": "192.0.3.1"}, "gateway 192.0.3.1"),
    ],
)
def test_a_range_that_does_not_fit_its_subnet_is_refused(
    subnet: str, options: dict[str, str], complaint: str
) -> None:
    with pytest.raises(CniError, match=complaint) as caught:
        bounds = {key: IPAddress(text) for key, text in options.items()}
        make_range(
            IPNetwork(subnet),
            first=bounds.get("first"),
            last=bounds.get("last"),
            gateway=bounds.get("gateway"),
        )
    assert caught.value.code == INVALID_CONFIG


@pytest.mark.parametrize(
    ("ranges", "complaint"),
    [
        ((), "at least one range"),
        (("192.0.2.0/24", "2001:db8::/64"), "mixed address families"),
        (("192.0.2.0/24", "192.0.2.0/25"), "overlap"),
        (("192.0.2.0/24 192.0.2.10 192.0.2.20", "192.0.2.0/24 192.0.2.20 192.0.2.30"), "overlap"),
        (("192.0.2.0/24 192.0.2.10 192.0.2.20", "192.0.2.0/24 192.0.2.5 192.0.2.30"), "overlap"),
    ],
)
def test_a_set_is_of_one_family_and_without_overlap(ranges: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(CniError, match=complaint):
        pool(*ranges)


def test_sets_do_not_overlap_each_other() -> None:
    one = pool("192.0.2.0/24 192.0.2.10 192.0.2.20", "198.51.100.0/24")
    check_disjoint([one, pool("192.0.2.0/24 192.0.2.21 192.0.2.30"), pool("2001:db8::/64")])
    with pytest.raises(CniError, match=r"192.0.2.10-192.0.2.20 and 192.0.2.20-192.0.2.30"):
        check_disjoint([one, pool("192.0.2.0/24 192.0.2.20 192.0.2.30")])


NET = IPNetwork("192.0.2.0/29")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (make_range(NET), "2 3 4 5 6"),
        (make_range(NET, gateway=NO_GATEWAY), "1 2 3 4 5 6"),
        (make_range(NET, gateway=IPAddress("192.0.2.4")), "1 2 3 5 6"),
        (make_range(NET, first=IPAddress("192.0.2.0"), last=IPAddress("192.0.2.7")), "2 3 4 5 6"),
        (make_range(NET, exclude=[IPNetwork("192.0.2.2/31"), IPNetwork("192.0.2.6/32")]), "4 5"),
        (make_range(NET, exclude=[IPNetwork("192.0.2.0/24")]), ""),
        (make_range(NET, exclude=[IPNetwork("10.0.0.0/8")]), "2 3 4 5 6"),
        (make_range(IPNetwork("192.0.2.4/31")), "4 5"),
        (make_range(IPNetwork("192.0.2.4/31"), gateway=IPAddress("192.0.2.4")), "5"),
        (make_range(IPNetwork("192.0.2.4/32")), "4"),
    ],
)
def test_gateways_exclusions_and_the_ends_of_a_subnet_are_kept_back(made: Range, expected: str) -> None:
    assert handed_out(made) == [f"192.0.2.{number}" for number in expected.split()]
    assert make_range_set([made]).size == len(expected.split())


def test_an_ipv6_subnet_keeps_back_its_first_address_only() -> None:
    made = make_range(IPNetwork("2001:db8::/126"), first=IPAddress("2001:db8::"), gateway=NO_GATEWAY)
    assert handed_out(made) == ["2001:db8::1", "2001:db8::2", "2001:db8::3"]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, "2 3 4 5 6 10 11"),
        ("192.0.2.3", "4 5 6 10 11 2 3"),
        ("192.0.2.6", "10 11 2 3 4 5 6"),
        ("192.0.2.10", "11 2 3 4 5 6 10"),
        ("192.0.2.11", "2 3 4 5 6 10 11"),
        ("192.0.2.1", "2 3 4 5 6 10 11"),
        ("203.0.113.1", "2 3 4 5 6 10 11"),
    ],
)
def test_round_robin_goes_on_behind_the_last_address_and_through_all_ranges(
    last: str | None, expected: str
) -> None:
    second = make_range(
        IPNetwork("192.0.2.8/29"), first=IPAddress("192.0.2.10"), last=IPAddress("192.0.2.11")
    )
    assert handed_out(make_range(NET), second, last=last) == [f"192.0.2.{n}" for n in expected.split()]


def test_a_set_knows_its_members() -> None:
    made: RangeSet = pool("192.0.2.0/24 192.0.2.40 192.0.2.50", "198.51.100.0/24")
    assert IPAddress("192.0.2.40") in made and IPAddress("198.51.100.254") in made
    assert IPAddress("192.0.2.51") not in made and IPAddress("2001:db8::") not in made
    assert str(made) == "192.0.2.40-192.0.2.50,198.51.100.1-198.51.100.254"


@pytest.mark.parametrize("name", ["0.0.0.0", "255.255.255.255", "192.0.2.1", "::", "::1", "::102:304",
                                  "2001:db8::1:0:0:1", "2001:db8:0:1:1:1:1:1"])  # fmt: skip
def test_a_file_name_is_the_address_as_go_prints_it(name: str) -> None:
    key = parse_name(name)
    assert key is not None and name_of(key) == name and key_of(IPAddress(name)) == key


@pytest.mark.parametrize("name", ["lock", "last_reserved_ip.0", "", "192.0.2", "192.0.2.01", "192.0.2.1 ",
                                  "2001:DB8::1", "2001:db8:0::1", "::ffff:1.2.3.4", "ü",
                                  "1.2.3.4\0"])  # fmt: skip
def test_other_names_are_no_addresses(name: str) -> None:
    assert parse_name(name) is None

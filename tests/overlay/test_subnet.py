"""Networks as numbers; the standard library's ipaddress judges."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.subnet import BITS, Subnet, enclosing, format_address, parse_address, parse_subnet
from tests.overlay.records import subnets


def addresses(version: int) -> st.SearchStrategy[str]:
    return st.integers(0, (1 << BITS[version]) - 1).map(lambda number: format_address(version, number))


@given(subnets())
def test_a_network_is_read_as_it_is_written(subnet: Subnet) -> None:
    assert parse_subnet(str(subnet)) == subnet
    known = ip_network(str(subnet))
    assert (subnet.version, subnet.base, subnet.length) == (
        known.version,
        int(known.network_address),
        known.prefixlen,
    )
    assert subnet.packed == known.network_address.packed
    assert subnet.last == int(known.broadcast_address)
    assert ip_address(subnet.nth(1)) == known[1]


@given(subnets(4), subnets(4))
def test_what_shares_an_address_overlaps(one: Subnet, other: Subnet) -> None:
    mine, theirs = ip_network(str(one)), ip_network(str(other))
    assert one.overlaps(other) == mine.overlaps(theirs)
    assert one.covers(other) == (theirs.subnet_of(mine))  # type: ignore[arg-type]


@given(subnets(4), subnets(6))
def test_families_never_meet(four: Subnet, six: Subnet) -> None:
    assert not four.overlaps(six) and not six.overlaps(four)
    assert not four.covers(six) and not six.covers(four)


@given(st.sampled_from((4, 6)), st.data())
def test_an_address_lies_in_its_network(version: int, data: st.DataObject) -> None:
    address = data.draw(addresses(version))
    length = data.draw(st.integers(0, BITS[version]))
    assert ip_network(str(enclosing(address, length))) == ip_network(f"{address}/{length}", strict=False)


@pytest.mark.parametrize("length", [-1, 33])
def test_a_length_that_no_network_has_is_named(length: int) -> None:
    with pytest.raises(ValueError, match=str(length)):
        enclosing("10.0.0.1", length)


BAD = (
    "", "/", "/24", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8",
    "10.0.0.1/24", "10.0.0/24", "010.0.0.0/8", "10.0.0.0/24/", "10.0.0.0/٢٤", "10.0.0.0/²", "fd00::/129",
    "fd00::1/64", "fe80::%eth0/64", "10.0.0.0\0/8", "\ud800/8", "10.0.0.0/" + "9" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=lambda text: ascii(text[:30]))
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_subnet(text)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none(text: str) -> None:
    try:
        version, number = parse_address(text)
    except ValueError:
        return
    assert parse_address(format_address(version, number)) == (version, number)

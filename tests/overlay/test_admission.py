"""Which records are believed: the older wins, whatever the order in which they come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.admission import Admission
from overlay.place import Place
from overlay.record import NodeRecord
from overlay.subnet import parse_subnet
from tests.overlay.records import classic, node, place

HERE = place("10.244.254.0/24")


def admitted(records: Iterable[NodeRecord], where: Place = HERE) -> set[str]:
    admission = Admission(where)
    for record in records:
        admission.offer(record)
    return set(admission.admitted)


def reason(record: NodeRecord, where: Place = HERE, *before: NodeRecord) -> str:
    admission = Admission(where)
    for one in (*before, record):
        admission.offer(one)
    return admission.refused[record.key][1] if record.key in admission.refused else ""


def test_of_two_that_overlap_the_older_has_it() -> None:
    old, new = node(1, "10.244.8.0/22", created=5), node(2, "10.244.9.0/24", created=6)
    assert admitted([old, new]) == admitted([new, old]) == {old.key}
    assert "older" in reason(new, HERE, old) and old.key in reason(new, HERE, old)


def test_when_the_older_goes_the_younger_has_it() -> None:
    old, new = node(1, "10.244.8.0/22", created=5), node(2, "10.244.9.0/24", created=6)
    admission = Admission(HERE)
    assert admission.offer(old) == [old.key]
    assert admission.offer(new) == [new.key]
    assert admission.withdraw(old.key) == [old.key, new.key]
    assert set(admission.admitted) == {new.key} and not admission.refused


def test_whom_a_refused_one_kept_out_comes_in() -> None:
    oldest = node(1, "10.244.8.0/24", created=1)
    middle = node(2, "10.244.8.0/23", created=2)
    youngest = node(3, "10.244.9.0/24", created=3)
    admission = Admission(HERE)
    for record in (middle, youngest):
        admission.offer(record)
    assert set(admission.admitted) == {middle.key}
    assert set(admission.offer(oldest)) == {oldest.key, middle.key, youngest.key}
    assert set(admission.admitted) == {oldest.key, youngest.key}


def test_who_comes_back_takes_from_the_younger() -> None:
    oldest = node(1, "10.244.8.0/24", created=1)
    middle = node(2, "10.244.8.0/23", created=2)
    youngest = node(3, "10.244.9.0/24", created=3)
    admission = Admission(HERE)
    for record in (oldest, middle, youngest):
        admission.offer(record)
    assert set(admission.admitted) == {oldest.key, youngest.key}
    assert set(admission.withdraw(oldest.key)) == {oldest.key, middle.key, youngest.key}
    assert set(admission.admitted) == {middle.key}


def test_one_mac_is_one_nodes_and_the_older_has_it() -> None:
    old = node(1, created=5)
    new = node(2, created=6, offers=(classic(1),))
    assert admitted([old, new]) == admitted([new, old]) == {old.key}
    assert "02:04:00:00:00:01" in reason(new, HERE, old)


def test_a_node_has_one_mac_for_all_its_leases() -> None:
    lease = node(1, created=5)
    block = replace(node(1, "10.244.77.0/24", created=6), public4=lease.public4)
    assert admitted([lease, block]) == {lease.key, block.key}


def test_a_changed_record_takes_the_place_of_what_it_was() -> None:
    before, after = node(1), replace(node(1), public4="198.51.100.7")
    admission = Admission(HERE)
    admission.offer(before)
    assert admission.offer(after) == [before.key]
    assert admission.admitted == {before.key: after}
    admission.offer(before)
    assert admission.admitted == {before.key: before}


FAULTS = {
    "outside": (node(1, "10.99.0.0/24"), "none of the cluster's networks"),
    "of a family there is not": (node(1, "fd11::/64"), "none of the cluster's networks"),
    "all of it": (node(1, "10.244.0.0/16"), "half"),
    "half of it": (node(1, "10.244.128.0/17"), "half"),
    "more than all": (node(1, "10.0.0.0/8"), "none of the cluster's networks"),
    "ours": (node(1, "10.244.254.0/24", created=1, key="other"), "this node's own"),
    "around ours": (node(1, "10.244.252.0/22"), "this node's own"),
    "within ours": (node(1, "10.244.254.128/25"), "this node's own"),
    "our address": (node(1, public4="192.0.2.254"), "this node's own"),
    "a pod's address": (node(1, public4="10.244.9.9"), "the cluster's own network"),
    "a pod's IPv6 address": (node(1, public6="fd00:244::9"), "the cluster's own network"),
    "twice the same": (node(1, "10.244.3.0/24", "10.244.3.0/24"), "overlap"),
    "one in the other": (node(1, "10.244.16.0/20", "10.244.17.0/24"), "overlap"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_by_itself_is_refused_with_the_reason(name: str) -> None:
    record, said = FAULTS[name]
    assert said in reason(record)


def test_an_older_record_of_our_subnet_harms_us_not() -> None:
    thief = node(1, "10.244.254.0/24", created=-1, key="thief")
    assert admitted([thief, node(2)]) == {node(2).key}


@st.composite
def crowds(draw: st.DrawFn) -> list[NodeRecord]:
    """Make records that are in each other's way: few subnets of many sizes, few MACs, few addresses."""
    found = []
    for number in range(draw(st.integers(1, 9))):
        texts = draw(
            st.lists(
                st.sampled_from(
                    [f"10.244.{16 * i}.0/20" for i in range(3)]
                    + [f"10.244.{4 * i}.0/22" for i in range(6)]
                    + [f"10.244.{i}.0/24" for i in range(12)]
                    + [f"fd00:244:0:{i}::/64" for i in range(3)]
                    + ["10.244.254.0/24", "10.99.0.0/24"]
                ),
                min_size=1, max_size=3, unique=True,
            )
        )  # fmt: skip
        public = f"192.0.2.{draw(st.integers(1, 3))}"
        mac = classic(draw(st.integers(1, 3)))
        created = draw(st.integers(1, 6))
        found.append(node(number, *texts, created=created, key=f"n{number}", public4=public, offers=(mac,)))
    return found


def in_the_way(one: NodeRecord, other: NodeRecord) -> bool:
    overlap = any(mine.overlaps(theirs) for mine in one.subnets for theirs in other.subnets)
    same_mac = one.offers[0].mac4 == other.offers[0].mac4 and one.public4 != other.public4
    return overlap or same_mac


def model(records: Iterable[NodeRecord]) -> set[str]:
    """Say who is to be believed, the slow way: the oldest first, each that is in no believed one's way."""
    found: list[NodeRecord] = []
    for record in sorted(records, key=lambda one: (one.created, one.key)):
        alone = Admission(HERE)
        alone.offer(record)
        if record.key in alone.admitted and not any(in_the_way(record, one) for one in found):
            found.append(record)
    return {one.key for one in found}


@given(crowds(), st.data())
def test_any_walk_ends_where_the_oldest_first_would(crowd: list[NodeRecord], data: st.DataObject) -> None:
    admission = Admission(HERE)
    present: dict[str, NodeRecord] = {}
    for _ in range(data.draw(st.integers(1, 20))):
        record = data.draw(st.sampled_from(crowd))
        before = dict(admission.admitted)
        if record.key in present and data.draw(st.booleans()):
            del present[record.key]
            changed = admission.withdraw(record.key)
        else:
            if data.draw(st.booleans()):
                record = replace(record, created=data.draw(st.integers(1, 6)))
            present[record.key] = record
            changed = admission.offer(record)
        assert changed[0] == record.key and len(changed) == len(set(changed))
        moved = {
            key
            for key in before.keys() | admission.admitted
            if before.get(key) != admission.admitted.get(key)
        }
        assert moved <= set(changed), "whoever's standing has changed is told"
        assert set(changed) - {record.key} <= moved, "and nobody else"
        assert set(admission.admitted) == model(present.values())
        assert admission.admitted.keys() | admission.refused.keys() == present.keys()
        assert not admission.admitted.keys() & admission.refused.keys()
        assert all(text for _, text in admission.refused.values())


@given(crowds(), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(crowd: list[NodeRecord], random: object) -> None:
    shuffled = list(crowd)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert admitted(shuffled) == admitted(crowd) == model(crowd)


@given(crowds())
def test_no_two_believed_ones_are_in_each_others_way(crowd: list[NodeRecord]) -> None:
    admission = Admission(HERE)
    for record in crowd:
        admission.offer(record)
    found = list(admission.admitted.values())
    assert not [(a.key, b.key) for i, a in enumerate(found) for b in found[:i] if in_the_way(a, b)]
    own = parse_subnet("10.244.254.0/24")
    assert not [one.key for one in found for subnet in one.subnets if subnet.overlaps(own)]

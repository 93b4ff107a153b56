"""Wanted against seen, against a kernel that is a table."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from linuxnet.forwarding_dumps import Seen
from linuxnet.forwarding_entries import (
    Entry,
    FdbEntry,
    ForeignRoute,
    NeighbourEntry,
    Nexthop,
    RouteEntry,
)
from overlay.difference import Difference, difference, in_order, out_of_order

TUNNEL = 7
MACS = [bytes([2, 0, 0, 0, 0, n]) for n in range(3)]
HOSTS = [bytes([192, 0, 2, n]) for n in range(1, 4)]
NETS = [bytes([10, 244, n, 0]) for n in range(3)]
Key = tuple[object, ...]


@dataclass
class Kernel:
    """As much of the kernel as counts here: what refuses, what goes with what, what is a list."""

    nexthops: dict[int, Nexthop] = field(default_factory=dict)
    neighbours: dict[Key, NeighbourEntry] = field(default_factory=dict)
    fdb: dict[tuple[int, bytes], list[bytes]] = field(default_factory=dict)
    routes: dict[Key, RouteEntry] = field(default_factory=dict)
    foreign: list[ForeignRoute] = field(default_factory=list)

    def add(self, one: Entry) -> None:
        if isinstance(one, Nexthop):
            self.nexthops[one.id] = one
        elif isinstance(one, NeighbourEntry):
            self.neighbours[one.key] = one
        elif isinstance(one, FdbEntry):
            known = self.fdb.setdefault((one.oif, one.mac), [])
            if one.dst not in known:  # NLM_F_REPLACE changes the list's first, unless it is in the list
                known[:1] = [one.dst]
        else:
            assert not one.nexthop or one.nexthop in self.nexthops, "a route by no nexthop is refused"
            self.routes[one.key] = one

    def remove(self, one: Entry | ForeignRoute) -> None:
        if isinstance(one, ForeignRoute):
            self.foreign.remove(one)
        elif isinstance(one, Nexthop):
            self.nexthops.pop(one.id, None)
            gone = [key for key, route in self.routes.items() if route.nexthop == one.id]
            for key in gone:
                del self.routes[key]
        elif isinstance(one, NeighbourEntry):
            self.neighbours.pop(one.key, None)
        elif isinstance(one, FdbEntry):
            known = self.fdb.get((one.oif, one.mac), [])
            if one.dst in known:
                known.remove(one.dst)
            if not known:
                self.fdb.pop((one.oif, one.mac), None)
        else:
            self.routes.pop(one.key, None)

    def seen(self) -> Seen:
        found = Seen(foreign=list(self.foreign))
        all_: list[Entry] = [*self.nexthops.values(), *self.neighbours.values(), *self.routes.values()]
        for one in all_:
            found.entries[one.key] = one
        for (oif, mac), dsts in self.fdb.items():
            for dst in dsts:
                entry = FdbEntry(oif, mac, dst)
                if entry.key in found.entries:
                    found.doubles.append(entry)
                else:
                    found.entries[entry.key] = entry
        return found

    def apply(self, change: Difference) -> None:
        for one in change.added:
            self.add(one)
        for gone in change.removed:
            self.remove(gone)


nexthops = st.builds(
    Nexthop, st.integers(1, 4), st.just(socket.AF_INET), st.just(TUNNEL), st.sampled_from(NETS)
)
neighbours = st.builds(NeighbourEntry, st.just(TUNNEL), st.sampled_from(NETS), st.sampled_from(MACS))
fdb = st.builds(FdbEntry, st.just(TUNNEL), st.sampled_from(MACS), st.sampled_from(HOSTS))
routes = st.builds(
    RouteEntry, st.just(socket.AF_INET), st.sampled_from(NETS), st.just(24), st.integers(0, 4),
    st.sampled_from((0, 1400)),
)  # fmt: skip
foreign = st.builds(
    ForeignRoute, st.just(socket.AF_INET), st.sampled_from(NETS), st.just(24), st.just(0),
    st.sampled_from(NETS), st.just(TUNNEL), st.just(3),
)  # fmt: skip
entries = st.lists(nexthops | neighbours | fdb | routes, max_size=12)


def wanted_of(found: list[Entry]) -> dict[Key, Entry]:
    """Leave out routes by a nexthop that is not wanted: no plan has them."""
    wanted = {one.key: one for one in found}
    return {
        key: one
        for key, one in wanted.items()
        if not isinstance(one, RouteEntry) or not one.nexthop or ("nexthop", one.nexthop) in wanted
    }


def kernel_of(found: list[Entry], more: list[FdbEntry], others: list[ForeignRoute]) -> Kernel:
    kernel = Kernel(foreign=list(dict.fromkeys(others)))
    for one in in_order(wanted_of(found).values()):
        kernel.add(one)
    for double in more:
        known = kernel.fdb.setdefault((double.oif, double.mac), [])
        if double.dst not in known:
            known.append(double.dst)
    return kernel


@given(entries, entries, st.lists(fdb, max_size=6), st.lists(foreign, max_size=3))
def test_one_pass_makes_the_kernel_what_it_should_be(
    found: list[Entry], aim: list[Entry], more: list[FdbEntry], others: list[ForeignRoute]
) -> None:
    kernel, wanted = kernel_of(found, more, others), wanted_of(aim)
    kernel.apply(difference(wanted, kernel.seen()))
    after = kernel.seen()
    assert after.entries == wanted
    assert not after.doubles and not after.foreign
    assert not difference(wanted, after), "a second pass has nothing to do"


@given(entries, entries, st.lists(fdb, max_size=6), st.lists(foreign, max_size=3))
def test_before_the_first_snapshot_nothing_goes_that_is_not_replaced(
    found: list[Entry], aim: list[Entry], more: list[FdbEntry], others: list[ForeignRoute]
) -> None:
    kernel, wanted = kernel_of(found, more, others), wanted_of(aim)
    before = kernel.seen()
    change = difference(wanted, before, may_delete=False)
    assert all(isinstance(one, ForeignRoute) and one.key in wanted for one in change.removed)
    kernel.apply(change)
    after = kernel.seen()
    assert before.entries.keys() <= after.entries.keys()
    for key, one in wanted.items():
        doubles = [double for double in after.doubles if double.key == key]
        assert after.entries[key] == one or one in doubles


@given(entries)
def test_what_is_as_wanted_is_left_alone(aim: list[Entry]) -> None:
    wanted = wanted_of(aim)
    assert not difference(wanted, kernel_of(list(wanted.values()), [], []).seen())


@given(entries)
def test_each_finds_what_it_needs_and_nothing_leads_into_what_has_gone(found: list[Entry]) -> None:
    kinds = [type(one) for one in in_order(found)]
    assert kinds == sorted(kinds, key=[Nexthop, NeighbourEntry, FdbEntry, RouteEntry].index)
    assert [type(one) for one in out_of_order(found)] == kinds[::-1]

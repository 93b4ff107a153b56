"""Everything made so in one go, where one service takes over what another was to have."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from linuxnet.service_entries import Entry, Front
from linuxnet.service_rules import Settings
from service_proxy.figures import Figures
from service_proxy.model import ServiceName
from service_proxy.programmer import Programmer
from service_proxy.wanted import Wanted

A, B = ServiceName("default", "a"), ServiceName("default", "b")
PORT, OTHER = (Front.node_port(4, "tcp", port).refused() for port in (30080, 30081))
Step = tuple[ServiceName, set[Entry]]


def reconcile(programmer: Programmer, steps: Iterable[Step]) -> set[Entry]:
    """Have services decided about in this order; return what the kernel has then."""
    there = programmer.load(Settings())
    programmer.reconcile(there, [], ((name, Wanted(tuple(entries))) for name, entries in steps))
    return programmer.table.dump()


@pytest.mark.parametrize("before", [set(), {PORT}, {PORT, OTHER}])
@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([(A, {PORT}), (B, {PORT}), (A, set())], {PORT}),  # both want the very same
        ([(A, {PORT}), (A, set()), (B, {PORT})], {PORT}),
        ([(A, {PORT, OTHER}), (A, {OTHER})], {OTHER}),
        ([(A, {PORT}), (B, {OTHER}), (A, set())], {OTHER}),
        ([(A, {PORT}), (A, set())], set()),
    ],
)
def test_who_loses_something_to_one_decided_about_later_is_no_trouble(
    host: None, before: set[Entry], steps: list[Step], left: set[Entry]
) -> None:
    programmer = Programmer(Figures())
    try:
        assert reconcile(programmer, [(A, before)]) == before
        assert reconcile(programmer, steps) == left
    finally:
        programmer.close()

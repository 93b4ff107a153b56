"""Conditions: begun, changed, over; each change is logged once."""

from __future__ import annotations

import logging
from itertools import count

import pytest

from cluster_store.conditions import Conditions


def test_a_condition_lasts_from_its_first_word_to_its_last(caplog: pytest.LogCaptureFixture) -> None:
    ticks = count(100)
    conditions = Conditions(clock=lambda: next(ticks), logger="podwire.loop")
    with caplog.at_level(logging.INFO, "podwire.loop"):
        conditions.tell("NoUplink", "no address")
        conditions.tell("NoUplink", "no address")
        conditions.tell("NoUplink", "no route")
        assert conditions.has("NoUplink")
        assert conditions.as_json() == [
            {"name": "NoUplink", "about": "", "message": "no route", "since": 100}
        ], "it began when it began"
        conditions.tell("NoUplink", "")
        conditions.tell("NoUplink", "")
    assert not conditions.has("NoUplink") and conditions.as_json() == []
    assert [one.getMessage() for one in caplog.records] == [
        "NoUplink: no address", "NoUplink: no route", "NoUplink: over",
    ]  # fmt: skip


def test_each_is_about_somebody_and_the_oldest_comes_first() -> None:
    ticks = count(100)
    conditions = Conditions(clock=lambda: next(ticks))
    for about in ("b", "a", "c"):
        conditions.tell("BadRecord", "damaged", about=about)
    conditions.tell("NoLease", "full")
    conditions.keep_only("BadRecord", {"a", "c"})
    assert [(one["name"], one["about"]) for one in conditions.as_json()] == [
        ("BadRecord", "a"), ("BadRecord", "c"), ("NoLease", ""),
    ]  # fmt: skip
    conditions.keep_only("BadRecord", ())
    assert not conditions.has("BadRecord") and conditions.has("NoLease")

"""Named moments."""

from __future__ import annotations

import math

from overlay.timers import Timers


def test_what_is_due_is_told_once() -> None:
    timers = Timers()
    timers.set("beat", 5.0)
    assert not timers.is_due("beat", 4.9)
    assert timers.is_due("beat", 5.0)
    assert not timers.is_due("beat", 9.0)
    assert timers.next() == math.inf


def test_the_earlier_moment_counts() -> None:
    timers = Timers()
    timers.set("beat", 5.0)
    timers.set("beat", 7.0)
    assert timers.next() == 5.0
    timers.set("beat", 3.0)
    assert timers.next() == 3.0
    timers.set_if_unset("beat", 1.0)
    timers.set_if_unset("other", 2.0)
    assert timers.next() == 2.0 and not timers.is_due("beat", 2.0)


def test_a_resync_is_put_off_by_the_one_that_was_just_made() -> None:
    timers = Timers()
    timers.set("resync", 5.0)
    timers.put_off("resync", 65.0)
    assert not timers.is_due("resync", 60.0) and timers.next() == 65.0

"""Durations as kubectl says them (k8s.io/apimachinery/pkg/util/duration, duration_test.go)."""

from __future__ import annotations

import pytest

from podwire.cluster.ages import UNKNOWN, age, duration, parse_duration
from tests.cli.cluster.bodies_of import BORN, NOW

SECOND, MINUTE, HOUR, DAY, YEAR = 1, 60, 3600, 86400, 365 * 86400


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "<invalid>"), (-0.5, "0s"), (1, "1s"), (70, "70s"), (190, "3m10s"), (600, "10m"),
        (179, "2m59s"),
        (47 * MINUTE, "47m"), (3 * HOUR, "3h"), (3 * HOUR + 2 * MINUTE, "3h2m"), (9 * HOUR, "9h"),
        (47 * HOUR, "47h"), (2 * DAY, "2d"), (2 * DAY + HOUR, "2d1h"), (9 * DAY, "9d"),
        (2 * YEAR, "2y"), (2 * YEAR + 3 * DAY, "2y3d"), (10 * YEAR, "10y"),
    ],
)  # fmt: skip
def test_a_duration_has_at_most_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_an_age_is_since_a_time() -> None:
    assert age(BORN, NOW) == "5m"
    assert age(None, NOW) == age("yesterday", NOW) == UNKNOWN


@pytest.mark.parametrize(
    ("said", "seconds"), [("30s", 30), ("1h30m", 5400), ("250ms", 0.25), ("7", 7), ("0", 0)]
)
def test_durations_are_read(said: str, seconds: float) -> None:
    assert parse_duration(said) == seconds


@pytest.mark.parametrize("said", ["", "s", "5x", "1h-3m", "abc"])
def test_what_is_no_duration_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(said)

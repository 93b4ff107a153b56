"""How long ago something was, as kubectl says it (k8s.io/apimachinery, duration.HumanDuration). Pure."""

from __future__ import annotations

from pod_runner.cluster.metadata import seconds_of

UNKNOWN = "<unknown>"
MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 365 * 86_400
# below how many seconds which unit, and with what beside it
FORMS = (
    (2 * MINUTE, 1, "s", 0, ""),
    (10 * MINUTE, MINUTE, "m", 1, "s"),
    (3 * HOUR, MINUTE, "m", 0, ""),
    (8 * HOUR, HOUR, "h", MINUTE, "m"),
    (2 * DAY, HOUR, "h", 0, ""),
    (8 * DAY, DAY, "d", HOUR, "h"),
    (2 * YEAR, DAY, "d", 0, ""),
    (8 * YEAR, YEAR, "y", DAY, "d"),
)


def duration(seconds: float) -> str:
    """Return a duration in at most two units; what is a little before now counts as 0s (clocks differ)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(0, whole)
    for limit, unit, name, smaller, smaller_name in FORMS:
        if whole < limit:
            rest = whole % unit // smaller if smaller else 0
            return f"{whole // unit}{name}" + (f"{rest}{smaller_name}" if rest else "")
    return f"{whole // YEAR}y"


def age(stamp: object, now: float) -> str:
    """Return how long ago an RFC 3339 time was; `now` in seconds of the epoch."""
    seconds = seconds_of(stamp)
    return UNKNOWN if seconds is None else duration(now - seconds)


def parse_duration(text: str) -> float:
    """Read kubectl's durations, "30s", "1m30s", "0" or plain seconds. Raises ValueError."""
    left, total = text.strip(), 0.0
    if not left:
        raise ValueError("expected a duration, as 30s, 5m or 1h30m")
    while left:
        number = next((i for i, one in enumerate(left) if one not in "0123456789."), len(left))
        unit = next((i for i, one in enumerate(left[number:]) if one in "0123456789."), len(left) - number)
        name = left[number : number + unit] or "s"
        if name not in _UNITS or not number:
            raise ValueError(f"{text!r} is no duration, as 30s, 5m or 1h30m")
        total += float(left[:number]) * _UNITS[name]
        left = left[number + unit :]
    return total


_UNITS = {"ms": 0.001, "s": 1, "m": MINUTE, "h": HOUR, "d": DAY}

"""Quantities of Kubernetes ("500m", "64Mi", "1e3") as numbers. Pure.

The form is apimachinery's (resource.Quantity): a decimal number with a binary (Ki to Ei), decimal (n to E)
or exponent (e3, E3) suffix.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

# "1E" is an exa, "1E3" a thousand: the exponent needs its digits
_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,3}|[numkMGTPE])?")
_BINARY = {
    suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
}
_DECIMAL = {
    suffix: Decimal(10) ** power
    for suffix, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
}
LONGEST = 64  # characters; honest ones have less than ten


def amount(quantity: str | int | float) -> Decimal:
    """Return what a quantity says, exactly.

    Raises:
        ValueError: it is none; the message is a sentence without its place.
    """
    text = str(quantity)
    found = _FORM.fullmatch(text) if len(text) <= LONGEST else None
    if found is None or isinstance(quantity, bool):
        raise ValueError('expected a quantity, such as "500m", "64Mi" or 2')
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix[:1] in "eE" and len(suffix) > 1 and suffix != "Ei":
        return number.scaleb(int(suffix[1:]))
    return number * (_BINARY.get(suffix) or _DECIMAL.get(suffix) or 1)


def cpu(quantity: str | int | float) -> float:
    """Return cores: "500m" is 0.5; thousandths, rounded up as Kubernetes does. Raises ValueError."""
    return float(amount(quantity).quantize(Decimal("0.001"), ROUND_CEILING))


def memory(quantity: str | int | float) -> int:
    """Return bytes, rounded up: "64Mi" is 67,108,864. Raises ValueError."""
    return whole(quantity)


def whole(quantity: str | int | float) -> int:
    """Return a count (pods, bytes), rounded up. Raises ValueError."""
    return int(amount(quantity).to_integral_value(ROUND_CEILING))

"""Amounts: what pods ask for and nodes have. Pure."""

from __future__ import annotations

from typing import NamedTuple

from pod_runner.manifests import quantity


class Amounts(NamedTuple):
    """What pods ask for and nodes have: cores, bytes."""

    cpu: float = 0.0
    memory: int = 0


def cores(said: object) -> float:
    """Return a quantity of cpu, 0.0 of what is none."""
    try:
        return quantity.cpu(said) if isinstance(said, str | int | float) else 0.0
    except (ValueError, ArithmeticError):
        return 0.0


def size(said: object) -> int:
    """Return a quantity of bytes or pods, 0 of what is none."""
    try:
        return quantity.whole(said) if isinstance(said, str | int | float) else 0
    except (ValueError, ArithmeticError):
        return 0

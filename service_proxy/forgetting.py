"""Stale flows -> the connection table: by one filtered message each, or by one look where they are many."""

from __future__ import annotations

from collections.abc import Sequence

from service_proxy.stale import StaleFlows


def forget_flows(flows: Sequence[StaleFlows]) -> int:
    return 0

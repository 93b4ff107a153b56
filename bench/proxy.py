"""Services: loading them, changing one, and connecting to one, beside a chain for every service.

programming   1,000, 10,000 and 30,000 services with 10 endpoints each -> kernel, by the whole loop; then one
              endpoint replaced and one service scaled, from the event to the committed transaction. The peer
              is a ruleset of kube-proxy's form by `nft -f`; of 30,000 services it takes many minutes, and is
              left out there.
processes     `podwire proxy` and an API server, beside kube-proxy where it is found (KUBE_PROXY, or on PATH)
connecting    connect(2) to a ClusterIP of this node, where there is 1 service and where there are 10,000
Each part alone: --only. Everything is in namespaces of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Protocol

from bench import proxy_connecting, proxy_processes, proxy_programming
from bench.overlay_world import make_world_private
from bench.report import Row


class Part(Protocol):
    """One part of the bench."""

    def __call__(self, *, is_quick: bool) -> Iterator[Row]:
        """Measure, and yield rows."""


PARTS: dict[str, Part] = {
    "programming": proxy_programming.rows,
    "processes": proxy_processes.rows,
    "connecting": proxy_connecting.rows,
}


def measure(arguments: list[str]) -> list[Row]:
    """Measure all parts, or those that are asked for."""
    parser = argparse.ArgumentParser(prog="bench proxy")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: a first look")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given again")
    chosen = parser.parse_args(arguments)
    make_world_private()
    return [row for name in chosen.only or PARTS for row in PARTS[name](is_quick=chosen.quick)]

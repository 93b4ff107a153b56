"""Many nodes: programming peers, joining, moving packets, all beside a peer in the same run.

programming   records -> kernel, beside `ip -batch` and `bridge -batch` with the same objects
start         the agent's, with a real etcd; flannel's figures there are recorded ones, of a like machine
joining       from a node's claim until every other node has an answer from it; real agents
traffic       pods of two nodes: our overlay beside plain routing and a VXLAN made by hand, taking turns
path MTU      an underlay hop of 1400 that says nothing: ours beside flannel's default
simulator     thousands of nodes claim, change and leave in a real etcd while a real agent follows
Each part alone: --only. Everything is in namespaces of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Protocol

from bench import (
    overlay_joining,
    overlay_path_mtu,
    overlay_programming,
    overlay_simulator,
    overlay_start,
    overlay_traffic,
)
from bench.overlay_world import make_world_private
from bench.report import Row


class Part(Protocol):
    """One part of the bench."""

    def __call__(self, *, is_quick: bool) -> Iterator[Row]:
        """Measure, and yield rows."""


PARTS: dict[str, Part] = {
    "programming": overlay_programming.rows,
    "start": overlay_start.rows,
    "joining": overlay_joining.rows,
    "traffic": overlay_traffic.rows,
    "path-mtu": overlay_path_mtu.rows,
    "simulator": overlay_simulator.rows,
}


def measure(arguments: list[str]) -> list[Row]:
    """Measure all parts, or those that are asked for."""
    parser = argparse.ArgumentParser(prog="bench overlay")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: a first look")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given again")
    chosen = parser.parse_args(arguments)
    make_world_private()
    return [row for name in chosen.only or PARTS for row in PARTS[name](is_quick=chosen.quick)]

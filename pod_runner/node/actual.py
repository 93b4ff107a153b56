"""ActualPod: what there is of a pod on this node, as its folder and its supervisor tell. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pod_runner.node.wanted import NO_DEMAND, Demand, HostPort


@dataclass(frozen=True)
class ActualPod:
    """One pod's folder. Times in seconds of the clock that `decide` is given.

    `is_ordered`: there is an order that can be read. `is_supervised`: a supervisor answers, or was just
    started. `stopped`: since when it is told to stop, within `grace` seconds; None: it is not. `is_over`:
    its containers have ended for good. `deaths`: supervisors that ended by themselves since the last that
    lived long; `died`: when the last did. `is_by_hand`: of `podwire pod run`, no store has it. `connected`:
    when a client connected last, as far as was looked.
    """

    uid: str
    is_ordered: bool = True
    is_supervised: bool = False
    is_ready: bool = False
    is_over: bool = False
    is_by_hand: bool = False
    stopped: float | None = None
    grace: float = 0.0
    connected: float = 0.0
    deaths: int = 0
    died: float = 0.0
    demand: Demand = NO_DEMAND
    host_ports: frozenset[HostPort] = frozenset()

"""May a pod begin here? Reasons are kubelet's words, since tools and people know them. Pure.

The scheduler has seen to it already; but two may have decided at once, a pod may name its node itself, and
a node may have become smaller.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pod_runner.node.actual import ActualPod
from pod_runner.node.wanted import Demand, HostPort, WantedPod

MILLI, MEBI = 1000, 1 << 20
ANY_ADDRESS = ("", "0.0.0.0", "::")


@dataclass(frozen=True)
class Room:
    """What a node has for its pods: cores, bytes, and how many they may be."""

    cpu: float
    memory: int
    pods: int


@dataclass(frozen=True)
class Refusal:
    """Why a pod does not begin: a reason in one word, and a sentence."""

    reason: str
    message: str


def refusal(pod: WantedPod, here: Iterable[ActualPod], room: Room) -> Refusal | None:
    """Return why a pod may not begin beside those that are here, None: it may."""
    others = [one for one in here if one.uid != pod.uid and not one.is_over]
    if len(others) >= room.pods:
        return Refusal("OutOfpods", _out_of("pods", 1, len(others), room.pods))
    used = sum((one.demand for one in others), Demand())
    if pod.demand.cpu and used.cpu + pod.demand.cpu > room.cpu + 1e-9:
        numbers = (round(one * MILLI) for one in (pod.demand.cpu, used.cpu, room.cpu))
        return Refusal("OutOfcpu", _out_of("cpu", *numbers))
    if pod.demand.memory and used.memory + pod.demand.memory > room.memory:
        return Refusal("OutOfmemory", _out_of("memory", pod.demand.memory, used.memory, room.memory))
    taken = {port for one in others for port in one.host_ports}
    for wanted in sorted(pod.host_ports):
        if any(_clash(wanted, other) for other in taken):
            said = f"host port {wanted[1]} {wanted[2]} is another pod's"
            return Refusal("NodePorts", f"Pod was rejected: Predicate NodePorts failed: {said}")
    return None


def _out_of(what: str, wanted: int, used: int, capacity: int) -> str:
    """Return kubelet's sentence (InsufficientResourceError); cpu in thousandths of a core."""
    return (
        f"Pod was rejected: Node didn't have enough resource: {what}, "
        f"requested: {wanted}, used: {used}, capacity: {capacity}"
    )


def _clash(one: HostPort, other: HostPort) -> bool:
    is_same_place = one[0] == other[0] or one[0] in ANY_ADDRESS or other[0] in ANY_ADDRESS
    return is_same_place and one[1:] == other[1:]

"""The scheduler: a pod without a node -> the best of those that it may be on, or why there is none. Pure.

One pod after another, each counted on its node before the next is looked at. Replicas of one owner are spread
first; then what the pod would like, then the node that has given away least. The same pods and nodes give the
same answer, whoever decides. Nobody is put out for another (there is no preemption).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pod_runner.controllers import topology
from pod_runner.controllers.fitting import node_wishes, refusal, summary
from pod_runner.controllers.taints import is_tolerated, tolerations_of
from pod_runner.controllers.topology import Around
from pod_runner.controllers.usage import NodeUsage, Usage
from pod_runner.controllers.views import NodeView, PodView

AROUND = ("affinity", "topologySpreadConstraints")  # members of a spec that ask what else is there


@dataclass(frozen=True)
class Placed:
    """Where a pod is to be: a node's name, or "" and why not."""

    pod: PodView
    node: str
    why_not: str = ""


def place_all(pods: Iterable[PodView], nodes: Sequence[NodeView], usage: Usage) -> list[Placed]:
    """Place pods, oldest first. Those that find a node are counted in `usage` from now on."""
    placed = []
    for pod in sorted(pods, key=lambda one: (one.created, one.ref)):
        one = place(pod, nodes, usage)
        if one.node:
            usage.add(pod, one.node)
        placed.append(one)
    return placed


def place(pod: PodView, nodes: Sequence[NodeView], usage: Usage) -> Placed:
    """Find a node for one pod."""
    around = Around(nodes, usage)
    reasons = {node.name: refusal(pod, node, usage.at(node.name)) for node in nodes}
    if _asks_around(pod, nodes, usage):
        by_others = topology.refusals(pod, around)
        reasons = {name: reason or by_others.get(name, "") for name, reason in reasons.items()}
    fitting = [node for node in nodes if not reasons[node.name]]
    if not fitting:
        return Placed(pod, "", summary(reasons))
    liked = (
        topology.wishes(pod, around) if any(name in pod.object.spec for name in AROUND) else Counter[str]()
    )
    best = min(fitting, key=lambda node: _rank(pod, node, usage.at(node.name), liked[node.name]))
    return Placed(pod, best.name)


def _asks_around(pod: PodView, nodes: Sequence[NodeView], usage: Usage) -> bool:
    """Tell whether other pods have a say in it: by this pod's rules, or by theirs."""
    if any(name in pod.object.spec for name in AROUND):
        return True
    return any(usage.at(node.name).exclusive for node in nodes)


def _rank(pod: PodView, node: NodeView, used: NodeUsage, liked: int) -> tuple[float | str, ...]:
    """Return a key by which the best node is the least."""
    tolerations = tolerations_of(pod)
    soft = [taint for taint in node.taints if taint.effect == "PreferNoSchedule"]
    return (
        used.owners[pod.owner] if pod.owner else 0,
        sum(not is_tolerated(taint, tolerations) for taint in soft),
        -(liked + node_wishes(pod, node)),
        _share(node, used),
        hashlib.sha256(f"{pod.uid}/{node.name}".encode()).hexdigest(),
    )


def _share(node: NodeView, used: NodeUsage) -> float:
    """Return which part of a node is given away; if it does not say what it has, how many pods it has."""
    if node.room is None or not node.room.cpu or not node.room.memory:
        return float(len(used.pods))
    cpu, memory = used.counted_cpu / node.room.cpu, used.counted_memory / node.room.memory
    return round((cpu + memory) / 2, 6)

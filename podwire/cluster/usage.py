"""What pods use: asked of their supervisors twice, since processors count what was used, not what is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pod_runner.cluster.bodies import JsonObject, is_true, number, table, text
from pod_runner.cluster.objects import Object
from pod_runner.kernel.cgroups import NO_CGROUPS
from pod_runner.manifests.quantity import cpu, memory
from pod_runner.supervisor import client

LOOK = 0.5  # seconds between the two looks
MEBI = 1 << 20


@dataclass(frozen=True)
class _Look:
    when: float
    containers: JsonObject
    is_counted: bool


@dataclass(frozen=True)
class Use:
    """Cores, and bytes without page cache that may be dropped."""

    cores: float = 0.0
    memory: int = 0

    def __add__(self, other: Use) -> Use:
        return Use(self.cores + other.cores, self.memory + other.memory)

    @property
    def cores_text(self) -> str:
        """Return cores as "12m"."""
        return f"{round(self.cores * 1000)}m"

    @property
    def memory_text(self) -> str:
        """Return memory as "34Mi"."""
        return f"{round(self.memory / MEBI)}Mi"


def measure(sockets: Mapping[str, Path], tell: Callable[[str], object]) -> dict[str, dict[str, Use]]:
    """Return what the containers of pods use, by uid as their sockets are; without who does not answer.

    `tell` gets a sentence where nobody counts what pods use.
    """
    first = _look(sockets)
    time.sleep(LOOK)  # a rate is measured over a time: nothing is waited for
    second = _look(sockets)
    counted = {uid: found for uid, found in second.items() if found.is_counted}
    if len(counted) < len(second):
        tell(f"{len(second) - len(counted)} of {len(second)} pods: {NO_CGROUPS}")
    return {uid: _rates(first[uid], counted[uid]) for uid in first.keys() & counted.keys()}


def share(used: float, total: float) -> str:
    """Return a part of a whole as "12%"."""
    return f"{round(100 * used / total)}%" if total else "<unknown>"


def room_in(node: Object) -> Use:
    """Return what a node has for its pods."""
    for key in ("allocatable", "capacity"):
        found = table(node.status, key)
        if "cpu" in found and "memory" in found:
            return Use(cpu(str(found["cpu"])), memory(str(found["memory"])))
    return Use()


def total(uses: Iterable[Use]) -> Use:
    """Add up."""
    return sum(uses, Use())


def _look(sockets: Mapping[str, Path]) -> dict[str, _Look]:
    found = {}
    for uid, path in sockets.items():
        try:
            body = client.stats(path)
        except client.ControlError:  # it has ended, or its node is busy: the table says unknown
            continue
        is_counted = is_true(body, "isCounted")
        found[uid] = _Look(time.monotonic(), table(body, "containers"), is_counted=is_counted)
    return found


def _rates(first: _Look, second: _Look) -> dict[str, Use]:
    seconds = second.when - first.when
    rates = {}
    for name in second.containers:
        now = table(second.containers, name)
        before = number(table(first.containers, name), "cpu_ns", default=number(now, "cpu_ns"))
        cores = max(0, number(now, "cpu_ns") - before) / 1e9 / seconds
        rates[name] = Use(cores, number(now, "memory_working_set"))
    return rates


def is_running(pod: Object) -> bool:
    """Tell whether there is something to measure."""
    return text(pod.status, "phase") == "Running" and bool(text(pod.spec, "nodeName"))

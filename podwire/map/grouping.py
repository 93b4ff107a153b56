"""Many pods as few lines: those of one workload become one line with their number. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from podwire.map.model import Pod
from podwire.map.words import counted, plain, pod_facts

# What controllers put behind a workload's name: "web-7d9c5b8f4-x2x9p" of web, "db-0", "pod12"
_MADE_UP = re.compile(r"(-[a-z0-9]{6,10}(?=-[a-z0-9]{5}$))?(-[a-z0-9]{5}|-?\d+)$")


@dataclass(frozen=True)
class Row:
    """One line: a pod, or several of one workload. `name` is not escaped, `facts` are."""

    name: str
    facts: str
    address: str  # the first one, for where there is little room
    count: int
    pods: tuple[Pod, ...]


def rows_of(pods: Sequence[Pod], most: int) -> list[Row]:
    """Return a line for each pod, or for each workload where there are more than `most` pods.

    Of workloads the first `most` by number, and one line for all that is left.
    """
    if len(pods) <= most:
        return [_alone(pod) for pod in pods]
    groups: dict[str, list[Pod]] = {}
    for pod in pods:
        groups.setdefault(workload_of(pod.name), []).append(pod)
    by_size = sorted(groups.values(), key=len, reverse=True)
    rows = [_together(group) for group in by_size[:most]]
    rest = [pod for group in by_size[most:] for pod in group]
    return rows + ([_row("others", rest)] if rest else [])


def workload_of(name: str) -> str:
    """Return a pod's name without what its controller put behind it."""
    return _MADE_UP.sub("", name) or name


def _alone(pod: Pod) -> Row:
    return Row(pod.name, pod_facts(pod), next(iter(pod.addresses), ""), 1, (pod,))


def _together(pods: Sequence[Pod]) -> Row:
    return _alone(pods[0]) if len(pods) == 1 else _row(workload_of(pods[0].name), pods)


def _row(name: str, pods: Sequence[Pod]) -> Row:
    addresses = [next(iter(pod.addresses), "") for pod in pods]
    said = f"{addresses[0]} … {addresses[-1]}" if addresses[0] and addresses[-1] else ""
    facts = "  ".join(filter(None, (counted(len(pods), "pod"), plain(said))))
    return Row(f"{name} ×{len(pods)}", facts, counted(len(pods), "pod"), len(pods), tuple(pods))

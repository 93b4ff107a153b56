"""The scheduler's task: all pods that wait for a node -> the parts of a few commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pod_runner.cluster import events
from pod_runner.cluster.bodies import JsonObject, text, with_member
from pod_runner.cluster.events import NORMAL, WARNING, Happening
from pod_runner.cluster.objects import Object
from pod_runner.controllers.conditions import with_condition
from pod_runner.controllers.known import Known
from pod_runner.controllers.scheduling import Placed, place_all
from pod_runner.controllers.views import PodView
from pod_runner.controllers.writing import Part, put

OURS = ("", "default-scheduler")  # schedulerName; pods of others are left to them


@dataclass(frozen=True)
class Bound:
    """A pod that is to be written: with its node, or with the reason why it has none."""

    placed: Placed
    part: Part


def place_waiting(known: Known, is_free: Callable[[Object], bool], now: float) -> tuple[list[Bound], bool]:
    """Place all pods that wait; return what is to be written, and whether pods are left without a node.

    `is_free`: whether an object is not being written just now; `now`: seconds of the epoch. Pods that find a
    node are counted there from now on: `known.usage.remove` takes that back.
    """
    waiting = [pod for pod in known.homeless.values() if _is_ours(pod) and is_free(pod.object)]
    waiting = [pod for pod in waiting if not known.is_closing(pod.object.namespace)]
    nodes = sorted(known.nodes.values(), key=lambda node: node.name)
    placed = place_all(waiting, nodes, known.usage)
    return list(_bindings(placed, now)), any(not one.node for one in placed)


def _is_ours(pod: PodView) -> bool:
    return text(pod.object.spec, "schedulerName") in OURS


def _bindings(placed: list[Placed], now: float) -> Iterator[Bound]:
    for one in placed:
        body = _placed_body(one, now)
        if body is not one.pod.object.body:
            yield Bound(one, put(one.pod.object, body))


def _placed_body(placed: Placed, now: float) -> JsonObject:
    body = placed.pod.object.body
    if not placed.node:
        said = {"reason": "Unschedulable", "message": placed.why_not}
        return with_condition(body, {"type": "PodScheduled", "status": "False", **said}, now)
    body = with_member(body, placed.node, "spec", "nodeName")
    is_so: JsonObject = {"type": "PodScheduled", "status": "True", "reason": "", "message": ""}
    return with_condition(body, is_so, now)


def told(placed: Placed) -> Happening:
    """Return what a person is told of a pod's place."""
    pod = placed.pod.object
    if not placed.node:
        return events.about(pod, "FailedScheduling", placed.why_not, "default-scheduler", WARNING)
    said = f"Successfully assigned {pod.namespace}/{pod.name} to {placed.node}"
    return events.about(pod, "Scheduled", said, "default-scheduler", NORMAL)

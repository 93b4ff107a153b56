"""What is written of pods and of this node, each decided on what is there when it is written."""

from __future__ import annotations

import time
from collections.abc import Callable

from pod_runner.cluster.bodies import JsonObject, table, text
from pod_runner.cluster.events import Happening
from pod_runner.cluster.kinds import NODE, POD
from pod_runner.cluster.metadata import time_text
from pod_runner.cluster.objects import Object, ref_of
from pod_runner.cluster.store import AlreadyExists, ClusterStore, NotFound
from pod_runner.node import node_object
from pod_runner.node.admission import Refusal
from pod_runner.node.node_object import NodeFacts
from pod_runner.node.reports import Report
from pod_runner.node.statuses import merged, refused
from pod_runner.node.wanted import WantedPod

Edit = Callable[[JsonObject], JsonObject]


def tell_status(pod: WantedPod, status: JsonObject) -> Report:
    """Return what writes a pod's status, if the object is still that pod."""
    return _change(pod, lambda before: merged(before, status))


def tell_refusal(pod: WantedPod, why: Refusal) -> Report:
    """Return what says in the object that the pod may not begin here."""
    return _change(pod, lambda before: refused(before, why, time_text(time.time())))


def finish(pod: WantedPod) -> Report:
    """Return what takes the object of a pod away that has ended."""
    ref = ref_of(POD, pod.namespace, pod.name)
    return lambda cluster: cluster.remove(Object(ref, pod.body, pod.version))


def tell_node(facts: NodeFacts) -> Report:
    """Return what has the Node object say what is so; it is made if it is missing."""

    def write(cluster: ClusterStore) -> None:
        now = time_text(time.time())
        try:
            cluster.change(NODE, "", facts.name, lambda before: node_object.told(before, facts, now))
        except NotFound:
            try:
                cluster.create(node_object.fresh(facts, now))
            except AlreadyExists:  # somebody else has just made it: the next look says what is to be said
                return

    return write


def of_pod(pod: WantedPod, reason: str, message: str, kind: str, node: str) -> Happening:
    """Return what has happened to a pod."""
    return Happening(ref_of(POD, pod.namespace, pod.name), pod.uid, reason, message, f"podwire, {node}", kind)


def _change(pod: WantedPod, edit: Edit) -> Report:
    def change(before: JsonObject) -> JsonObject | None:
        if text(before, "metadata", "uid") != pod.uid:  # another one of that name by now
            return None
        return {**before, "status": edit(table(before, "status"))}

    def write(cluster: ClusterStore) -> None:
        try:
            cluster.change(POD, pod.namespace, pod.name, change)
        except NotFound:  # it has gone meanwhile, with whatever was to be said of it
            return

    return write

"""Which nodes a pod may be on; of the others the first reason why not, in kube-scheduler's words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pod_runner.cluster.bodies import JsonObject, rows, table, words
from pod_runner.cluster.selectors import Requirement, expressions_of
from pod_runner.controllers.taints import is_tolerated, tolerations_of
from pod_runner.controllers.topology import PREFERRED
from pod_runner.controllers.usage import NodeUsage
from pod_runner.controllers.views import REQUIRED, NodeView, PodView

NO_NODES = "no nodes available to schedule pods"


def refusal(pod: PodView, node: NodeView, used: NodeUsage) -> str:
    """Return why a pod cannot be on a node, "" if it can."""
    return _by_node(pod, node) or _by_room(pod, node, used)


def _by_node(pod: PodView, node: NodeView) -> str:
    if node.is_unschedulable:
        return "node(s) were unschedulable"
    tolerations = tolerations_of(pod)
    for taint in node.taints:
        if taint.effect in ("NoSchedule", "NoExecute") and not is_tolerated(taint, tolerations):
            return f"node(s) had untolerated taint {taint}"
    if node.ready != "True" or node.object.is_terminating:
        return "node(s) were not ready"
    if not wants_node(pod, node):
        return "node(s) didn't match Pod's node affinity/selector"
    return ""


def _by_room(pod: PodView, node: NodeView, used: NodeUsage) -> str:
    if any(used.has_port(port) for port in pod.host_ports):
        return "node(s) didn't have free ports for the requested pod ports"
    if node.max_pods is not None and len(used.pods) >= node.max_pods:
        return "Too many pods"
    if node.room is None:
        return ""
    if pod.requests.cpu and used.cpu + pod.requests.cpu > node.room.cpu + 1e-9:  # sums of floats
        return "Insufficient cpu"
    if pod.requests.memory and used.memory + pod.requests.memory > node.room.memory:
        return "Insufficient memory"
    return ""


def wants_node(pod: PodView, node: NodeView) -> bool:
    """Tell whether a node is one that the pod's nodeSelector and required node affinity allow."""
    selector = words(pod.object.spec, "nodeSelector")
    if any(node.labels.get(key) != value for key, value in selector.items()):
        return False
    affinity = table(pod.object.spec, "affinity", "nodeAffinity")
    if REQUIRED not in affinity:
        return True
    return any(_matches(term, node) for term in rows(affinity, REQUIRED, "nodeSelectorTerms"))


def node_wishes(pod: PodView, node: NodeView) -> int:
    """Return how much a pod would like a node for its labels."""
    preferred = rows(pod.object.spec, "affinity", "nodeAffinity", PREFERRED)
    weights = (one.get("weight") for one in preferred if _matches(table(one, "preference"), node))
    return sum(weight for weight in weights if isinstance(weight, int))


def _matches(term: JsonObject, node: NodeView) -> bool:
    """Tell whether a node fulfils a NodeSelectorTerm; one that is empty selects nothing."""
    by_label = expressions_of(term.get("matchExpressions"))
    by_field = expressions_of(term.get("matchFields"))
    if not by_label and not by_field:
        return False
    fields = {"metadata.name": node.name}
    return _all(by_label, node.labels) and _all(by_field, fields)


def _all(requirements: tuple[Requirement, ...], labels: Mapping[str, str]) -> bool:
    return all(one.matches(labels) for one in requirements)


def summary(reasons: Mapping[str, str]) -> str:
    """Return why no node will do, of each node's reason: `0/3 nodes are available: 3 Insufficient cpu.`"""
    if not reasons:
        return NO_NODES
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons.values()).items())
    return f"0/{len(reasons)} nodes are available: {', '.join(counted)}."

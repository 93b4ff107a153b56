"""Beside which pods a pod may be, must be, would like to be: (anti-)affinity, spread over topologies. Pure.

A topology is a node label; its values (zones, hosts) are domains. The pods that count are those that a
selector finds, in the namespaces that the rule names (the pod's own, if it names none).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pod_runner.cluster.bodies import JsonObject, number, rows, table, text, texts
from pod_runner.cluster.selectors import selector_of
from pod_runner.controllers.usage import Usage
from pod_runner.controllers.views import REQUIRED, NodeView, PodView

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
AFFINITY_UNMET = "node(s) didn't match pod affinity rules"
ANTI_UNMET = "node(s) didn't match pod anti-affinity rules"
THEIRS_UNMET = "node(s) didn't satisfy existing pods anti-affinity rules"
SPREAD_UNMET = "node(s) didn't match pod topology spread constraints"
SPREAD_UNLABELED = "node(s) didn't match pod topology spread constraints (missing required label)"


@dataclass(frozen=True)
class Around:
    """What surrounds a pod that is to be placed: all nodes, and what runs on them."""

    nodes: Sequence[NodeView]
    usage: Usage

    def domains(self, pod: PodView, term: JsonObject, key: str) -> Counter[str]:
        """Count the pods that a term selects, by the domain of their node."""
        found: Counter[str] = Counter()
        for node in self.nodes:
            if key in node.labels:
                here = self.usage.at(node.name).pods.values()
                found[node.labels[key]] += sum(selects(term, pod, other) for other in here)
        return found

    def with_anti_affinity(self) -> Iterator[tuple[NodeView, PodView]]:
        """Yield the pods that keep others away."""
        for node in self.nodes:
            for pod in self.usage.at(node.name).pods.values():
                if pod.has_anti_affinity:
                    yield node, pod


def selects(term: JsonObject, pod: PodView, other: PodView) -> bool:
    """Tell whether a rule of `pod` speaks of `other`."""
    if not other.is_active or "labelSelector" not in term:
        return False
    namespaces = texts(term, "namespaces") or (pod.object.namespace,)
    is_there = other.object.namespace in namespaces
    return is_there and selector_of(table(term, "labelSelector")).matches(other.labels)


def _terms(pod: PodView, kind: str) -> list[JsonObject]:
    return rows(pod.object.spec, "affinity", kind, REQUIRED)


def refusals(pod: PodView, around: Around) -> dict[str, str]:
    """Return the nodes on which a pod may not be because of other pods, with kube-scheduler's reason."""
    found: dict[str, str] = {}
    for reason, names in (
        *_by_affinity(pod, around),
        *_by_anti_affinity(pod, around),
        *_by_spread(pod, around),
    ):
        for name in names:
            found.setdefault(name, reason)
    return found


def _by_affinity(pod: PodView, around: Around) -> Iterator[tuple[str, Iterable[str]]]:
    for term in _terms(pod, "podAffinity"):
        key = text(term, "topologyKey")
        domains = around.domains(pod, term, key)
        if not domains.total() and selects(term, pod, pod):
            continue  # the first of a group that wants to be together
        yield AFFINITY_UNMET, [node.name for node in around.nodes if not domains[node.labels.get(key, "")]]


def _by_anti_affinity(pod: PodView, around: Around) -> Iterator[tuple[str, Iterable[str]]]:
    for term in _terms(pod, "podAntiAffinity"):
        key = text(term, "topologyKey")
        domains = around.domains(pod, term, key)
        yield ANTI_UNMET, [node.name for node in around.nodes if domains[node.labels.get(key, "")]]
    for where, other in around.with_anti_affinity():
        for term in _terms(other, "podAntiAffinity"):
            key = text(term, "topologyKey")
            if key in where.labels and selects(term, other, pod):
                taken = where.labels[key]
                yield THEIRS_UNMET, [node.name for node in around.nodes if node.labels.get(key) == taken]


def _by_spread(pod: PodView, around: Around) -> Iterator[tuple[str, Iterable[str]]]:
    for rule in rows(pod.object.spec, "topologySpreadConstraints"):
        if text(rule, "whenUnsatisfiable") == "ScheduleAnyway":
            continue
        key, most = text(rule, "topologyKey"), max(1, number(rule, "maxSkew", default=1))
        domains = around.domains(pod, rule, key)
        least = min(domains.values(), default=0)
        yield SPREAD_UNLABELED, [node.name for node in around.nodes if key not in node.labels]
        full = {name for name, count in domains.items() if count + 1 - least > most}
        yield SPREAD_UNMET, [node.name for node in around.nodes if node.labels.get(key) in full]


def wishes(pod: PodView, around: Around) -> Counter[str]:
    """Return how much a pod would like each node because of other pods; more is better."""
    found: Counter[str] = Counter()
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        for wish in rows(pod.object.spec, "affinity", kind, PREFERRED):
            term, weight = table(wish, "podAffinityTerm"), sign * number(wish, "weight", default=1)
            _weigh(found, pod, around, term, weight)
    for rule in rows(pod.object.spec, "topologySpreadConstraints"):
        if text(rule, "whenUnsatisfiable") == "ScheduleAnyway":
            _weigh(found, pod, around, rule, -1)
    return found


def _weigh(found: Counter[str], pod: PodView, around: Around, term: JsonObject, weight: int) -> None:
    key = text(term, "topologyKey")
    domains = around.domains(pod, term, key)
    for node in around.nodes:
        found[node.name] += weight * domains[node.labels.get(key, "")]

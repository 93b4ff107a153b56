"""Rules of scheduling: affinity, spread and tolerations. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pod_runner.manifests.problems import Found, JsonObject, Route
from pod_runner.manifests.rules import below, each, text

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def check_scheduling(spec: JsonObject, route: Route, found: Found) -> None:
    """Judge where a pod may run."""
    for place, toleration in each(spec, "tolerations", route):
        _check_toleration(toleration, place, found)
    for place, term in _terms(below(spec, "affinity", "nodeAffinity"), (*route, "affinity", "nodeAffinity")):
        check_requirements(term, place, found)
        for inside, field in each(term, "matchFields", place):
            if field.get("key") not in (None, "metadata.name"):
                found.error((*inside, "key"), "expected metadata.name: nodes have no other field for it")
            _check_requirement(field, inside, found)
    for kind in ("podAffinity", "podAntiAffinity"):
        for place, term in _pod_terms(below(spec, "affinity", kind), (*route, "affinity", kind)):
            check_requirements(below(term, "labelSelector"), (*place, "labelSelector"), found)
    for place, constraint in each(spec, "topologySpreadConstraints", route):
        check_requirements(below(constraint, "labelSelector"), (*place, "labelSelector"), found)


def _terms(affinity: JsonObject, route: Route) -> Iterator[tuple[Route, JsonObject]]:
    yield from each(below(affinity, REQUIRED), "nodeSelectorTerms", (*route, REQUIRED))
    for place, wish in each(affinity, PREFERRED, route):
        yield (*place, "preference"), below(wish, "preference")


def _pod_terms(affinity: JsonObject, route: Route) -> Iterator[tuple[Route, JsonObject]]:
    yield from each(affinity, REQUIRED, route)
    for place, wish in each(affinity, PREFERRED, route):
        yield (*place, "podAffinityTerm"), below(wish, "podAffinityTerm")


def _check_toleration(toleration: JsonObject, route: Route, found: Found) -> None:
    exists = toleration.get("operator") == "Exists"
    if not text(toleration, "key") and not exists:
        found.error(route, "without a key the operator must be Exists")
    if exists and text(toleration, "value"):
        found.error((*route, "value"), "must be empty with the operator Exists")
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        found.error((*route, "tolerationSeconds"), "is for the effect NoExecute", at_key=True)


def check_requirements(selector: JsonObject, route: Route, found: Found) -> None:
    """Judge `matchExpressions` of labels or of a node."""
    for place, requirement in each(selector, "matchExpressions", route):
        _check_requirement(requirement, place, found)


def _check_requirement(requirement: JsonObject, route: Route, found: Found) -> None:
    operator, given = text(requirement, "operator"), requirement.get("values")
    values = given if isinstance(given, list) else []
    count = len(values)
    if operator in ("In", "NotIn") and not count:
        found.error(route, f"{operator} needs values")
    if operator in ("Exists", "DoesNotExist") and count:
        found.error((*route, "values"), f"must be empty with the operator {operator}")
    if operator in ("Gt", "Lt") and (count != 1 or not f"{values[0]}".lstrip("-").isdecimal()):
        found.error(route, f"{operator} needs one value, a whole number")

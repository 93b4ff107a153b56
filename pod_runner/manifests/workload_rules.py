"""Rules of Deployments, ReplicaSets and ConfigMaps. Pure."""

from __future__ import annotations

from pod_runner.manifests.forms import FORMS
from pod_runner.manifests.pod_rules import check_pod_spec
from pod_runner.manifests.problems import Found, JsonObject, Route
from pod_runner.manifests.rules import below, each, number, text
from pod_runner.manifests.scheduling_rules import check_requirements

DATA_MAX = 1 << 20  # bytes (core/v1 MaxSecretSize, which ConfigMaps have as well)
DEADLINE_DEFAULT = 600  # seconds


def check_replica_set(body: JsonObject, found: Found) -> None:
    """Judge a ReplicaSet, and what a Deployment has as well."""
    spec = below(body, "spec")
    template = below(spec, "template")
    if isinstance(spec.get("selector"), dict):
        _check_selector(below(spec, "selector"), below(template, "metadata", "labels"), found)
    pod = below(template, "spec")
    route: Route = ("spec", "template", "spec")
    check_pod_spec(pod, route, found)
    if text(pod, "restartPolicy") not in ("", "Always"):
        found.error((*route, "restartPolicy"), "must be Always: a workload's pods run until they are deleted")


def check_deployment(body: JsonObject, found: Found) -> None:
    """Judge a Deployment."""
    check_replica_set(body, found)
    spec = below(body, "spec")
    _check_strategy(below(spec, "strategy"), found)
    deadline = number(spec, "progressDeadlineSeconds") or DEADLINE_DEFAULT
    if deadline <= (number(spec, "minReadySeconds") or 0):
        found.error(("spec", "minReadySeconds"), f"must be less than progressDeadlineSeconds, {deadline}")


def check_config_map(body: JsonObject, found: Found) -> None:
    """Judge a ConfigMap."""
    size = sum(len(f"{value}".encode(errors="replace")) for value in below(body, "data").values())
    if size > DATA_MAX:
        found.error(("data",), f"{size} bytes are more than {DATA_MAX}", at_key=True)


def _check_selector(selector: JsonObject, labels: JsonObject, found: Found) -> None:
    route: Route = ("spec", "selector")
    check_requirements(selector, route, found)
    if found.has_errors(route) or found.has_errors(("spec", "template", "metadata")):
        return
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        found.error(route, "an empty selector would take every pod")
    elif not selects(selector, labels):
        found.error(("spec", "template", "metadata", "labels"), "spec.selector does not select these labels")


def selects(selector: JsonObject, labels: JsonObject) -> bool:
    """Tell whether a LabelSelector that was judged fits labels."""
    if any(labels.get(key) != (value or "") for key, value in below(selector, "matchLabels").items()):
        return False
    for _, requirement in each(selector, "matchExpressions", ()):
        has = requirement.get("key") in labels
        values = requirement.get("values")
        among = has and labels[text(requirement, "key")] in (values if isinstance(values, list) else ())
        fits = {"In": among, "NotIn": not among, "Exists": has, "DoesNotExist": not has}
        if not fits[text(requirement, "operator")]:
            return False
    return True


def _check_strategy(strategy: JsonObject, found: Found) -> None:
    rolling = strategy.get("rollingUpdate")
    route: Route = ("spec", "strategy", "rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling:
        found.error(route, "is for the type RollingUpdate", at_key=True)
    if not isinstance(rolling, dict):
        return
    surge, missing = rolling.get("maxSurge"), rolling.get("maxUnavailable")
    if _is_nothing(surge) and _is_nothing(missing):
        found.error(route, "with maxSurge and maxUnavailable both 0 nothing could ever be updated")
    is_percent = isinstance(missing, str) and not FORMS["int-or-percent"](missing)
    if is_percent and int(f"{missing}"[:-1]) > 100:
        found.error((*route, "maxUnavailable"), "is at most 100%")


def _is_nothing(part: object) -> bool:
    return part is not None and f"{part}".rstrip("%").strip("0") == "" and part is not False

"""Who answers for a service: its ready pods, and which of their ports. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pod_runner.cluster.bodies import JsonObject, member, number, rows, text, words
from pod_runner.cluster.objects import Object
from podwire.cluster.pod_words import condition_holds


def ready_pods(service: JsonObject, pods: Iterable[Object]) -> list[Object]:
    """Return the pods that a service leads to, None of them if it selects nobody."""
    wanted = words(service, "spec", "selector")
    namespace = text(service, "metadata", "namespace")
    if not wanted:
        return []
    return [one for one in pods if one.namespace == namespace and _fits(one, wanted) and is_serving(one)]


def is_serving(pod: Object) -> bool:
    """Tell whether a pod gets new connections."""
    return not pod.is_terminating and condition_holds(pod.body, "Ready")


def ready_endpoints(service: JsonObject, pods: Iterable[Object]) -> tuple[str, ...]:
    """Return ADDRESS:PORT of everybody who answers."""
    found = []
    for pod in ready_pods(service, pods):
        host = text(pod.status, "podIP")
        shown = f"[{host}]" if ":" in host else host
        ports = [target_port(port, pod.body) for port in rows(service, "spec", "ports")]
        found += [f"{shown}:{port}" for port in ports if host and port]
    return tuple(found)


def target_port(port: JsonObject, pod: JsonObject) -> int:
    """Return which port of a pod a service's port leads to; 0: the pod has none of that name."""
    target = member(port, "targetPort")
    if isinstance(target, str) and not target.isdigit():
        return next((number(one, "containerPort") for one in _ports(pod) if text(one, "name") == target), 0)
    if isinstance(target, int | str) and not isinstance(target, bool):
        return int(target)
    return number(port, "port")


def _ports(pod: JsonObject) -> Iterable[JsonObject]:
    for container in rows(pod, "spec", "containers"):
        yield from rows(container, "ports")


def _fits(pod: Object, wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= pod.labels.items()

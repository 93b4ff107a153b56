"""One pod of what a person names: `web`, `pod/web`, `deploy/web`, `svc/web`."""

from __future__ import annotations

from dataclasses import dataclass

from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, CniError
from cni_spec.json_input import JsonObject
from pod_runner.cluster.bodies import rows, table, text, words
from pod_runner.cluster.kinds import DEPLOYMENT, POD, REPLICA_SET, SERVICE
from pod_runner.cluster.objects import Object, ref_of_body
from pod_runner.cluster.selectors import Requirement, Selector, selector_of
from pod_runner.cluster.store import ClusterStore, NotFound
from podwire.cluster.endpoints import is_serving
from podwire.cluster.selecting import Filter, choose, read_choices
from podwire.cluster.where import Place, ask

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"  # an annotation


@dataclass(frozen=True)
class Sought:
    """Pods, and the object by which they were named."""

    pods: tuple[Object, ...]
    by: JsonObject


def seek(place: Place, said: str, namespace: str) -> Sought:
    """Return the pod that is meant, the best one of several. Raises CniError, NotFound's message in it."""

    def look(cluster: ClusterStore) -> JsonObject:
        named = _named(cluster, said, namespace)
        pods = [named] if named.ref.kind == POD.kind else sorted(_pods_of(cluster, named), key=_rank)
        if not pods:
            raise NotFound(f"{named.ref} has no pod")
        return {"by": named.body, "pods": [pods[0].body]}

    return _sought(ask(place, f"looking for {said}", look))


def seek_all(place: Place, which: Filter) -> Sought:
    """Return all pods that some labels choose."""

    def look(cluster: ClusterStore) -> JsonObject:
        found = [one for one in cluster.list(POD, which.namespace) if which.takes(one)]
        return {"by": {}, "pods": [one.body for one in found]}

    return _sought(ask(place, "looking for pods", look))


def container_of(pod: Object, name: str = "") -> JsonObject:
    """Return the container that is meant; without a name the one its pod prefers, else the first.

    Raises:
        CniError: there is none of that name; it says which there are.
    """
    every = [*rows(pod.spec, "containers"), *rows(pod.spec, "initContainers")]
    wanted = name or words(pod.body, "metadata", "annotations").get(DEFAULT_CONTAINER, "")
    found = next((one for one in every if text(one, "name") == wanted or not wanted), None)
    if found is None:
        names = ", ".join(text(one, "name") for one in every)
        raise CniError(INVALID_CONFIG, f"pod {pod.name} has no container {wanted!r}; it has {names}")
    return found


def status_in(status: JsonObject, container: str) -> JsonObject:
    """Return a container's status from its pod's; {} before there is one."""
    every = [*rows(status, "containerStatuses"), *rows(status, "initContainerStatuses")]
    return next((one for one in every if text(one, "name") == container), {})


def _named(cluster: ClusterStore, said: str, namespace: str) -> Object:
    chosen = choose(cluster, read_choices([said], POD), Filter(namespace))
    if chosen.missing:
        raise chosen.missing[0]
    if len(chosen.objects) != 1:
        raise CniError(NOT_AVAILABLE, f"{said} is not one object")
    return chosen.objects[0]


def _pods_of(cluster: ClusterStore, found: Object) -> list[Object]:
    """Return the pods that an object leads to, or controls."""
    if found.ref.kind == SERVICE.kind:
        equal = words(found.spec, "selector").items()
        selector = Selector(tuple(Requirement(key, "In", (value,)) for key, value in equal))
    elif found.ref.kind in (DEPLOYMENT.kind, REPLICA_SET.kind):
        selector = selector_of(table(found.spec, "selector"))
    else:
        raise CniError(INVALID_CONFIG, f"{found.ref.resource.plural} have no pods")
    return cluster.list(POD, found.namespace, selector) if selector.requirements else []


def _rank(pod: Object) -> tuple[bool, bool, str]:
    """Sort those that serve before those that run, and these before the rest."""
    return (not is_serving(pod), text(pod.status, "phase") != "Running", pod.name)


def _sought(told: JsonObject) -> Sought:
    by = told["by"]
    assert isinstance(by, dict)
    return Sought(tuple(Object(ref_of_body(one), one) for one in rows(told, "pods")), by)

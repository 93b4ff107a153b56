"""PodView, NodeView, SetView: objects as the decisions read them; each member is looked for once, and warily.

A quantity that is none counts as missing: whoever applied it was told by `manifests`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pod_runner.cluster.bodies import JsonObject, is_true, member, number, rows, table, text, words
from pod_runner.cluster.metadata import controller_of, seconds_of
from pod_runner.cluster.objects import Object, Ref
from pod_runner.cluster.selectors import Selector, selector_of
from pod_runner.controllers.amounts import Amounts, cores, size
from pod_runner.controllers.conditions import condition

OVER = ("Succeeded", "Failed")
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def created(found: Object) -> float:
    """Return when an object was made, seconds of the epoch."""
    return seconds_of(member(found.body, "metadata", "creationTimestamp")) or 0.0


@dataclass(frozen=True)
class PodView:
    """A pod."""

    object: Object

    @property
    def ref(self) -> Ref:
        """Return its kind and name."""
        return self.object.ref

    @property
    def uid(self) -> str:
        """Return its uid."""
        return self.object.uid

    @cached_property
    def node(self) -> str:
        """Return the node it is bound to, "" for none."""
        return text(self.object.spec, "nodeName")

    @cached_property
    def phase(self) -> str:
        """Return its phase."""
        return text(self.object.status, "phase") or "Pending"

    @property
    def is_over(self) -> bool:
        """Tell whether it has ended for good."""
        return self.phase in OVER

    @cached_property
    def is_active(self) -> bool:
        """Tell whether it counts as one of its set's."""
        return not self.is_over and not self.object.is_terminating

    @cached_property
    def is_ready(self) -> bool:
        """Tell whether it serves."""
        return condition(self.object.body, "Ready").get("status") == "True"

    @cached_property
    def ready_since(self) -> float:
        """Return since when it is (or was) ready, seconds of the epoch; 0.0 if that is not told."""
        return seconds_of(condition(self.object.body, "Ready").get("lastTransitionTime")) or 0.0

    @cached_property
    def created(self) -> float:
        """Return when it was made."""
        return created(self.object)

    @cached_property
    def restarts(self) -> int:
        """Return how often its containers were begun again, of the one that was most often."""
        counts = (number(one, "restartCount") for one in rows(self.object.status, "containerStatuses"))
        return max(counts, default=0)

    @cached_property
    def owner(self) -> str:
        """Return the uid of what controls it."""
        return controller_of(self.object.body)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Return its labels."""
        return self.object.labels

    @cached_property
    def has_anti_affinity(self) -> bool:
        """Tell whether it keeps other pods away from its node, or from more than that."""
        return bool(rows(self.object.spec, "affinity", "podAntiAffinity", REQUIRED))

    @cached_property
    def deletion_cost(self) -> int:
        """Return what its author says that its loss costs; the cheapest go first."""
        said = words(self.object.body, "metadata", "annotations").get(DELETION_COST, "0")
        return int(said) if said.lstrip("-").isdecimal() and len(said) < 12 else 0

    @cached_property
    def requests(self) -> Amounts:
        """Return what it asks for: all containers together, or one before them that asks for more."""
        main = [_requests(one) for one in rows(self.object.spec, "containers")]
        before = [_requests(one) for one in rows(self.object.spec, "initContainers")]
        cpu = max([sum(one.cpu for one in main), *(one.cpu for one in before)])
        return Amounts(cpu, max([sum(one.memory for one in main), *(one.memory for one in before)]))

    @cached_property
    def host_ports(self) -> frozenset[tuple[str, str, int]]:
        """Return the ports of the node that it wants: address ("" is any), protocol, number."""
        on_host = is_true(self.object.spec, "hostNetwork")
        found = set()
        for container in rows(self.object.spec, "containers"):
            for port in rows(container, "ports"):
                wanted = number(port, "hostPort") or (number(port, "containerPort") if on_host else 0)
                if wanted:
                    address = text(port, "hostIP")
                    anywhere = address in ("", "0.0.0.0", "::")
                    found.add(("" if anywhere else address, text(port, "protocol") or "TCP", wanted))
        return frozenset(found)


def _requests(container: JsonObject) -> Amounts:
    """Return what a container asks for; where it has limits alone, it asks for those."""
    limits, asked = table(container, "resources", "limits"), table(container, "resources", "requests")
    return Amounts(cores({**limits, **asked}.get("cpu")), size({**limits, **asked}.get("memory")))


class Taint(NamedTuple):
    """What keeps pods from a node. `since`: seconds of the epoch, None if that is not told."""

    key: str
    value: str
    effect: str
    since: float | None = None

    def __str__(self) -> str:
        """Return it as the scheduler of Kubernetes says it."""
        return f"{{{self.key}: {self.value}}}"


@dataclass(frozen=True)
class NodeView:
    """A node."""

    object: Object

    @property
    def name(self) -> str:
        """Return its name."""
        return self.object.name

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Return its labels."""
        return self.object.labels

    @property
    def ready(self) -> str:
        """Return "True", "False" or "Unknown"."""
        return text(condition(self.object.body, "Ready"), "status") or "Unknown"

    @cached_property
    def is_unschedulable(self) -> bool:
        """Tell whether it is cordoned."""
        return is_true(self.object.spec, "unschedulable")

    @cached_property
    def taints(self) -> tuple[Taint, ...]:
        """Return its taints."""
        return tuple(
            Taint(text(one, "key"), text(one, "value"), text(one, "effect"), seconds_of(one.get("timeAdded")))
            for one in rows(self.object.spec, "taints")
        )

    @cached_property
    def room(self) -> Amounts | None:
        """Return what pods may ask for in all; None if it does not say, which is no limit."""
        said = table(self.object.status, "allocatable") or table(self.object.status, "capacity")
        return Amounts(cores(said.get("cpu")), size(said.get("memory"))) if "cpu" in said else None

    @cached_property
    def max_pods(self) -> int | None:
        """Return how many pods it takes; None if it does not say."""
        said = table(self.object.status, "allocatable") or table(self.object.status, "capacity")
        return size(said["pods"]) if "pods" in said else None


@dataclass(frozen=True)
class SetView:
    """A replica set or a deployment: something with replicas, a selector and a template."""

    object: Object

    @property
    def name(self) -> str:
        """Return its name."""
        return self.object.name

    @cached_property
    def replicas(self) -> int:
        """Return how many it is to have."""
        return max(0, number(self.object.spec, "replicas", default=1))

    @cached_property
    def selector(self) -> Selector:
        """Return which pods are its own."""
        return selector_of(table(self.object.spec, "selector"))

    @cached_property
    def template(self) -> JsonObject:
        """Return what its pods are made from."""
        return table(self.object.spec, "template")

    @cached_property
    def min_ready(self) -> int:
        """Return for how many seconds a pod must have been ready to count as available."""
        return max(0, number(self.object.spec, "minReadySeconds"))

    @property
    def available(self) -> int:
        """Return how many of its pods are available, as its status says."""
        return number(self.object.status, "availableReplicas")

    @property
    def present(self) -> int:
        """Return how many pods it has, as its status says."""
        return number(self.object.status, "replicas")

    @cached_property
    def created(self) -> float:
        """Return when it was made."""
        return created(self.object)

    @cached_property
    def owner(self) -> str:
        """Return the uid of what controls it."""
        return controller_of(self.object.body)

    @cached_property
    def annotations(self) -> dict[str, str]:
        """Return its annotations."""
        return words(self.object.body, "metadata", "annotations")

"""What a variable may take from the pod itself (fieldRef, resourceFieldRef), as kubelet resolves it.

Pure: what only the node knows comes in `Facts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from pod_runner.container.spec import ContainerError
from pod_runner.manifests.container import Container
from pod_runner.manifests.model import ResourceReference
from pod_runner.manifests.pod import Pod
from pod_runner.manifests.quantity import amount

CONFIG_ERROR = "CreateContainerConfigError"
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


@dataclass(frozen=True)
class Facts:
    """A pod and what only its node knows; `cores` and `memory` (bytes) stand for limits that are unset."""

    pod: Pod
    hostname: str
    addresses: tuple[str, ...] = ()
    host_address: str = ""
    node: str = ""
    cores: float = 1.0
    memory: int = 0


_FIELDS: dict[str, Callable[[Facts], str]] = {
    "metadata.name": lambda facts: facts.pod.metadata.name,
    "metadata.namespace": lambda facts: facts.pod.metadata.namespace,
    "metadata.uid": lambda facts: facts.pod.metadata.uid,
    "metadata.labels": lambda facts: _map_text(facts.pod.metadata.labels),
    "metadata.annotations": lambda facts: _map_text(facts.pod.metadata.annotations),
    "spec.nodeName": lambda facts: facts.pod.spec.node_name or facts.node,
    "spec.serviceAccountName": lambda _: "default",
    "status.hostIP": lambda facts: facts.host_address,
    "status.hostIPs": lambda facts: facts.host_address,
    "status.podIP": lambda facts: facts.addresses[0] if facts.addresses else "",
    "status.podIPs": lambda facts: ",".join(facts.addresses),
}


def field_of(facts: Facts, path: str) -> str:
    """Return a field's text. Raises ContainerError for a path that nobody knows."""
    if path in _FIELDS:
        return _FIELDS[path](facts)
    if found := _SUBSCRIPT.fullmatch(path):
        metadata = facts.pod.metadata
        return (metadata.labels if found[1] == "labels" else metadata.annotations).get(found[2], "")
    raise ContainerError(f"fieldPath {path!r} is not supported", CONFIG_ERROR)


def resource_of(facts: Facts, reference: ResourceReference, container: Container) -> str:
    """Return a request or limit in units of its divisor, rounded up. Raises ContainerError."""
    if reference.container_name and reference.container_name != container.name:
        spec = facts.pod.spec
        others = {one.name: one for one in (*spec.containers, *spec.init_containers)}
        if reference.container_name not in others:
            raise ContainerError(f"there is no container {reference.container_name!r}", CONFIG_ERROR)
        container = others[reference.container_name]
    try:
        value = _amount(facts, container, reference.resource)
        divisor = amount(reference.divisor) or Decimal(1)
    except ValueError as error:
        raise ContainerError(f"{reference.resource}: {error}", CONFIG_ERROR) from error
    return str(int((value / divisor).to_integral_value(ROUND_CEILING)))


def _amount(facts: Facts, container: Container, resource: str) -> Decimal:
    """Return what is set; a limit that is not is what the node has, a request that is not the limit, or 0."""
    kind, _, name = resource.partition(".")
    limits, requests = container.resources.limits, container.resources.requests
    capacity = {"cpu": Decimal(str(facts.cores)), "memory": Decimal(facts.memory)}
    if kind == "limits":
        return amount(limits[name]) if name in limits else capacity.get(name, Decimal(0))
    if kind == "requests":
        return amount(requests.get(name, limits.get(name, "0")))
    raise ContainerError(f"resource {resource!r} is not supported", CONFIG_ERROR)


def _map_text(pairs: dict[str, str]) -> str:
    """Return KEY="VALUE" lines, as kubelet's FormatMap."""
    return "\n".join(f'{key}="{_quoted(value)}"' for key, value in sorted(pairs.items()))


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

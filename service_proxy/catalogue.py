"""All services, slices, pods and nodes as of now; a source's events come in, what they touch comes out.

The proxy and the DNS server live on one catalogue. Only one thread gives it events; what it holds are
frozen values, so that a reader who copies a reference has something that nobody changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from service_proxy.model import (
    EndpointSlice,
    Namespace,
    Node,
    Pod,
    Service,
    ServiceCidr,
    ServiceName,
    SliceName,
)


class Kind(Enum):
    """What a source tells of."""

    SERVICE = "Service"
    SLICE = "EndpointSlice"
    POD = "Pod"
    NODE = "Node"
    SERVICE_CIDR = "ServiceCIDR"
    NAMESPACE = "Namespace"


Key = ServiceName | SliceName | str  # ServiceName of a service, SliceName of slices and pods, else the name
Value = Service | EndpointSlice | Pod | Node | ServiceCidr | Namespace


class Listed(NamedTuple):
    """All there is of a kind; it replaces what was known."""

    kind: Kind
    items: Mapping[Key, Value]


class Changed(NamedTuple):
    """One object is new, other than it was, or gone."""

    kind: Kind
    key: Key
    value: Value | None  # None: gone


Event = Listed | Changed


@dataclass(frozen=True, slots=True)
class Touched:
    """What an event has changed: nothing in it means that everything was so already."""

    services: frozenset[ServiceName] = frozenset()  # it, or one of its slices
    pods: frozenset[SliceName] = frozenset()
    nodes: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    is_everything: bool = False  # own node or the ranges of ClusterIPs: all services are to be looked at

    def __bool__(self) -> bool:
        return bool(
            self.services or self.pods or self.nodes or self.namespaces or self.is_everything
        )


Listener = Callable[[Touched], None]
NOTHING = Touched()


class Catalogue:
    """What is known. `node_name`: this node; `asked`: the kinds that the source will list."""

    def __init__(
        self, node_name: str = "", asked: Iterable[Kind] = (Kind.SERVICE, Kind.SLICE)
    ) -> None:
        self.node_name = node_name
        self.services: dict[ServiceName, Service] = {}
        self.slices: dict[SliceName, EndpointSlice] = {}
        self.pods: dict[SliceName, Pod] = {}
        self.nodes: dict[str, Node] = {}
        self.service_cidrs: dict[str, ServiceCidr] = {}
        self.namespaces: dict[str, Namespace] = {}

    @property
    def is_complete(self) -> bool:
        """Tell whether each kind asked for was listed once: nothing may be decided before."""
        raise NotImplementedError

    @property
    def own_node(self) -> Node | None:
        """Return this node, if it is known."""
        return self.nodes.get(self.node_name)

    def slices_of(self, service: ServiceName) -> tuple[EndpointSlice, ...]:
        """Return a service's slices, by name."""
        raise NotImplementedError

    def listen(self, listener: Listener) -> None:
        """Call `listener` with what each event touches, in the thread that brings the events."""
        raise NotImplementedError

    def take(self, event: Event) -> Touched:
        """Take an event in; return what it touches, after the listeners were told."""
        raise NotImplementedError

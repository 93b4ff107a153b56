"""All services, slices, pods and nodes as of now; a source's events come in, what they touch comes out.

The proxy and the DNS server live on one catalogue. Only one thread gives it events; what it holds are
frozen values, so that a reader who copies a reference has something that nobody changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, assert_never, cast

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
        return bool(self.services or self.pods or self.nodes or self.namespaces or self.is_everything)


Listener = Callable[[Touched], None]
NOTHING = Touched()


class Catalogue:
    """What is known. `node_name`: this node; `asked`: the kinds that the source will list."""

    def __init__(self, node_name: str = "", asked: Iterable[Kind] = (Kind.SERVICE, Kind.SLICE)) -> None:
        self.node_name = node_name
        self.services: dict[ServiceName, Service] = {}
        self.slices: dict[SliceName, EndpointSlice] = {}
        self.pods: dict[SliceName, Pod] = {}
        self.nodes: dict[str, Node] = {}
        self.service_cidrs: dict[str, ServiceCidr] = {}
        self.namespaces: dict[str, Namespace] = {}
        known: dict[Kind, object] = {
            Kind.SERVICE: self.services,
            Kind.SLICE: self.slices,
            Kind.POD: self.pods,
            Kind.NODE: self.nodes,
            Kind.SERVICE_CIDR: self.service_cidrs,
            Kind.NAMESPACE: self.namespaces,
        }
        # a kind's keys and values are of one type each
        self._known = cast(dict[Kind, dict[Key, Value]], known)
        self._missing = set(asked)
        self._slices_of: dict[ServiceName, tuple[EndpointSlice, ...]] = {}
        self._listeners: list[Listener] = []

    @property
    def is_complete(self) -> bool:
        """Tell whether each kind asked for was listed once: nothing may be decided before."""
        return not self._missing

    @property
    def missing(self) -> frozenset[Kind]:
        """Return the kinds asked for that nobody has listed yet."""
        return frozenset(self._missing)

    @property
    def own_node(self) -> Node | None:
        """Return this node, if it is known."""
        return self.nodes.get(self.node_name)

    def slices_of(self, service: ServiceName) -> tuple[EndpointSlice, ...]:
        """Return a service's slices, by name."""
        return self._slices_of.get(service, ())

    def listen(self, listener: Listener) -> None:
        """Call `listener` with what each event touches, in the thread that brings the events."""
        self._listeners.append(listener)

    def take(self, event: Event) -> Touched:
        """Take an event in; return what it touches, after the listeners were told."""
        known = self._known[event.kind]
        if isinstance(event, Listed):
            self._missing.discard(event.kind)
            changes = _differences(known, event.items)
        else:
            changes = _differences_of(known, event.key, event.value)
        touched = self._touched(event.kind, changes)
        if touched:
            for listener in self._listeners:
                listener(touched)
        return touched

    def _touched(self, kind: Kind, changes: list[_Change]) -> Touched:
        """Return what changes of one kind touch."""
        if not changes:
            return NOTHING
        names = [name for name, _, _ in changes]
        match kind:
            case Kind.SERVICE:
                return Touched(services=frozenset(cast(list[ServiceName], names)))
            case Kind.SLICE:
                return Touched(services=self._rejoin(changes))
            case Kind.POD:
                return Touched(pods=frozenset(cast(list[SliceName], names)))
            case Kind.NODE:
                return Touched(nodes=frozenset(cast(list[str], names)), is_everything=self.node_name in names)
            case Kind.SERVICE_CIDR:
                return Touched(is_everything=True)
            case Kind.NAMESPACE:
                return Touched(namespaces=frozenset(cast(list[str], names)))
            case _:
                assert_never(kind)

    def _rejoin(self, changes: list[_Change]) -> frozenset[ServiceName]:
        """Bring slices under their services; return whose these are and were."""
        by_service: dict[ServiceName, dict[SliceName, EndpointSlice | None]] = {}
        for _, before, after in changes:
            for one, is_there in ((before, False), (after, True)):
                if isinstance(one, EndpointSlice):
                    by_service.setdefault(one.service, {})[one.name] = one if is_there else None
        for service, changed in by_service.items():
            kept = [one for one in self._slices_of.get(service, ()) if one.name not in changed]
            joined = kept + [one for one in changed.values() if one is not None]
            if joined:
                self._slices_of[service] = tuple(sorted(joined, key=_by_name))
            else:
                self._slices_of.pop(service, None)
        return frozenset(by_service)


_Change = tuple[Key, Value | None, Value | None]  # whose, before, after


def _differences(known: dict[Key, Value], items: Mapping[Key, Value]) -> list[_Change]:
    """Bring `known` to `items`; return what has changed."""
    found: list[_Change] = [(key, known.pop(key), None) for key in known.keys() - items.keys()]
    for key, value in items.items():
        found += _differences_of(known, key, value)
    return found


def _differences_of(known: dict[Key, Value], key: Key, value: Value | None) -> list[_Change]:
    before = known.get(key)
    if value is None:
        known.pop(key, None)
    elif value != before:
        known[key] = value
    return [(key, before, value)] if value != before else []


def _by_name(one: EndpointSlice) -> SliceName:
    return one.name

"""Endpoint slices from pods: what Kubernetes' controller writes, where there is none (folder, store).

A service's selector finds its pods; each pod becomes an endpoint in the slice of those that have the same
family and the same ports, since a port's name may stand for another number on each pod. A service without a
selector has the slices that somebody wrote; those pass. A change of one pod touches the services that select
it and, of them, that pod alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from service_proxy.catalogue import Changed, Event, Key, Kind, Listed, Value
from service_proxy.model import (
    EndpointSlice,
    Node,
    Pod,
    Service,
    ServiceName,
    ServiceType,
    SliceName,
)
from service_proxy.sources.pod_endpoints import Member, Members, as_endpoints, slices_of
from service_proxy.sources.selectors import Selectors

Known = TypeVar("Known")
Object = TypeVar("Object")
NEEDED = frozenset({Kind.SERVICE, Kind.POD, Kind.SLICE, Kind.NODE})


class PodSlices:
    """A `Stage`: services, pods, nodes and written slices in, all slices out as well."""

    def __init__(self) -> None:
        self._listed: set[Kind] = set()
        self._services: dict[ServiceName, Service] = {}
        self._pods: dict[SliceName, Pod] = {}
        self._nodes: dict[str, Node] = {}
        self._written: dict[Key, Value] = {}
        self._selectors = Selectors()
        self._members: dict[ServiceName, Members] = {}
        self._slices: dict[ServiceName, dict[SliceName, EndpointSlice]] = {}
        self._due: dict[ServiceName, set[SliceName] | None] = {}  # which pods; None: all
        self._is_list_due = False

    def take(self, events: Sequence[Event]) -> list[Event]:
        """Return the events with the slices that follow from them; of slices nothing before all is known."""
        told: list[Event] = []
        for event in events:
            if isinstance(event, Listed):
                self._take_all(event)
            else:
                self._take_one(event.kind, event.key, event.value)
            if event.kind is not Kind.SLICE or (isinstance(event, Changed) and self._is_told):
                told.append(event)
        return told + self._slices_told()

    @property
    def _is_told(self) -> bool:
        return self._listed >= NEEDED and not self._is_list_due

    def _take_all(self, listed: Listed) -> None:
        """Take in a list, by its differences."""
        for key in self._known(listed.kind) - listed.items.keys():
            self._take_one(listed.kind, key, None)
        for key, value in listed.items.items():
            self._take_one(listed.kind, key, value)
        self._listed.add(listed.kind)
        self._is_list_due |= listed.kind in NEEDED

    def _known(self, kind: Kind) -> set[Key]:
        by_kind: dict[Kind, Iterable[Key]] = {
            Kind.SERVICE: self._services,
            Kind.POD: self._pods,
            Kind.NODE: self._nodes,
            Kind.SLICE: self._written,
        }
        return set(by_kind.get(kind, ()))

    def _take_one(self, kind: Kind, key: Key, value: Value | None) -> None:
        match kind, key:
            case Kind.SERVICE, ServiceName():
                assert value is None or isinstance(value, Service)
                self._take_service(key, value)
            case Kind.POD, SliceName():
                assert value is None or isinstance(value, Pod)
                self._take_pod(key, value)
            case Kind.NODE, str():
                assert value is None or isinstance(value, Node)
                self._take_node(key, value)
            case Kind.SLICE, _:
                _set(self._written, key, value)

    def _take_service(self, name: ServiceName, service: Service | None) -> None:
        if service == self._services.get(name):
            return
        _set(self._services, name, service)
        selects = service is not None and service.type is not ServiceType.EXTERNAL_NAME
        self._selectors.set_service(name, service.selector if service is not None and selects else {})
        self._due[name] = None

    def _take_pod(self, name: SliceName, pod: Pod | None) -> None:
        before = self._pods.get(name)
        if pod == before:
            return
        touched = set(self._selectors.services_of(name))
        _set(self._pods, name, pod)
        if before is None or pod is None or pod.labels != before.labels:
            self._selectors.set_pod(name, pod)
            touched.update(self._selectors.services_of(name))
        for service in touched:
            if (due := self._due.setdefault(service, set())) is not None:
                due.add(name)

    def _take_node(self, name: str, node: Node | None) -> None:
        """Take in a node: endpoints say its zone, which is changed once in years, so that a walk is fine."""
        before = self._nodes.get(name)
        _set(self._nodes, name, node)
        if (before.zone if before else "") == (node.zone if node else ""):
            return
        for pod in [pod for pod in self._pods.values() if pod.node == name]:
            for service in self._selectors.services_of(pod.name):
                if (due := self._due.setdefault(service, set())) is not None:
                    due.add(pod.name)

    def _slices_told(self) -> list[Event]:
        if not self._listed >= NEEDED:
            return []
        changes: list[Event] = []
        for service, pods in self._due.items():
            changes += self._remade(service, pods)
        self._due.clear()
        if not self._is_list_due:
            return changes
        self._is_list_due = False
        items = dict(self._written)
        for made in self._slices.values():
            for key, one in made.items():
                items[key] = one
        return [Listed(Kind.SLICE, items)]

    def _remade(self, name: ServiceName, pods: set[SliceName] | None) -> list[Event]:
        """Make a service's slices anew after these pods have changed; return what is other than before."""
        service = self._services.get(name)
        before = self._slices.pop(name, {})
        members = self._members.pop(name, {})
        if pods is None:
            members = {}
        if service is not None:
            for one in self._selectors.pods_of(name) if pods is None else pods:
                self._join(service, members, one)
        if members:
            self._members[name] = members
        after = slices_of(name, members)
        if after:
            self._slices[name] = after
        changed = [key for key in after if after[key] != before.get(key)]
        gone = [key for key in before if key not in after]
        new = [Changed(Kind.SLICE, key, after[key]) for key in changed]
        return [*new, *(Changed(Kind.SLICE, key, None) for key in gone)]  # new endpoints before old ones go

    def _join(self, service: Service, members: Members, name: SliceName) -> None:
        pod = self._pods.get(name)
        found: dict[int, Member] = {}
        if pod is not None and self._selectors.selects(service.name, name):
            node = self._nodes.get(pod.node)
            found = as_endpoints(service, pod, node.zone if node else "")
        if found:
            members[name] = found
        else:
            members.pop(name, None)


def _set(where: dict[Known, Object], key: Known, value: Object | None) -> None:
    if value is None:
        where.pop(key, None)
    else:
        where[key] = value

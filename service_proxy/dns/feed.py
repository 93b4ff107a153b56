"""Catalogue -> updates: what has changed since the last time somebody asked, as DNS says it.

The thread that brings events only notes what they touch; records are made in the thread that sends them,
and a service that changed ten times meanwhile is told once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from threading import Event, Lock

from service_proxy.catalogue import Catalogue, Touched
from service_proxy.dns.names import label
from service_proxy.dns.records import NOWHERE, Place, ServiceRecords, records_of, service_key
from service_proxy.dns.updates import Update
from service_proxy.model import Pod, ServiceName, SliceName

SHOWN = 80  # characters of a name in a log
CHUNK = 100  # services of one update: a millisecond in which nobody is answered

log = logging.getLogger("service_proxy.dns")


class Feed:
    """What has to be told. `news` is set when there is something."""

    def __init__(self, catalogue: Catalogue, *, prefers_near: bool = False, names_pods: bool = False) -> None:
        self.news = Event()
        self._catalogue = catalogue
        self._prefers_near, self._names_pods = prefers_near, names_pods
        self._lock = Lock()
        self._services: dict[ServiceName, None] = {}
        self._pods: dict[SliceName, None] = {}
        self._namespaces: dict[str, None] = {}
        self._told_pods: dict[SliceName, frozenset[tuple[bytes, bytes]]] = {}  # (namespace, address)
        self._told_namespaces: set[str] = set()
        self._place = NOWHERE
        self._was_complete = False
        catalogue.listen(self._note)

    def everything(self) -> Iterator[Update]:
        """Yield what a process must be told that knows nothing; others may hear it too, `changes` go on."""
        self._place = self._find_place()
        self._told_pods, self._told_namespaces = {}, set()
        with self._lock:
            self._services |= dict.fromkeys(list(self._catalogue.services))
            self._pods |= dict.fromkeys(list(self._catalogue.pods))
            self._namespaces |= dict.fromkeys(list(self._catalogue.namespaces))
        self._was_complete = False
        yield from self._changes(is_anew=True)

    def changes(self) -> Iterator[Update]:
        """Yield what has changed since the last time."""
        yield from self._changes()

    def _changes(self, *, is_anew: bool = False) -> Iterator[Update]:
        is_complete = self._catalogue.is_complete  # before the changes: what is complete now is among them
        with self._lock:
            self.news.clear()
            services, self._services = list(self._services), {}
            pods, self._pods = list(self._pods), {}
            namespaces, self._namespaces = list(self._namespaces), {}
        changed = tuple(self._change_namespaces(namespaces)), tuple(self._change_pods(pods))
        others = Update((), *changed, is_anew)
        if any(others):
            yield others
        for at in range(0, len(services), CHUNK):
            yield Update(tuple(self._change_services(services[at : at + CHUNK])))
        if is_complete and not self._was_complete:
            self._was_complete = True
            yield Update(is_complete=True)

    def _note(self, touched: Touched) -> None:
        with self._lock:
            self._services |= dict.fromkeys(touched.services)
            self._pods |= dict.fromkeys(touched.pods)
            self._namespaces |= dict.fromkeys(touched.namespaces)
            if touched.is_everything and self._prefers_near and self._find_place() != self._place:
                self._place = self._find_place()
                self._services |= dict.fromkeys(list(self._catalogue.services))
        self.news.set()

    def _find_place(self) -> Place:
        if not self._prefers_near:
            return NOWHERE
        node = self._catalogue.own_node
        return Place(self._catalogue.node_name, node.zone if node is not None else "")

    def _change_services(self, names: Iterable[ServiceName]) -> Iterator[tuple[bytes, ServiceRecords | None]]:
        for name in names:
            key = service_key(*name)
            if key is not None:
                yield key, self._records(name)
            else:
                log.warning("service %s has no name in DNS: it is made of other than labels", _shown(name))

    def _records(self, name: ServiceName) -> ServiceRecords | None:
        service = self._catalogue.services.get(name)
        if service is None:
            return None
        slices = self._catalogue.slices_of(name)
        records = records_of(service, slices, self._place, names_pods=self._names_pods)
        if records is None:
            log.warning("service %s has no name in DNS: its externalName is none", _shown(name))
        return records

    def _change_namespaces(self, names: Iterable[str]) -> Iterator[tuple[bytes, bool]]:
        for name in names:
            wire, is_there = label(name), name in self._catalogue.namespaces
            if wire is not None and is_there != (name in self._told_namespaces):
                (self._told_namespaces.add if is_there else self._told_namespaces.discard)(name)
                yield wire, is_there

    def _change_pods(self, names: Iterable[SliceName]) -> Iterator[tuple[bytes, bytes, bool]]:
        for name in names:
            told = self._told_pods.pop(name, frozenset())
            now = _addresses(name, self._catalogue.pods.get(name))
            if now:
                self._told_pods[name] = now
            yield from ((namespace, address, False) for namespace, address in told - now)
            yield from ((namespace, address, True) for namespace, address in now - told)


def _shown(name: ServiceName) -> str:
    return ascii(f"{name.namespace[:SHOWN]}/{name.name[:SHOWN]}")


def _addresses(name: SliceName, pod: Pod | None) -> frozenset[tuple[bytes, bytes]]:
    """Return what is told of a pod; nothing of one that is over: somebody else may have its address."""
    namespace = label(name.namespace)
    if pod is None or pod.is_over or namespace is None:
        return frozenset()
    return frozenset((namespace, address) for address in pod.addresses)

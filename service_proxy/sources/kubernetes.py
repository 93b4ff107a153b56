"""An API server as source: a list and a watch for each kind, small values at once.

What is asked for:

    services, endpoint slices   those that are for this proxy, by label selector. Where DNS lives on the same
                                events all are asked for: other proxies' services and headless slices have
                                names, too. Their values say whose they are, and the proxy passes them by.
    nodes                       this one alone, where its name is known
    ServiceCIDRs                no server before 1.33 has them, and not every role may read them: then there
                                are none, and nothing is dropped for want of an owner
    pods, namespaces            for DNS

Lists are read in pages and not at resourceVersion 0: from the server's cache everything would come in one
answer (the limit does not hold there before 1.34), and at times from before what this node knew already.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import Enum
from random import Random
from threading import Event as Flag
from typing import NamedTuple

from cluster_store.kubernetes import Watch, WatchEvent
from cluster_store.kubernetes_access import Access
from cluster_store.kubernetes_answers import JsonObject, KindUnknown
from cluster_store.kubernetes_listing import Listing
from cluster_store.pauses import Pauses
from cluster_store.store import StoreRefused, StoreUnavailable
from service_proxy.catalogue import Event, Kind, Listed
from service_proxy.sources.identity import PLACES, Unnamed, key_of
from service_proxy.sources.known import Known, Read, read
from service_proxy.sources.refusals import Condition, Refusals
from service_proxy.sources.source import Feed, Source

PROXY_NAME = "service.kubernetes.io/service-proxy-name"  # k8s.io/kube-proxy, apis/well_known_labels.go
HEADLESS = "service.kubernetes.io/headless"  # core/v1 IsHeadlessService
PAGE = 100  # objects; a slice of a thousand endpoints has 300 KB, and an answer at most 64 MiB
AGAIN = 600.0  # seconds until a kind that the server did not have is asked for again
CALM = 60.0  # seconds between two lists; a server that forgets its history sooner is asked with pauses


class Pods(Enum):
    """Which pods are asked for."""

    NONE = "none"
    OF_NODE = "node"  # for the search path shortcut
    ALL = "all"  # for names of pods that are verified


class Wanted(NamedTuple):
    """What is wanted of an API server. `node`: this one's name, "" for no node at all."""

    node: str = ""
    proxy_name: str = ""
    is_for_names: bool = False  # DNS lives on it: headless slices, other proxies' services, namespaces
    pods: Pods = Pods.NONE


class Query(NamedTuple):
    """One list and watch."""

    kind: Kind
    select: Mapping[str, str]
    is_optional: bool = False


def queries(wanted: Wanted) -> list[Query]:
    """Return what to list and watch."""
    mine = f"{PROXY_NAME}={wanted.proxy_name}" if wanted.proxy_name else f"!{PROXY_NAME}"
    everything = wanted.is_for_names
    found = [
        Query(Kind.SERVICE, {} if everything else {"labelSelector": mine}),
        Query(Kind.SLICE, {} if everything else {"labelSelector": f"{mine},!{HEADLESS}"}),
        Query(Kind.SERVICE_CIDR, {}, is_optional=True),
    ]
    if wanted.node:
        found.append(Query(Kind.NODE, {"fieldSelector": f"metadata.name={wanted.node}"}))
    if wanted.is_for_names:
        found.append(Query(Kind.NAMESPACE, {}))
    if wanted.pods is Pods.ALL:
        found.append(Query(Kind.POD, {}))
    elif wanted.pods is Pods.OF_NODE:
        found.append(Query(Kind.POD, {"fieldSelector": f"spec.nodeName={wanted.node}"}))
    return found


def kubernetes_source(access: Access, wanted: Wanted, random: Random | None = None) -> Source:
    """Return the source of an API server."""
    random = random or Random()
    feeds: list[Feed] = [KubernetesFeed(access, one, Random(random.random())) for one in queries(wanted)]
    kinds = frozenset(one.kind for one in queries(wanted))
    return Source(f"Kubernetes at {access.where}", kinds, feeds, random=random)


class KubernetesFeed:
    """A `Feed` of one kind in an API server."""

    def __init__(self, access: Access, query: Query, random: Random) -> None:
        self._query, self._where = query, access.where
        self._refusals = Refusals("BadObject")
        self._known = Known(query.kind, self._refusals)
        path = PLACES[query.kind].path
        self._watch = Watch(access, path, PAGE, keep=self._kept, select=query.select)
        self._is_listed = False
        self._again_at = self._listed_at = 0.0
        self._pauses, self._closed = Pauses(random), Flag()

    @property
    def name(self) -> str:
        """Return what it is."""
        return f"{PLACES[self._query.kind].plural} of {self._where}"

    def next(self, timeout: float) -> Sequence[Event]:
        """Wait for a list or changes. Raises StoreUnavailable, StoreRefused."""
        if (left := self._again_at - time.monotonic()) > 0:
            self._closed.wait(min(left, timeout))
            return []
        try:
            found = self._watch.next(timeout)
        except (KindUnknown, StoreRefused):
            if not self._query.is_optional:
                raise
            return self._without()
        if not isinstance(found, Listing):
            return [changed for event in found if (changed := self._changed(event))]
        self._keep_calm()
        self._is_listed = True
        return [self._known.listed(one for item in found.items if (one := _unpacked(item)))]

    def conditions(self) -> tuple[Condition, ...]:
        """Return the objects that cannot be used."""
        return self._refusals.conditions()

    def close(self) -> None:
        """End a wait, and give the connection back."""
        self._closed.set()
        self._watch.close()

    def _without(self) -> list[Event]:
        """Do without this kind; what was known of it, if anything was, stays."""
        self._again_at = time.monotonic() + AGAIN
        if self._is_listed:
            return []
        self._is_listed = True
        return [Listed(self._query.kind, {})]

    def _keep_calm(self) -> None:
        """Have a pause, and so before another list, where this one follows the last too soon."""
        now = time.monotonic()
        if self._is_listed and now - self._listed_at < CALM:
            self._again_at = now + self._pauses.next()
        else:
            self._pauses.reset()
        self._listed_at = now

    def _kept(self, item: JsonObject) -> JsonObject:
        """Keep of a listed object its small value: a page of whole ones lives no longer than the page."""
        return {"read": self._read(item)}

    def _read(self, item: JsonObject) -> Read | None:
        try:
            return read(self._query.kind, key_of(self._query.kind, item), item, _version(item))
        except Unnamed as error:
            self._refusals.tell(f"{self._query.kind.value}", f"{error}")
            return None

    def _changed(self, event: WatchEvent) -> Event | None:
        if event.kind not in ("ADDED", "MODIFIED", "DELETED"):
            raise StoreUnavailable(f"{self._where}: a watch tells of {event.kind!r}")
        if event.kind == "DELETED":
            try:
                gone = Read(key_of(self._query.kind, event.item), _version(event.item))
            except Unnamed:  # of which nothing was known either
                return None
            return self._known.changed(gone)
        one = self._read(event.item)
        return self._known.changed(one) if one else None


def _unpacked(item: JsonObject) -> Read | None:
    found = item["read"]
    assert found is None or isinstance(found, Read)
    return found


def _version(item: JsonObject) -> int:
    """Return an object's version; numbers of one server's can be compared (KEP-5504), others are 0."""
    metadata = item.get("metadata")
    found = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return int(found) if isinstance(found, str) and found.isdecimal() and len(found) < 20 else 0

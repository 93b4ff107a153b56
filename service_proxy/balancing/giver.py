"""Gives addresses of our pools to services of an API server, by writing their status: one node at a time.

Which node that is, nodes agree upon as they do upon addresses (`speaker.GIVING`). It begins with a list of
its own, since what another node has just given may not have come to this one yet. A service is written only
as it was read a moment before, and only where nobody else has given it an address meanwhile.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread

from cluster_store.conditions import Conditions
from cluster_store.kubernetes import KubernetesClient
from cluster_store.kubernetes_answers import JsonObject, KindUnknown, NotFound
from cluster_store.store import Conflict, StoreRefused, StoreUnavailable
from linuxnet.packed import text_of
from service_proxy.allocation import CONDITION, OUTAGE
from service_proxy.balancing.giving import Due, decide, is_concerned, is_pooled
from service_proxy.model import Address, Service, ServiceName
from service_proxy.ranges import Ranges

LOOK_EVERY = 0.25  # seconds; whether it is this node that gives
RETRY_AFTER = 2.0  # seconds, where the server did not take it
KEPT = 60.0  # seconds that what was given is known here before the watch must have told it

log = logging.getLogger("podwire.services")


class Giver:
    """This node's part. `note` is for the loop's thread; questions to the server are a thread's own."""

    def __init__(self, client: KubernetesClient, ranges: Ranges, conditions: Conditions) -> None:
        self._client, self._ranges, self._conditions = client, ranges, conditions
        self._services: dict[ServiceName, Service] = {}
        self._reserved: dict[ServiceName, tuple[Address, ...]] = {}
        self._reserved_at: dict[ServiceName, float] = {}
        self._may_give: Callable[[], bool] = bool
        self._lock = Lock()
        self._woken, self._stopped = Event(), Event()
        self._thread = Thread(target=self._run, name="giver", daemon=True)
        self._is_due = self._is_begun = False

    def start(self, may_give: Callable[[], bool]) -> None:
        """Begin; `may_give` tells whether this is the node that does."""
        self._may_give = may_give
        self._thread.start()

    def stop(self) -> None:
        """End it; what was given stays."""
        self._stopped.set()
        self._woken.set()
        self._thread.join()
        self._client.close()

    def note(self, name: ServiceName, service: Service | None) -> bool:
        """Take note of a service as it is now; return whether that changes anything."""
        now = service if service is not None and is_concerned(service) else None
        with self._lock:
            if self._services.get(name) == now:
                return False
            if now is None:
                del self._services[name]
            else:
                self._services[name] = now
            self._is_due = True
        self._woken.set()
        return True

    @property
    def has_any(self) -> bool:
        """Tell whether there is any service that has, or should have, an address."""
        return bool(self._services)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.wait(LOOK_EVERY)
            self._woken.clear()
            if not self._may_give():
                if self._is_begun:
                    self._is_begun = False
                    self._conditions.keep_only(CONDITION, ())
                continue
            try:
                self._turn()
                self._conditions.tell(OUTAGE, "")
            except (StoreUnavailable, StoreRefused) as error:
                self._is_due = True
                self._conditions.tell(OUTAGE, f"{error}")
                self._stopped.wait(RETRY_AFTER)

    def _turn(self) -> None:
        """Do what is due."""
        if not self._is_begun:
            self._reserve_what_is_given()
            self._is_begun = self._is_due = True
        if not self._is_due:
            return
        self._forget_old()
        with self._lock:
            self._is_due = False
            services = list(self._services.values())
        found = decide(services, self._reserved, self._ranges)
        for name, text in found.troubles.items():
            self._conditions.tell(CONDITION, text, about=str(name))
        self._conditions.keep_only(CONDITION, {str(name) for name in found.troubles})
        for one in found.due:
            if not self._may_give():
                return
            self._give(one)

    def _reserve_what_is_given(self) -> None:
        def kept(item: JsonObject) -> JsonObject:
            return {"metadata": item.get("metadata"), "status": item.get("status")}

        try:
            listed = self._client.list("/api/v1/services", keep=kept)
        except KindUnknown as error:
            raise StoreRefused(f"{error}") from error
        for item in listed.items:
            metadata, given = _inner(item, "metadata"), _given(item)
            if given:
                name = ServiceName(str(metadata.get("namespace")), str(metadata.get("name")))
                self._reserve(name, tuple(one for one in given if one is not None))

    def _reserve(self, name: ServiceName, addresses: tuple[Address, ...]) -> None:
        self._reserved[name], self._reserved_at[name] = addresses, time.monotonic()

    def _forget_old(self) -> None:
        now = time.monotonic()
        for name in [name for name, at in self._reserved_at.items() if now - at > KEPT]:
            del self._reserved[name], self._reserved_at[name]

    def _give(self, due: Due) -> None:
        """Write a service's status, if it is still ours to write."""
        path = f"/api/v1/namespaces/{due.name.namespace}/services/{due.name.name}"
        service = self._client.get(path)
        if service is None:
            return
        has = _given(service)
        if not all(one is not None and is_pooled(one, self._ranges) for one in has):
            return  # a name, or an address of another controller
        self._reserve(due.name, due.addresses)
        if set(has) == set(due.addresses):
            return
        listed: object = [{"ip": text_of(one)} for one in due.addresses] or None
        body: JsonObject = {"status": {"loadBalancer": {"ingress": listed}}}
        try:
            with suppress(NotFound):
                self._client.merge(
                    f"{path}/status", body, str(_inner(service, "metadata")["resourceVersion"])
                )
                log.info(
                    "%s has %s", due.name, ", ".join(map(text_of, due.addresses)) or "no address any more"
                )
        except Conflict:  # somebody has changed it since: what he did is on its way to us
            self._is_due = True


def _given(service: JsonObject) -> tuple[Address | None, ...]:
    """Return the addresses in a service's status; None for what is none, as a name."""
    ingress = _inner(_inner(service, "status"), "loadBalancer").get("ingress")
    return tuple(_address(one) for one in ingress) if isinstance(ingress, list) else ()


def _address(entry: object) -> Address | None:
    text = entry.get("ip") if isinstance(entry, dict) else None
    try:
        return ipaddress.ip_address(text).packed if isinstance(text, str) else None
    except ValueError:
        return None


def _inner(body: JsonObject, key: str) -> JsonObject:
    found = body.get(key)
    return found if isinstance(found, dict) else {}

"""A store of Lease objects: who lives, and who has what, where nodes share nothing but an API server.

    kubernetes_lease_objects  such an object, JSON <-> value
    kubernetes_lease_view     all of them, as far as is known

What `store.Store` says of leases, made of objects that never end by themselves: a node's session is a Lease
that it renews; who has seen no renewal for its time, by his own clock, removes it, with the version he saw as
precondition. So of a node that was only slow nothing is removed, one that was removed learns it by its next
renewal, and nobody's clock is compared with another's. One change a commit; one thread for everything.

Every node sees every renewal. Above `CROWD` nodes the time of a lease grows with their number.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from cluster_store.kubernetes import KubernetesClient, Watch, WatchEvent
from cluster_store.kubernetes_access import Access
from cluster_store.kubernetes_answers import JsonObject, NotFound
from cluster_store.kubernetes_lease_objects import LABEL, PART, SESSIONS, Record, read_record
from cluster_store.kubernetes_lease_view import LeaseView, item_of
from cluster_store.kubernetes_listing import Listing
from cluster_store.store import (
    Change,
    Check,
    Conflict,
    Delete,
    Event,
    Item,
    LeaseGone,
    Put,
    Snapshot,
    StoreRefused,
    StoreUnavailable,
)

CROWD = 100  # nodes; from there on each sees a hundred renewals a second, and the time of leases grows
SESSION_BITS = 62

log = logging.getLogger("podwire.services")


class LeaseStore:
    """Lease objects of one namespace, as seen and written by one node."""

    def __init__(self, access: Access, namespace: str, node: str) -> None:
        self._access, self._client, self._node = access, KubernetesClient(access), node
        self._where = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._view = LeaseView()
        self._own: Record | None = None  # our session
        self._asked = 0  # seconds of a lease

    @property
    def name(self) -> str:
        """Return what it is, for a person."""
        return f"{self._client.name}, {self._where.removeprefix('/apis/')}"

    def read(self, key: str) -> Item | None:
        """Return one item, as the server has it. Raises StoreUnavailable, StoreRefused."""
        found = self._get(Record(key, "", 0))
        return item_of(found) if found else None

    def list(self, prefix: str) -> Snapshot:
        """Return what is known of now, by what a follower heard."""
        return Snapshot(tuple(one for key, one in sorted(self.living().items()) if key.startswith(prefix)), 0)

    def commit(self, checks: Iterable[Check], changes: Sequence[Change]) -> None:
        """Make one change, if its check holds. Raises as `Store.commit`."""
        versions = {one.key: one.version for one in checks}
        (change,) = changes
        try:
            if isinstance(change, Put):
                self._put(change, versions.get(change.key, 0))
            else:
                self._delete(change, versions.get(change.key, 0))
        except NotFound as error:
            self._view.forget(change.key)
            raise Conflict({change.key: None}) from error

    def follow(self, prefix: str, known: Snapshot | None = None) -> LeaseFollower:
        """Return a follower; it connects when it is first asked."""
        select = {"labelSelector": f"{LABEL}={PART}"}
        return LeaseFollower(self, Watch(self._access, self._where, select=select), prefix)

    def grant(self, ttl: int) -> int:
        """Begin a session; one of a former life of this node ends with it."""
        self._asked = ttl
        wanted = Record(f"{SESSIONS}{self._node}", self._node, secrets.randbits(SESSION_BITS) or 1, ttl)
        before = self._get(wanted)
        try:
            self._own = self._write(wanted, before.version if before else "")
        except (Conflict, NotFound) as error:
            raise StoreUnavailable(f"{self.name}: another node of the name {self._node} is there") from error
        return wanted.session

    def keep_alive(self, lease: int) -> int:
        """Renew our session; return the seconds that it has now."""
        own = self._own
        if own is None or own.session != lease:
            raise LeaseGone(f"{lease}")
        sessions = self._view.session_count
        wanted = Record(own.key, own.holder, lease, max(self._asked, self._asked * sessions // CROWD))
        try:
            self._own = self._renewed(wanted, own.version)
        except (Conflict, NotFound) as error:
            self._own = None
            raise LeaseGone(f"{lease}") from error
        return wanted.seconds

    def revoke(self, lease: int) -> None:
        """End our session and what belongs to it."""
        own, self._own = self._own, None
        if own is not None and own.session == lease:
            self._end(own)

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def living(self) -> Mapping[str, Item]:
        """Return what is known and of a session that goes on, by key."""
        return self._view.living(self._session)

    @property
    def changes(self) -> int:
        """Return a number that differs when `living` does."""
        return self._view.changes

    def hear(self, told: Listing | Sequence[WatchEvent]) -> None:
        """Take in what a watch tells, and end sessions that nobody has renewed for their time."""
        self._view.hear(told)
        if isinstance(told, Listing):
            self._drop_remains()
        for one in self._view.silent(self._session):
            log.info("node %s has not renewed its lease for %d s", one.holder, one.seconds)
            self._end(one)

    @property
    def _session(self) -> int:
        return self._own.session if self._own is not None else 0

    def _drop_remains(self) -> None:
        """Remove what is left of sessions that ended while nobody was there to tidy up."""
        alive = self.living()
        for one in [
            one for one in self._view.records.values() if not one.is_session and one.key not in alive
        ]:
            self._remove(one)

    def _end(self, session: Record) -> None:
        """Remove a session, then what belonged to it; not if it was renewed just now."""
        if self._remove(session):
            for one in [one for one in self._view.records.values() if one.session == session.session]:
                self._remove(one)

    def _remove(self, one: Record) -> bool:
        """Remove an object as it is known; return whether it is gone."""
        try:
            self._client.delete(self._path(one), one.version)
        except NotFound:  # somebody was faster
            pass
        except Conflict:  # it was written anew: our watch is late
            if found := self._get(one):
                self._view.note(found)
                return False
        self._view.forget(one.key)
        return True

    def _put(self, change: Put, version: int) -> None:
        if not change.lease or change.lease != self._session:
            raise LeaseGone(f"{change.lease}")
        known = self._view.records.get(change.key)
        if known is not None and not version and change.key in self.living():
            raise Conflict({change.key: item_of(known)})
        at = f"{version}" if version else known.version if known else ""
        self._write(Record(change.key, change.value, change.lease), at)

    def _delete(self, change: Delete, version: int) -> None:
        with suppress(NotFound):
            self._client.delete(self._path(Record(change.key, "", 0)), f"{version}")
        self._view.forget(change.key)

    def _renewed(self, wanted: Record, version: str) -> Record:
        """Renew, also where the answer to the last renewal was lost."""
        try:
            return self._write(wanted, version)
        except Conflict:
            found = self._get(wanted)
            if found is None or found.session != wanted.session:
                raise
            return self._write(wanted, found.version)

    def _write(self, one: Record, version: str) -> Record:
        """Make an object, or write it anew where it has this version; note what has become of it."""
        body = Record(one.key, one.holder, one.session, one.seconds, version).as_json(time.time())
        found = read_record(self._client.replace(self._path(one), body) if version else self._create(body))
        if found is None:
            raise StoreUnavailable(f"{self.name}: {one.name} was written, and is not what was written")
        self._view.note(found)
        return found

    def _create(self, body: JsonObject) -> JsonObject:
        try:
            return self._client.create(self._where, body)
        except NotFound as error:  # the namespace is
            raise StoreRefused(f"{error}") from error

    def _get(self, one: Record) -> Record | None:
        found: JsonObject | None = self._client.get(self._path(one))
        return read_record(found) if found else None

    def _path(self, one: Record) -> str:
        return f"{self._where}/{one.name}"


class LeaseFollower:
    """A `store.Follower` of a `LeaseStore`, in the store's thread; it also ends what is silent."""

    def __init__(self, store: LeaseStore, watch: Watch, prefix: str) -> None:
        self._store, self._watch, self._prefix = store, watch, prefix
        self._told: Mapping[str, Item] | None = None
        self._changes = -1

    def next(self, timeout: float) -> Snapshot | Sequence[Event]:
        """Wait for a snapshot or changes."""
        told = self._watch.next(timeout)
        self._store.hear(told)
        if self._changes == self._store.changes:
            return ()
        self._changes = self._store.changes
        now = {key: one for key, one in self._store.living().items() if key.startswith(self._prefix)}
        before, self._told = self._told, now
        if before is None or isinstance(told, Listing):
            return Snapshot(tuple(now[key] for key in sorted(now)), 0)
        gone = [Event(key, None) for key in before.keys() - now.keys()]
        return [*gone, *(Event(key, one) for key, one in now.items() if before.get(key) != one)]

    def close(self) -> None:
        """Give the connection back."""
        self._watch.close()

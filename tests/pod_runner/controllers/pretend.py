"""A pretend node: what a kubelet says of pods, without pods. The store is real, and so are its leases."""

from __future__ import annotations

import time
from threading import Event, Thread

from cluster_store.store import Check, Conflict, Delete, LeaseGone, Put, Store, StoreUnavailable
from pod_runner.cluster.bodies import JsonObject, rows, text, with_member
from pod_runner.cluster.following import ObjectFollower
from pod_runner.cluster.kinds import POD
from pod_runner.cluster.metadata import time_text
from pod_runner.cluster.objects import Object, to_text
from pod_runner.cluster.store import AlreadyExists, ClusterStore
from pod_runner.controllers.pulse import HEARTBEATS
from tests.pod_runner.controllers.made import node

TTL = 1  # seconds of a heartbeat's lease


class PretendNode:
    """Makes its pods ready, and ends them when it is asked to, in a thread."""

    def __init__(self, name: str, store: Store, *, can_start: bool = True, **said: str) -> None:
        """`can_start`: its pods become ready."""
        self.name, self._store, self.can_start, self._said = name, store, can_start, said
        self._cluster = ClusterStore(store)
        self._follower = ObjectFollower(store, (POD,))
        self._stopped = Event()
        self._lease, self._renew_at = 0, 0.0
        self._thread = Thread(target=self._run, name=f"pretend-{name}", daemon=True)

    def start(self) -> PretendNode:
        """Begin to beat and to serve."""
        self._beat()
        try:
            self._cluster.create(node(self.name, **self._said))
        except AlreadyExists:  # it comes back
            self._renew_at = 0.0
        self._thread.start()
        return self

    def die(self) -> None:
        """End without a word: its heartbeat goes when its lease is over."""
        self._stopped.set()
        self._follower.close()
        self._thread.join(10)

    def _beat(self) -> None:
        now = time.monotonic()
        if now < self._renew_at:
            return
        self._renew_at = now + TTL / 4
        try:
            if self._lease:
                self._store.keep_alive(self._lease)
                return
        except LeaseGone:
            self._lease = 0
        self._lease = self._store.grant(TTL)
        self._store.commit((), [Put(HEARTBEATS + self.name, "{}", self._lease)])

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._beat()
                self._follower.next(TTL / 4)
                self._serve()
            except StoreUnavailable:
                self._stopped.wait(0.1)

    def _serve(self) -> None:
        for found in list(self._follower.objects.values()):
            if text(found.spec, "nodeName") != self.name or self._stopped.is_set():
                continue
            wanted = self._wanted(found)
            if wanted is not found.body:
                self._write(found, wanted)

    def _wanted(self, found: Object) -> JsonObject | None:
        if found.is_terminating:
            return None
        status = "True" if self.can_start else "False"
        ready = {"type": "Ready", "status": status, "lastTransitionTime": time_text(time.time())}
        is_so = text(found.status, "phase") == "Running" and _ready(found) == status
        if is_so:
            return found.body
        body = with_member(found.body, "Running", "status", "phase")
        others = [one for one in rows(body, "status", "conditions") if one.get("type") != "Ready"]
        return with_member(body, [*others, ready], "status", "conditions")

    def _write(self, found: Object, wanted: JsonObject | None) -> None:
        key = found.ref.key
        try:
            self._store.commit(
                [Check(key, found.version)], [Put(key, to_text(wanted)) if wanted else Delete(key)]
            )
        except Conflict:  # looked at again with the next change
            return


def _ready(found: Object) -> str:
    conditions = found.status.get("conditions")
    said = [one for one in conditions if one.get("type") == "Ready"] if isinstance(conditions, list) else []
    return str(said[0]["status"]) if said else ""

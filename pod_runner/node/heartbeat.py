"""This node's sign of life: a key under a lease, kept for as long as the agent lives, and the Node object.

When the agent ends, the lease runs out by itself: one that is started again within its time was never away.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from threading import Event, Thread

from cluster_store.conditions import Conditions
from cluster_store.pauses import Pauses
from cluster_store.store import Conflict, LeaseGone, Put, Store, StoreRefused, StoreUnavailable
from pod_runner.cluster.objects import BadObject
from pod_runner.cluster.store import ClusterError, ClusterStore
from pod_runner.node.node_object import NodeFacts, heartbeat_key
from pod_runner.node.telling import tell_node

LOST = "HeartbeatLost"
BEATS = 3  # in a lease's time: two may be lost
STOPPED_WITHIN = 6.0  # seconds; a question's deadline is 5 (cluster_store.store.DEADLINE)


class Heartbeat:
    """Says that this node lives."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        facts: Callable[[], NodeFacts],
        conditions: Conditions,
        *,
        ttl: float,
    ) -> None:
        """`facts` is asked before each beat, in the thread of this one; `ttl` in seconds."""
        self._open, self._facts, self._conditions, self._ttl = open_store, facts, conditions, ttl
        self._stopped = Event()
        self._lease = 0
        self._thread = Thread(target=self._run, name="runner-heartbeat", daemon=True)
        self.is_heard = Event()  # since the last trouble

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; the lease has the rest of its time."""
        self._stopped.set()
        self._thread.join(STOPPED_WITHIN)

    def _run(self) -> None:
        cluster = ClusterStore(self._open())
        pauses = Pauses(Random(), longest=self._ttl / BEATS)
        try:
            while not self._stopped.is_set():
                try:
                    self._beat(cluster)
                except (StoreUnavailable, StoreRefused, Conflict, ClusterError, BadObject) as error:
                    self.is_heard.clear()
                    self._conditions.tell(LOST, str(error))
                    self._stopped.wait(pauses.next())
                else:
                    self.is_heard.set()
                    self._conditions.tell(LOST, "")
                    pauses.reset()
                    self._stopped.wait(self._ttl / BEATS)
        finally:
            cluster.close()

    def _beat(self, cluster: ClusterStore) -> None:
        facts = self._facts()
        try:
            if self._lease:
                cluster.store.keep_alive(self._lease)
        except LeaseGone:  # the machine slept, or the registry was away for longer
            self._lease = 0
        if not self._lease:
            lease = cluster.store.grant(max(1, round(self._ttl)))
            cluster.store.commit((), [Put(heartbeat_key(facts.name), facts.boot_id, lease)])
            self._lease = lease
        tell_node(facts)(cluster)

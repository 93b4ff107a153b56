"""Follow a store's objects in a thread, and hand on what is seen; a lost registry is a condition, no more."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Event, Lock, Thread

from cluster_store.conditions import Conditions
from cluster_store.store import Store
from pod_runner.cluster.following import ObjectFollower, Seen
from pod_runner.cluster.kinds import ResourceKind

LOST, BAD_OBJECT = "StoreLost", "BadObject"
FIRST_WAIT, WAIT = 1.0, 60.0  # seconds for a look; silence after a trouble means that it is over
STOPPED_WITHIN = 6.0  # seconds; a question's deadline is 5 (cluster_store.store.DEADLINE)
Tell = Callable[[list[Seen]], None]


class Following:
    """The thread. `tell` is called with what has changed, and first with all there is, were it nothing."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        kinds: Collection[ResourceKind],
        conditions: Conditions,
        tell: Tell,
    ) -> None:
        self._open, self._kinds, self._conditions, self._tell = open_store, kinds, conditions, tell
        self._stopped, self._lock = Event(), Lock()
        self._follower: ObjectFollower | None = None
        self._thread = Thread(target=self._run, name="runner-follower", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        with self._lock:
            self._stopped.set()
            if self._follower is not None:
                self._follower.close()
        self._thread.join(STOPPED_WITHIN)

    def _run(self) -> None:
        store = self._open()
        with self._lock:
            if self._stopped.is_set():
                return
            self._follower = ObjectFollower(store, self._kinds)
        try:
            self._follow(self._follower)
        finally:
            store.close()

    def _follow(self, follower: ObjectFollower) -> None:
        is_known, wait = False, FIRST_WAIT
        while not self._stopped.is_set():
            seen = follower.next(wait)
            if self._stopped.is_set():
                return
            wait = FIRST_WAIT if follower.trouble else WAIT
            self._conditions.tell(LOST, follower.trouble and f"{follower.trouble}; what was known stays")
            self._conditions.keep_only(BAD_OBJECT, follower.refused)
            for key, why in follower.refused.items():
                self._conditions.tell(BAD_OBJECT, why, about=key)
            if follower.is_synced and (seen or not is_known):
                is_known = True
                self._tell(seen)

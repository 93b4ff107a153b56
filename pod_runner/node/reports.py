"""What the node tells the store, in a thread of its own: nothing is lost while the registry is away.

What is to be said of one pod replaces what was to be said before; it is written when the store takes it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from random import Random
from threading import Condition, Thread

from cluster_store.conditions import Conditions
from cluster_store.pauses import Pauses
from cluster_store.store import Store, StoreRefused, StoreUnavailable
from pod_runner.cluster.events import Happening, record
from pod_runner.cluster.objects import BadObject
from pod_runner.cluster.store import ClusterError, ClusterStore

AWAY = "StoreAway"
MOST_EVENTS = 100  # that wait; what happens while a registry is away for long is in the logs
LONGEST_PAUSE = 2.0  # seconds between trials
STOPPED_WITHIN = 6.0  # seconds; a question's deadline is 5 (cluster_store.store.DEADLINE)
Report = Callable[[ClusterStore], None]

log = logging.getLogger("podwire.runner")


class Reports:
    """Writes to a store, one thing after another."""

    def __init__(self, open_store: Callable[[], Store], conditions: Conditions) -> None:
        """`open_store` is called once, in the thread that writes."""
        self._open, self._conditions = open_store, conditions
        self._waiting: OrderedDict[object, Report] = OrderedDict()
        self._events: list[Happening] = []
        self._changed = Condition()
        self._is_stopped = False
        self._thread = Thread(target=self._run, name="runner-reports", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, key: object, report: Report) -> None:
        """Have something written; of two under one key only the later."""
        with self._changed:
            self._waiting[key] = report
            self._changed.notify()

    def drop(self, key: object) -> None:
        """Forget what was to be written under a key."""
        with self._changed:
            self._waiting.pop(key, None)

    def happened(self, happening: Happening) -> None:
        """Have an Event written when there is nothing better to do."""
        with self._changed:
            if len(self._events) < MOST_EVENTS:
                self._events.append(happening)
                self._changed.notify()

    @property
    def waiting(self) -> int:
        """Return how many reports are not written yet."""
        with self._changed:
            return len(self._waiting)

    def stop(self) -> None:
        """End, after what is waiting was tried once more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        self._thread.join(STOPPED_WITHIN)

    def _run(self) -> None:
        cluster = ClusterStore(self._open())
        pauses = Pauses(Random(), longest=LONGEST_PAUSE)
        try:
            while (taken := self._next()) is not None:
                key, report = taken
                try:
                    report(cluster)
                except StoreUnavailable as error:
                    self._conditions.tell(AWAY, str(error))
                    self._put_back(key, report)
                    with self._changed:
                        if self._is_stopped:
                            return
                        self._changed.wait_for(lambda: self._is_stopped, pauses.next())
                except (StoreRefused, ClusterError, BadObject) as error:
                    log.warning("%s could not be written: %s", key, error)
                else:
                    pauses.reset()
                    self._conditions.tell(AWAY, "")
        finally:
            cluster.close()

    def _next(self) -> tuple[object, Report] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._events or self._is_stopped)
            if self._waiting:
                return self._waiting.popitem(last=False)
            if self._is_stopped or not self._events:
                return None
            happening = self._events.pop(0)
            return happening, lambda cluster: record(cluster, happening)

    def _put_back(self, key: object, report: Report) -> None:
        """Have it tried again, unless something newer is to be said by now."""
        with self._changed:
            if isinstance(key, Happening):
                self._events.insert(0, key)
            elif key not in self._waiting:
                self._waiting[key] = report
                self._waiting.move_to_end(key, last=False)

"""The threads that speak with the registry: one follows it, one writes this node's own part.

They wait, fail and begin again, with pauses that grow and are never the same for two nodes; what they learn
they put into the inbox of the node's loop, which never waits for them. A lost registry is a condition.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from threading import Condition, Event, Thread

from cluster_store.pauses import Pauses
from cluster_store.store import Conflict, StoreRefused, StoreUnavailable
from overlay.errors import NoLease, NotConfigured, Stolen
from overlay.inbox import Asked, Grown, Inbox, Leased, Trouble
from overlay.record import NodeRecord
from overlay.registry import Changed, NodeFollower, Nodes, Registry

WAIT = 5.0  # seconds for one look at what is followed

log = logging.getLogger("podwire.overlay")
Open = Callable[[], Registry]


class Reader:
    """Follows the registry: the configuration, every node's record."""

    def __init__(self, open_registry: Open, inbox: Inbox, random: Random) -> None:
        self._open, self._inbox = open_registry, inbox
        self._pauses = Pauses(random)
        self._stopped = Event()
        self._elsewhere = Event()
        self._is_conf_due = False
        self._follower: NodeFollower | None = None
        self._thread = Thread(target=self._run, name="overlay-reader", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, within a moment."""
        self._stopped.set()
        if self._follower is not None:
            self._follower.close()
        self._thread.join(WAIT + 1)

    def reconnect(self) -> None:
        """Leave connections from an address that has gone: nobody would tell that they are dead."""
        self._elsewhere.set()
        if (follower := self._follower) is not None:  # which may have to end a question first
            Thread(target=follower.close, name="overlay-reader-end", daemon=True).start()

    def _run(self) -> None:
        registry: Registry | None = None
        while not self._stopped.is_set():
            if self._elsewhere.is_set():
                self._elsewhere.clear()
                self._follower = None
            try:
                if registry is None:
                    registry = self._open()
                    self._tell_configuration(registry)
                self._follow(registry)
            except (StoreUnavailable, StoreRefused) as error:
                if self._elsewhere.is_set():
                    continue
                self._trouble("RegistryLost", f"{error}; traffic goes on, changes wait")
            except NotConfigured as error:
                self._trouble("NotConfigured", str(error))
                registry = None
            if not self._elsewhere.is_set():
                self._stopped.wait(self._pauses.next())

    def _tell_configuration(self, registry: Registry) -> None:
        self._inbox.put(registry.net_conf())
        self._inbox.put(Trouble("NotConfigured", ""))

    def _follow(self, registry: Registry) -> None:
        """Read until something breaks."""
        if self._follower is None:
            self._follower = registry.follow()
        while not self._stopped.is_set() and not self._elsewhere.is_set():
            if self._is_conf_due:
                self._tell_configuration(registry)
                self._is_conf_due = False
            found = self._follower.next(WAIT)
            self._pauses.reset()
            self._inbox.put(Trouble("RegistryLost", ""))
            # Remembered, since it may not be readable just now, and is not told of again.
            self._is_conf_due = isinstance(found, Nodes) or (isinstance(found, Changed) and found.net_conf)
            if found is not None:
                self._inbox.put(found)

    def _trouble(self, name: str, message: str) -> None:
        if not self._stopped.is_set():
            self._inbox.put(Trouble(name, message))


class Writer:
    """Writes what is this node's: the claim, the record whenever it changes, that it lives."""

    def __init__(self, open_registry: Open, inbox: Inbox, random: Random) -> None:
        self._open, self._inbox = open_registry, inbox
        self._pauses = Pauses(random)
        self._wake = Condition()
        self._is_stopped = False
        self._claim: tuple[NodeRecord, Sequence[str]] | None = None
        self._publish: NodeRecord | None = None
        self._grow: set[int] = set()
        self._own: NodeRecord | None = None
        self._elsewhere = Event()
        self._thread = Thread(target=self._run, name="overlay-writer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a question that is under way ends by its own deadline."""
        with self._wake:
            self._is_stopped = True
            self._wake.notify()
        self._thread.join(WAIT + 1)

    def reconnect(self) -> None:
        """Leave connections from an address that has gone before the next question."""
        self._elsewhere.set()

    def claim(self, wanted: NodeRecord, previous: Sequence[str]) -> None:
        """Have a lease made or taken up; the newest wish counts."""
        with self._wake:
            self._claim = (wanted, previous)
            self._wake.notify()

    def publish(self, record: NodeRecord) -> None:
        """Have the node's record written; the newest counts."""
        with self._wake:
            self._publish = record
            self._wake.notify()

    def grow(self, version: int) -> None:
        """Have one more block claimed, of a family."""
        with self._wake:
            self._grow.add(version)
            self._wake.notify()

    def _run(self) -> None:
        registry: Registry | None = None
        beat_at = 0.0
        while not self._is_stopped:
            pause = 0.0
            try:
                registry = registry or self._open()
                if self._elsewhere.is_set():
                    self._elsewhere.clear()
                    registry.close()  # a later question makes another connection
                self._work(registry)
                if self._own is not None and time.monotonic() >= beat_at:
                    beat_at = time.monotonic() + self._keep_alive(registry, self._own)
                self._pauses.reset()
            except (StoreUnavailable, Conflict) as error:
                self._trouble("NotPublished", f"{error}")
                pause = self._pauses.next()
            except (StoreRefused, NoLease, NotConfigured) as error:
                self._trouble("NoLease" if isinstance(error, NoLease) else "NotPublished", str(error))
                pause = max(1.0, self._pauses.next())
            except Stolen as error:
                self._trouble("Quarantined", str(error))
                pause = max(5.0, self._pauses.next())
            self._sleep(pause, beat_at)

    def _work(self, registry: Registry) -> None:
        """Do what is asked; what fails stays asked."""
        if (claim := self._claim) is not None:
            with self._timing("claim"):
                record = registry.acquire(*claim)
            with self._wake:
                self._claim = None if self._claim is claim else self._claim  # asked anew meanwhile: stays
            self._own = record
            self._inbox.put(Leased(record))
            self._calm()
        if (wanted := self._publish) is not None:
            with self._timing("publish"):
                record = registry.publish(wanted)
            with self._wake:
                self._publish = None if self._publish is wanted else self._publish
            self._own = record
            self._calm()
        while self._grow and self._own is not None:
            version, own = next(iter(self._grow)), self._own
            with self._timing("grow"):
                block = registry.grow(own, version)
            with self._wake:
                self._grow.discard(version)
            self._inbox.put(Grown(block))

    def _keep_alive(self, registry: Registry, own: NodeRecord) -> float:
        with self._timing("keep alive"):
            after = registry.keep_alive(own)
        self._calm()
        return after

    def _sleep(self, pause: float, beat_at: float) -> None:
        with self._wake:
            if self._is_stopped:
                return
            if pause:
                self._wake.wait(pause)
            elif self._claim is None and self._publish is None and not self._grow:
                self._wake.wait(max(0.0, beat_at - time.monotonic()) if self._own else None)

    @contextmanager
    def _timing(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._inbox.put(Asked(what, time.perf_counter() - started))

    def _calm(self) -> None:
        for name in ("NotPublished", "NoLease", "Quarantined"):
            self._inbox.put(Trouble(name, ""))

    def _trouble(self, name: str, message: str) -> None:
        self._inbox.put(Trouble(name, message))

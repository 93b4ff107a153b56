"""One source of services: feeds that are followed in threads of their own, and one place to take events from.

A feed that fails is a condition, and asked again after a pause that grows and is never the same for two
nodes; what it told stays true until it tells something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from threading import Event as Flag
from threading import Lock, Thread
from typing import Protocol

from cluster_store.pauses import Pauses
from cluster_store.store import StoreRefused, StoreUnavailable
from service_proxy.catalogue import Event, Kind
from service_proxy.sources.pending import Pending
from service_proxy.sources.refusals import Condition, Refusals

WAIT = 60.0  # seconds for one look at what is followed; closing ends it
SHORT_WAIT = 1.0  # seconds for the first look after a failure: silence means that it is over
CLOSED_WITHIN = 6.0  # seconds; a question's deadline is 5 (cluster_store.store.DEADLINE)


class Feed(Protocol):
    """Something that is followed; it belongs to one thread, but for `close` and `conditions`."""

    @property
    def name(self) -> str:
        """Return what it is, for a person."""

    def next(self, timeout: float) -> Sequence[Event]:
        """Wait up to `timeout` seconds for what has happened.

        Raises:
            StoreUnavailable, StoreRefused: ask again after a pause.
        """

    def conditions(self) -> Sequence[Condition]:
        """Return what of it cannot be used."""

    def close(self) -> None:
        """Give back what is held; from another thread, that ends a wait."""


class Stage(Protocol):
    """Something that events pass through, in the thread that takes them."""

    def take(self, events: Sequence[Event]) -> list[Event]:
        """Return what becomes of them: the same, fewer, others; asked also when there are none."""


class Source:
    """What the loop asks. It begins when it is first asked for events, in the network namespace of then."""

    def __init__(
        self,
        name: str,
        kinds: frozenset[Kind],
        feeds: Sequence[Feed],
        stages: Sequence[Stage] = (),
        random: Random | None = None,
    ) -> None:
        """`kinds`: what it will list, for `Catalogue.asked`."""
        self.name, self.kinds = name, kinds
        self._feeds, self._stages = tuple(feeds), tuple(stages)
        self._pending, self._stopped = Pending(), Flag()
        self._lost = Refusals("SourceLost")
        self._random = random or Random()
        self._threads: list[Thread] = []
        self._starting = Lock()

    def fileno(self) -> int:
        """Return a descriptor that is readable when there are events, after `start` and before `close`."""
        return self._pending.fileno()

    def start(self) -> None:
        """Begin to follow; again is fine."""
        with self._starting:
            if self._threads or self._stopped.is_set():
                return
            for feed in self._feeds:
                pauses = Pauses(Random(self._random.random()))
                thread = Thread(target=self._follow, args=(feed, pauses), name="services-source", daemon=True)
                self._threads.append(thread)
                thread.start()

    def next(self, timeout: float) -> list[Event]:
        """Wait up to `timeout` seconds for events; [] if none came, or it is closed."""
        self.start()
        events = self._pending.take(timeout)
        for stage in self._stages:
            events = stage.take(events)
        return events

    def conditions(self) -> tuple[Condition, ...]:
        """Return all troubles of now."""
        own = [one for feed in self._feeds for one in feed.conditions()]
        return (*self._lost.conditions(), *own)

    def close(self) -> None:
        """End it; from another thread, that ends a wait."""
        with self._starting:
            self._stopped.set()
        self._pending.close()
        for feed in self._feeds:
            feed.close()
        for thread in self._threads:
            thread.join(CLOSED_WITHIN)

    def _follow(self, feed: Feed, pauses: Pauses) -> None:
        wait = SHORT_WAIT
        while not self._stopped.is_set():
            try:
                events = feed.next(wait)
            except (StoreUnavailable, StoreRefused) as error:
                if not self._stopped.is_set():
                    self._lost.tell(feed.name, f"{error}; what was known stays")
                    self._stopped.wait(pauses.next())
                wait = SHORT_WAIT
                continue
            wait = WAIT
            pauses.reset()
            self._lost.tell(feed.name, "")
            self._pending.put(events)

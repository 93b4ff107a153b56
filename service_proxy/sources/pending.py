"""What was told and is not yet taken: the newest of each object, so that it never grows beyond what there is.

Feeds put, the loop takes; a descriptor tells it when. Between two kinds there is no order, as there is none
between two watches of an API server.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from threading import Lock

from service_proxy.bell import Bell
from service_proxy.catalogue import Changed, Event, Key, Kind, Listed

ORDER = (Kind.NAMESPACE, Kind.NODE, Kind.SERVICE_CIDR, Kind.SERVICE, Kind.POD, Kind.SLICE)


class Pending:
    """Events on their way from the feeds' threads to the loop's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._busy = Lock()  # held by who waits
        self._listed: dict[Kind, Listed] = {}
        self._changed: dict[Kind, dict[Key, Changed]] = {kind: {} for kind in Kind}
        self._bell = Bell()
        self.is_closed = False

    def fileno(self) -> int:
        """Return the descriptor that is readable while there is something to take."""
        return self._bell.fileno()

    def put(self, events: Sequence[Event]) -> None:
        """Leave events."""
        with self._lock:
            if self.is_closed or not events:
                return
            for event in events:
                self._put(event)
            self._bell.ring()

    def _put(self, event: Event) -> None:
        changed = self._changed[event.kind]
        if isinstance(event, Listed):
            changed.clear()
            self._listed[event.kind] = event
        else:
            changed.pop(event.key, None)  # so that it comes after what was told meanwhile
            changed[event.key] = event

    def take(self, timeout: float) -> list[Event]:
        """Wait up to `timeout` seconds for events, return all there are; [] if none came, or it is closed."""
        with self._busy:
            if self.is_closed:
                return []
            poll = select.poll()
            poll.register(self._bell, select.POLLIN)
            poll.poll(max(0.0, timeout) * 1000)
            with self._lock:
                self._bell.hush()
            return [] if self.is_closed else self._taken()

    def _taken(self) -> list[Event]:
        found: list[Event] = []
        with self._lock:
            for kind in ORDER:
                if (listed := self._listed.pop(kind, None)) is not None:
                    found.append(listed)
                found += self._changed[kind].values()
                self._changed[kind] = {}
        return found

    def close(self) -> None:
        """End a wait, for good, and give the descriptor back; who polls it closes it."""
        with self._lock:
            if self.is_closed:
                return
            self.is_closed = True
            self._bell.ring()
        with self._busy:
            self._bell.close()

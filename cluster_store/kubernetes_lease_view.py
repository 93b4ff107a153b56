"""What is known of the Lease objects of a namespace, and which sessions are silent by our own clock."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from cluster_store.kubernetes import WatchEvent
from cluster_store.kubernetes_lease_objects import Record, read_record
from cluster_store.kubernetes_listing import Listing
from cluster_store.store import Item


class LeaseView:
    """Records by key, as a watch tells of them and as they are written here."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self._renewals: dict[str, tuple[str, float]] = {}  # of sessions: last version, and since when
        self.changes = 0  # so far, but for renewals

    @property
    def session_count(self) -> int:
        """Return how many sessions there are."""
        return sum(one.is_session for one in self.records.values())

    def living(self, own: int) -> Mapping[str, Item]:
        """Return what is of a session that goes on, by key; `own`: ours, 0 for none."""
        sessions = {own, *(one.session for one in self.records.values() if one.is_session)}
        return {
            key: item_of(one)
            for key, one in self.records.items()
            if one.session in sessions and not one.is_session
        }

    def silent(self, own: int) -> list[Record]:
        """Return the sessions that nobody has renewed for their time."""
        now = time.monotonic()
        sessions = [one for one in self.records.values() if one.is_session and one.session != own]
        return [one for one in sessions if now - self._renewals[one.key][1] > one.seconds]

    def hear(self, told: Listing | Sequence[WatchEvent]) -> None:
        """Take in what a watch tells."""
        if not isinstance(told, Listing):
            for event in told:
                self._take(event)
            return
        self.changes += 1
        self.records.clear()
        for item in told.items:
            if one := read_record(item):
                self.note(one)
        for key in self._renewals.keys() - self.records.keys():
            del self._renewals[key]

    def note(self, one: Record) -> None:
        """Take in an object as it is now."""
        before = self.records.get(one.key)
        self.records[one.key] = one
        if before is None or not one.is_session or before.session != one.session:
            self.changes += 1
        if one.is_session and self._renewals.get(one.key, ("", 0.0))[0] != one.version:
            self._renewals[one.key] = (one.version, time.monotonic())

    def forget(self, key: str) -> None:
        """Take out what is gone; unknown is fine."""
        self._renewals.pop(key, None)
        if self.records.pop(key, None) is not None:
            self.changes += 1

    def _take(self, event: WatchEvent) -> None:
        one = read_record(event.item)
        if one is None:
            return
        before = self.records.get(one.key)
        if before is not None and int(before.version) >= int(one.version):
            return  # it is told again, or what we wrote ourselves
        if event.kind == "DELETED":
            self.forget(one.key)
        else:
            self.note(one)


def item_of(one: Record) -> Item:
    """Return a record as a registry's item."""
    return Item(one.key, one.holder, int(one.version), 0, one.session)

"""What a follower's reader knows: a copy of the registry, kept by snapshots and events."""

from __future__ import annotations

import time

from cluster_store.store import Follower, Item, Snapshot, StoreUnavailable

PATIENCE = 30.0  # seconds without anything told; a deadline, not a wait


class Mirror:
    """Applies what a follower tells, and holds it to what it promised."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.items: dict[str, Item] = {}
        self.told: list[str] = []  # keys, as they came
        self.snapshots = 0
        self.failures = 0

    def follow(self, timeout: float = 0.2) -> bool:
        """Take what comes next; tell if anything has."""
        told = self.follower.next(timeout)
        if isinstance(told, Snapshot):
            self._replace(told)
            return True
        for event in told:
            self.told.append(event.key)
            before = self.items.pop(event.key, None)
            if event.item:
                assert event.item.key == event.key
                assert before is None or before.version < event.item.version, (before, event)
                self.items[event.key] = event.item
        return bool(told)

    def _replace(self, snapshot: Snapshot) -> None:
        self.snapshots += 1
        self.items = {item.key: item for item in snapshot.items}
        assert list(self.items) == sorted(self.items)

    def follow_until(self, key: str, value: str | None = None) -> None:
        """Go on until a key is there (with this value), over lost connections."""
        end = time.monotonic() + PATIENCE
        while key not in self.items or value not in (None, self.items[key].value):
            assert time.monotonic() < end, f"{key} has not come; there are {len(self.items)} others"
            try:
                if self.follow():
                    end = time.monotonic() + PATIENCE
            except StoreUnavailable:
                self.failures += 1
                time.sleep(0.05)  # the pause that Follower.next asks of its caller

    def follow_until_gone(self, key: str) -> None:
        """Go on until a key is not there."""
        end = time.monotonic() + PATIENCE
        while key in self.items:
            assert time.monotonic() < end, f"{key} is still there"
            self.follow()

    def values(self) -> dict[str, str]:
        """Return what is known."""
        return {key: item.value for key, item in self.items.items()}

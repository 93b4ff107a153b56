"""One of several copies acts: whoever holds a key of the store under a lease.

The key is written once, when it is won, so its version stays the same as long as it is held. Every commit of
the controllers checks it: who has lost the key, and does not know yet, can write nothing any more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from cluster_store.store import Check, Conflict, Item, LeaseGone, Put, Store

LEADER = "/podwire/leaders/controllers"
PARTS = 3  # of the lease's time; after one of them it is renewed


class Leading:
    """Whether this copy acts. Everything raises StoreUnavailable and StoreRefused as the store does."""

    def __init__(
        self, store: Store, identity: str, ttl: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`identity`: for a person; the lease tells copies apart. `ttl`: seconds."""
        self._store, self._identity, self._ttl, self._clock = store, identity, ttl, clock
        self._lease = 0
        self._version = 0
        self._renew_at = self._ends_at = 0.0

    @property
    def is_leader(self) -> bool:
        """Tell whether it may act just now."""
        return bool(self._version) and self._clock() < self._ends_at

    @property
    def check(self) -> Check:
        """Return what every commit is to check."""
        return Check(LEADER, self._version)

    def next_at(self) -> float:
        """Return when `upkeep` has something to do if nothing happens."""
        return self._renew_at if self._version else self._clock() + self._ttl

    def upkeep(self, seen: Item | None) -> None:
        """Keep the key, or take it if nobody has it. `seen`: what the follower says is under the key."""
        if self._version:
            self._keep()
        elif seen is None:
            self._take()

    def lost(self) -> None:
        """Take note that somebody else has the key."""
        self._version = self._lease = 0

    def step_down(self) -> None:
        """Let somebody else act at once."""
        lease, self._lease, self._version = self._lease, 0, 0
        if lease:
            self._store.revoke(lease)

    def _keep(self) -> None:
        now = self._clock()
        if now >= self._ends_at:
            self.lost()
        elif now >= self._renew_at:
            try:
                self._store.keep_alive(self._lease)
            except LeaseGone:
                self.lost()
                return
            self._begin(now)

    def _take(self) -> None:
        now = self._clock()
        lease = self._store.grant(self._ttl)
        value = json.dumps({"holder": self._identity, "lease": str(lease)})
        try:
            self._store.commit([Check(LEADER, 0)], [Put(LEADER, value, lease)])
        except (Conflict, LeaseGone):
            self._store.revoke(lease)
            return
        item = self._store.read(LEADER)
        if item is not None and item.lease == lease:
            self._lease, self._version = lease, item.version
            self._begin(now)

    def _begin(self, now: float) -> None:
        """Count the lease's time from before it was asked for: it ends here first."""
        self._renew_at, self._ends_at = now + self._ttl / PARTS, now + self._ttl

"""Store: what a registry of nodes is asked, whatever it is made of.

A key is a path ("/coreos.com/network/subnets/10.244.17.0-24"), a value is text, JSON by custom. A commit
changes several keys or none, and only if what it was decided on still holds: so two nodes never own the
same thing. Who follows a prefix gets one whole snapshot, then what changed; when the registry has forgotten
what happened in between (etcd's compaction, Kubernetes' 410, a lost connection) the next thing is another
snapshot. Nobody need know why.

Every method ends within `DEADLINE` seconds, and belongs to one thread at a time; a follower has a
connection of its own, so that it may wait in another thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

DEADLINE = 5.0  # seconds for one question; a registry that needs longer is one that is down


class StoreUnavailable(Exception):
    """The registry could not be asked, or gave no answer: as things are, later may be better."""


class StoreRefused(Exception):
    """The registry understood and will not: wrong password, missing right, a key it does not take."""


class Conflict(Exception):
    """A commit's check failed: somebody else was faster. `found`: what is there, None for nothing."""

    def __init__(self, found: dict[str, Item | None]) -> None:
        super().__init__(", ".join(found) or "changed meanwhile")
        self.found = found


class LeaseGone(Exception):
    """The lease has expired or was revoked, and the keys put under it went with it."""


class Item(NamedTuple):
    """One key's value. `version` differs after each change; of two items the older has the lower `created`.

    Both are numbers of the registry's own, good for comparing and nothing else. `lease` is the id of the
    lease it lives and ends with, 0 for none.
    """

    key: str
    value: str
    version: int
    created: int
    lease: int = 0


class Event(NamedTuple):
    """A key has changed; `item` is None if it has gone."""

    key: str
    item: Item | None


@dataclass(frozen=True)
class Snapshot:
    """All there was under a prefix, sorted by key. `revision`: where the registry's history stood."""

    items: tuple[Item, ...]
    revision: int


class Check(NamedTuple):
    """What a commit is decided on: the key's item still has this version; 0: there is none."""

    key: str
    version: int


class Put(NamedTuple):
    """Write a key, to end with a lease unless that is 0."""

    key: str
    value: str
    lease: int = 0


class Delete(NamedTuple):
    """Remove a key; none there is fine."""

    key: str


Change = Put | Delete


class Follower(Protocol):
    """What happens under one prefix, in order. Close it; from another thread, that ends a wait."""

    def next(self, timeout: float) -> Snapshot | Sequence[Event]:
        """Wait up to `timeout` seconds; () if nothing has happened. The first is a snapshot, unless a
        known one was given that could be gone on from: then it is what has changed since.

        Raises:
            StoreUnavailable: the connection is lost; ask again, after a pause, and it is made anew.
            StoreRefused: it will not be made.
        """

    def close(self) -> None:
        """Give the connection back."""


class Store(Protocol):
    """A registry."""

    @property
    def name(self) -> str:
        """Return what it is, for a person: its kind and its place, without secrets."""

    def read(self, key: str) -> Item | None:
        """Return one item. Raises StoreUnavailable, StoreRefused."""

    def list(self, prefix: str) -> Snapshot:
        """Return everything whose key starts so. Raises StoreUnavailable, StoreRefused."""

    def commit(self, checks: Iterable[Check], changes: Sequence[Change]) -> None:
        """Make all changes if all checks hold, else none.

        Raises:
            Conflict: a check did not hold; it tells what is under each checked key now.
            LeaseGone: a change names a lease that is no more.
            StoreUnavailable: it is not known whether they were made.
            StoreRefused: they were not.
        """

    def follow(self, prefix: str, known: Snapshot | None = None) -> Follower:
        """Return a follower of a prefix; it connects when it is first asked."""

    def grant(self, ttl: int) -> int:
        """Return a new lease of `ttl` seconds. Raises StoreUnavailable, StoreRefused."""

    def keep_alive(self, lease: int) -> int:
        """Start a lease's time anew, without an event for anybody; return its seconds.

        Raises LeaseGone, StoreUnavailable, StoreRefused.
        """

    def revoke(self, lease: int) -> None:
        """End a lease and every key under it; gone already is fine."""

    def close(self) -> None:
        """Give connections back; leases run on."""

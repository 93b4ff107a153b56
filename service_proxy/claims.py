"""Who has what: addresses and ports that several nodes give, each to one service, kept in a registry.

One key for each thing, written only where there is none: of two nodes that give the same, the second is
refused, reads what has happened and decides anew. `claims_file` is for a node that shares no registry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from cluster_store.store import Check, Conflict, Delete, Item, Put, Store

Part = TypeVar("Part")

AT_ONCE = 60  # claims in one commit; etcd takes 128 operations (--max-txn-ops)


class Claim(NamedTuple):
    """One thing that is somebody's. `thing`: "ip/10.96.0.10", "port/tcp/30080"; `use`: for what of his."""

    thing: str
    owner: str
    use: str = ""


class Book:
    """All claims that are known, by thing and by owner. Not shared: every node has its own."""

    def __init__(self) -> None:
        self.things: dict[str, Claim] = {}
        self._owned: dict[str, dict[str, Claim]] = {}

    def note(self, claim: Claim) -> None:
        """Take a claim in, whoever had the thing before."""
        self.forget(claim.thing)
        self.things[claim.thing] = claim
        self._owned.setdefault(claim.owner, {})[claim.thing] = claim

    def forget(self, thing: str) -> None:
        """Take a claim out; none is fine."""
        if gone := self.things.pop(thing, None):
            owned = self._owned[gone.owner]
            del owned[thing]
            if not owned:
                del self._owned[gone.owner]

    def owned(self, owner: str) -> tuple[Claim, ...]:
        """Return what somebody has."""
        return tuple(self._owned.get(owner, {}).values())

    def owners(self) -> frozenset[str]:
        """Return who has anything."""
        return frozenset(self._owned)


class Ledger(Protocol):
    """Where claims are written down, for one thread."""

    @property
    def name(self) -> str:
        """Return what it is, for a person."""

    def read(self) -> Mapping[str, Claim]:
        """Return all that can be read. Raises StoreUnavailable, StoreRefused."""

    def claim(self, wanted: Iterable[Claim]) -> None:
        """Write some claims, or as many as come before one that is refused.

        What somebody else had when it was last read is taken from him: so it was decided.

        Raises:
            Conflict: somebody was faster; read.
            StoreUnavailable, StoreRefused.
        """

    def release(self, things: Iterable[str]) -> None:
        """Remove claims that are as they were read, else none. Raises as `claim`."""


class StoreLedger:
    """A `Ledger` in a registry that nodes share."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self._prefix = store, f"{prefix.rstrip('/')}/claims/"
        self._versions: dict[str, int] = {}
        self._mine: dict[str, str] = {}  # what was written since, whose versions nobody told

    @property
    def name(self) -> str:
        """Return what it is, for a person."""
        return self._store.name

    def read(self) -> Mapping[str, Claim]:
        """Return all that can be read. Raises StoreUnavailable, StoreRefused."""
        items = self._store.list(self._prefix).items
        self._versions = {item.key.removeprefix(self._prefix): item.version for item in items}
        self._mine.clear()
        found = {}
        for item in items:
            if claim := _parse(item, item.key.removeprefix(self._prefix)):
                found[claim.thing] = claim
        return found

    def claim(self, wanted: Iterable[Claim]) -> None:
        """Write some claims."""
        for part in _parts(list(wanted)):
            checks = [Check(self._key(one.thing), self._version(one.thing)) for one in part]
            self._store.commit(checks, [Put(self._key(one.thing), _text(one)) for one in part])
            self._mine |= {one.thing: _text(one) for one in part}

    def release(self, things: Iterable[str]) -> None:
        """Remove claims that are as they were read."""
        for part in _parts([one for one in things if one in self._versions]):
            checks = [Check(self._key(one), self._versions[one]) for one in part]
            self._store.commit(checks, [Delete(self._key(one)) for one in part])
            for one in part:
                del self._versions[one]

    def _version(self, thing: str) -> int:
        """Return the version of what is known. Raises Conflict if what we wrote has changed."""
        if thing not in self._mine:
            return self._versions.get(thing, 0)
        found = self._store.read(self._key(thing))
        if found is None or found.value != self._mine[thing]:
            raise Conflict({self._key(thing): found})
        return found.version

    def _key(self, thing: str) -> str:
        return f"{self._prefix}{thing}"


def _parts(items: list[Part]) -> Iterable[list[Part]]:
    return (items[i : i + AT_ONCE] for i in range(0, len(items), AT_ONCE))


def _text(claim: Claim) -> str:
    return json.dumps({"owner": claim.owner, "use": claim.use})


def _parse(item: Item, thing: str) -> Claim | None:
    try:
        found = json.loads(item.value)
        owner, use = found["owner"], found.get("use", "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # somebody wrote there by hand; whoever is given the thing writes over it
    return Claim(thing, owner, use) if isinstance(owner, str) and isinstance(use, str) else None

"""Pulse: whose heartbeat has gone, and since when. Pure, but for what it remembers; the clock is passed in.

A heartbeat is a key under a lease, so it goes when the node has been silent for the lease's time. Nodes whose
heartbeat was never seen (we have just begun) get that time to show one.

When *all* hearts stop at once, then that says something about the registry, or about this machine (a laptop
that slept: every lease is over), not about the nodes. They get that time again; after it they are told to be
lost, since perhaps they are, but `is_blackout` says that nobody should draw conclusions.
"""

from __future__ import annotations

from collections.abc import Collection

HEARTBEATS = "/podwire/heartbeats/"  # + the node's name


class Pulse:
    """Times are `now`'s: seconds of a clock that never jumps."""

    def __init__(self, ttl: float) -> None:
        """`ttl`: the time of the nodes' leases."""
        self.lost: dict[str, float] = {}  # by node, since when
        self.is_blackout = False
        self._ttl = ttl
        self._alive: set[str] = set()
        self._doubted: dict[str, float] = {}  # until when

    def look(self, nodes: Collection[str], heartbeats: Collection[str], now: float) -> None:
        """Take note of the nodes there are and of the heartbeats that are heard."""
        alive = {node for node in nodes if node in heartbeats}
        silent = [node for node in nodes if node not in alive]
        was_blackout, self.is_blackout = self.is_blackout, bool(silent) and not alive
        if was_blackout != self.is_blackout:
            self._doubted = dict.fromkeys(silent, now + self._ttl)
            self.lost = self.lost if self.is_blackout else {}
        for node in silent:
            if node in self._alive and not self.is_blackout:
                self._doubted[node] = now
            if self._doubted.setdefault(node, now + self._ttl) <= now:
                self.lost.setdefault(node, now)
        self._forget_all_but(silent)
        self._alive = alive

    def _forget_all_but(self, silent: Collection[str]) -> None:
        kept = set(silent)
        self.lost = {node: at for node, at in self.lost.items() if node in kept}
        self._doubted = {node: at for node, at in self._doubted.items() if node in kept}

    @property
    def shown(self) -> tuple[frozenset[str], frozenset[str], bool]:
        """Return what decisions depend on: who is lost, who is heard of, whether anybody is."""
        return frozenset(self.lost), frozenset(self._alive), self.is_blackout

    def is_alive(self, node: str) -> bool:
        """Tell whether a node is heard of."""
        return node in self._alive

    def next_at(self) -> float | None:
        """Return when a doubt is over."""
        return min((at for node, at in self._doubted.items() if node not in self.lost), default=None)

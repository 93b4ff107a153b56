"""Following the leases in a store, and what is known of them for whoever decides on them.

A claim that began by listing 5,000 leases would read what the follower beside it has just read. It need not:
each commit names the versions it was decided on, so what has changed meanwhile makes it lose, and it is told
what is there instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Condition

from cluster_store.store import Event, Item, Snapshot, Store
from overlay.lease_keys import Keys
from overlay.lease_table import LeaseTable
from overlay.record import NodeRecord
from overlay.registry import Changed, Nodes


class FollowedTable:
    """One network's leases as a follower knows them: it writes, other threads take copies."""

    def __init__(self, keys: Keys) -> None:
        self._table = LeaseTable(keys)
        self._told = Condition()
        self._is_filled = False

    def fill(self, items: Iterable[Item]) -> Nodes:
        """Begin anew with a snapshot's items; return the records."""
        with self._told:
            self._table.fill(items)
            nodes = Nodes(*self._table.records(), self._table.unpublished(self._table.names()))
            self._is_filled = True
            self._told.notify_all()
            return nodes

    def change(self, events: Iterable[Event], of_node: dict[str, set[str]]) -> Changed:
        """Take events; return the records that are others now. `of_node`: the leases of each node."""
        with self._told:
            leases, nodes, config = self._table.change(events)
            for node in nodes:
                leases |= of_node.get(node, set())
            records = {name: self._table.record(name) for name in leases}
            return Changed(records, net_conf=config, unpublished=self._table.unpublished(leases))

    def look(self, timeout: float) -> LeaseTable | None:
        """Return a copy, waiting up to so many seconds for the first snapshot; None if there is none."""
        with self._told:
            return self._table.copy() if self._told.wait_for(lambda: self._is_filled, timeout) else None


class KeyValueFollower:
    """Turns a store's items into records: a `registry.NodeFollower`."""

    def __init__(self, store: Store, keys: Keys, table: FollowedTable) -> None:
        self._table = table
        self._follower = store.follow(keys.all)
        self._of_node: dict[str, set[str]] = {}

    def next(self, timeout: float) -> Nodes | Changed | None:
        """Wait up to `timeout` seconds; None: nothing. Raises StoreUnavailable, StoreRefused."""
        found = self._follower.next(timeout)
        if isinstance(found, Snapshot):
            nodes = self._table.fill(found.items)
            self._of_node = {}
            self._note(nodes.records)
            return nodes
        return self._changed(found) if found else None

    def close(self) -> None:
        """End it; from another thread, that ends a wait."""
        self._follower.close()

    def _changed(self, events: Sequence[Event]) -> Changed:
        changed = self._table.change(events, self._of_node)
        self._note(one for one in changed.records.values() if isinstance(one, NodeRecord))
        return changed

    def _note(self, records: Iterable[NodeRecord]) -> None:
        for record in records:
            self._of_node.setdefault(record.node, set()).add(record.key)

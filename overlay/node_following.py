"""Following Kubernetes Nodes: metadata where every node is ours, whole Nodes while one is flannel's.

A full Node has some 15 KB and changes every few minutes with its status; its metadata has one, and changes
when the overlay does. Our annotation repeats the subnets, so metadata is all that nodes of ours need;
flannel's subnets are in `spec` only. So a cluster that moves over node by node pays until the last one has.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from cluster_store.kubernetes import KubernetesClient, WatchEvent
from cluster_store.kubernetes_listing import Listing
from overlay.errors import BadRecord
from overlay.kubernetes_node import Node, parse_node, slim
from overlay.net_conf_file import NetConfFile
from overlay.record import NodeRecord
from overlay.registry import Changed, Nodes, Refused

NODES = "/api/v1/nodes"
HOLD = (
    300.0  # seconds that whole Nodes are followed after the last flannel's: one that restarts costs no list
)

Seen = NodeRecord | Refused | None


class NodeObjectsFollower:
    """What happens to the Nodes, as `registry.NodeFollower`."""

    def __init__(
        self, client: KubernetesClient, net_conf: NetConfFile, prefix: str, *, hold: float = HOLD
    ) -> None:
        self._client, self._net_conf, self._prefix, self._hold = client, net_conf, prefix, hold
        self._known: dict[str, NodeRecord | Refused] = {}
        self._flannels: set[str] = set()
        self._hold_until = 0.0
        self._is_closed = False
        self._is_full = False
        self._watch = client.watch(NODES, is_metadata=True, keep=slim)

    @property
    def is_metadata(self) -> bool:
        """Tell whether metadata is enough at present."""
        return not self._is_full

    def next(self, timeout: float) -> Nodes | Changed | None:
        """Wait up to `timeout` seconds; None: nothing. Raises StoreUnavailable, StoreRefused."""
        deadline = time.monotonic() + timeout
        while not self._is_closed:
            if self._net_conf.has_changed():
                return Changed({}, net_conf=True)
            self._choose_form()
            got = self._watch.next(max(deadline - time.monotonic(), 0.0))
            found = self._taken(got)
            if found is not None:
                return found
            if time.monotonic() >= deadline:
                break
        return None

    def close(self) -> None:
        """End it; from another thread, that ends a wait."""
        self._is_closed = True
        self._watch.close()

    def _choose_form(self) -> None:
        """Take whole Nodes as soon as one is flannel's, and metadata when none was for a while."""
        if self._flannels:
            self._hold_until = time.monotonic() + self._hold
        needs_full = bool(self._flannels) or (self._is_full and time.monotonic() < self._hold_until)
        if needs_full == self._is_full:
            return
        self._watch.close()
        self._is_full = needs_full
        self._watch = self._client.watch(NODES, is_metadata=not needs_full, keep=slim)
        if self._is_closed:  # meanwhile, and it closed the old one
            self._watch.close()

    def _taken(self, got: Listing | list[WatchEvent]) -> Nodes | Changed | None:
        """Take in what came; None if it is nothing to tell, or whole Nodes must be read first."""
        if isinstance(got, Listing):
            return self._listed(got)
        changed: dict[str, Seen] = {}
        for event in got:
            name, node, seen = read_item(event.item, self._prefix)
            if event.kind == "DELETED":
                node = seen = None
            self._mark(name, node)
            if self._note(name, seen):
                changed[name] = seen
        if self._flannels and not self._is_full:
            return None
        return Changed(changed) if changed else None

    def _listed(self, got: Listing) -> Nodes | None:
        self._flannels.clear()
        self._known.clear()
        for item in got.items:
            name, node, seen = read_item(item, self._prefix)
            self._mark(name, node)
            self._note(name, seen)
        if self._flannels and not self._is_full:
            return None
        return as_nodes(self._known.values())

    def _mark(self, name: str, node: Node | None) -> None:
        if node is not None and node.is_flannels(self._prefix):
            self._flannels.add(name)
        else:
            self._flannels.discard(name)

    def _note(self, name: str, seen: Seen) -> bool:
        """Remember; tell whether that is news."""
        before = self._known.pop(name, None)
        if seen is not None:
            self._known[name] = seen
        return seen != before


def read_item(item: dict[str, object], prefix: str) -> tuple[str, Node | None, Seen]:
    """Read one object: its name, the Node if it is one, and what it tells."""
    metadata = item.get("metadata")
    name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
    node = None
    try:
        node = parse_node(item)
        return name, node, node.record(prefix)
    except BadRecord as error:
        return name, node, Refused(name, f"{error}")


def as_nodes(found: Iterable[NodeRecord | Refused]) -> Nodes:
    """Sort what was read by key."""
    ordered = sorted(found, key=lambda one: one.key)
    return Nodes(
        tuple(one for one in ordered if isinstance(one, NodeRecord)),
        tuple(one for one in ordered if isinstance(one, Refused)),
    )

"""Registry: where the overlay's nodes keep their leases, whatever store is below.

`key_value.py` keeps flannel's keys in a store with transactions (directory, etcd), `node_objects.py`
flannel's annotations on Kubernetes Nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from overlay.net_conf import NetConf
from overlay.record import NodeRecord


@dataclass(frozen=True)
class Refused:
    """A record nobody can use: its key, and why."""

    key: str
    reason: str


@dataclass(frozen=True)
class Nodes:
    """Every record there is, whole. `refused`: those that could not be read.

    `unpublished`: leases that have an owner, and have ended for who reads flannel's keys alone.
    """

    records: tuple[NodeRecord, ...]
    refused: tuple[Refused, ...] = ()
    unpublished: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Changed:
    """What has changed: records by key, None for one that has gone; Refused for one that is no record."""

    records: dict[str, NodeRecord | Refused | None]
    net_conf: bool = False  # the network's configuration has, too
    unpublished: frozenset[str] = frozenset()  # as in `Nodes`, of these records


class NodeFollower(Protocol):
    """Follows the nodes, as `cluster_store.store.Follower` does a prefix."""

    def next(self, timeout: float) -> Nodes | Changed | None:
        """Wait up to `timeout` seconds; None: nothing. Raises StoreUnavailable, StoreRefused."""

    def close(self) -> None:
        """End it; from another thread, that ends a wait."""


class Registry(Protocol):
    """One cluster's leases. Each method belongs to one thread at a time; a follower may have another."""

    @property
    def name(self) -> str:
        """Return what it is, for a person."""

    def net_conf(self) -> NetConf:
        """Return the network's configuration. Raises NotConfigured, StoreUnavailable, StoreRefused."""

    def follow(self) -> NodeFollower:
        """Return a follower of all records, this node's own among them."""

    def nodes(self) -> Nodes:
        """Return all records now."""

    def acquire(self, wanted: NodeRecord, previous: Sequence[str] = ()) -> NodeRecord:
        """Make `wanted` a lease: its `subnets`, if any, are those it had; without, a free one is chosen.

        `previous` are the keys or subnets a file of this node remembers (subnet.env). Returns the record
        as it now stands, key and subnets filled in. A lease that is this node's already is taken up again.

        Raises:
            NoLease: there is none to be had; the message names numbers and holders.
            Stolen: the subnets of `wanted` are another's now.
            StoreUnavailable, StoreRefused, NotConfigured.
        """

    def publish(self, record: NodeRecord) -> NodeRecord:
        """Write the node's own record, by compare-and-set. Raises Stolen, StoreUnavailable, StoreRefused."""

    def grow(self, record: NodeRecord, version: int) -> NodeRecord:
        """Add one more block of a family (4 or 6). Raises NoLease, StoreUnavailable, StoreRefused."""

    def keep_alive(self, record: NodeRecord) -> float:
        """Say that the node lives; return after how many seconds to say so again. Raises Stolen as well."""

    def release(self, key: str, *, force: bool = False) -> None:
        """Give a lease back.

        Raises NoLease if there is none of that key; Stolen if its node lives, unless `force`.
        """

    def close(self) -> None:
        """Give connections back; leases run on."""

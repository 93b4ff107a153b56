"""Leases in a store with transactions: a directory, or etcd with flannel's own keys.

A claim is one transaction that names every key it needs as not there; who loses it has learnt the owner.
Nothing is ever written over another's: each later write names the version it was decided on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from cluster_store.store import (
    Check,
    Conflict,
    Delete,
    Event,
    Item,
    LeaseGone,
    Put,
    Store,
)
from cni_spec.errors import CniError
from overlay.errors import NoLease, NotConfigured, Stolen
from overlay.flannel_form import OURS, dump_lease, lease_key
from overlay.key_value_following import FollowedTable, KeyValueFollower
from overlay.lease_choice import free_subnet, has_address, own_lease, remembered_lease, subnets_of
from overlay.lease_keys import Keys
from overlay.lease_table import RESERVED, LeaseTable, is_reserved
from overlay.net_conf import NetConf, parse_net_conf
from overlay.offers import with_known_macs
from overlay.record import NodeRecord
from overlay.registry import NodeFollower, Nodes
from overlay.subnet import Subnet

LEASE_TTL = 86_400  # seconds; flannel's
ALIVE_TTL = 60  # seconds after which a silent node is called dead
ALIVE_EVERY = 20.0  # seconds; two may be lost
RENEW_EVERY = 3600.0  # seconds, of flannel's lease: it costs an event for nobody
NOBODY = "(reserved)"  # in place of a node's name, which has no such characters
FOLLOWER_DEADLINE = 1.0  # seconds a claim waits for the follower's snapshot, before it lists for itself
TRIALS = 100  # lost races; each means that another node got what it wanted


class KeyValueRegistry:
    """The leases of one network in one store. `node` and `boot` are this node's."""

    def __init__(
        self,
        store: Store,
        node: str,
        boot: str,
        keys: Keys | None = None,
        followed: FollowedTable | None = None,
    ) -> None:
        """Use a store. Registries of one process may share what one of them follows: `followed`."""
        self._store, self._node, self._boot = store, node, boot
        self.keys = keys or Keys()
        self._followed = followed
        self._alive_lease = 0
        self._leases: dict[str, int] = {}  # lease -> the id of its TTL
        self._beats = 0

    @property
    def name(self) -> str:
        """Return what it is, for a person."""
        return f"{self._store.name}{self.keys.prefix}"

    def net_conf(self) -> NetConf:
        """Return the network's configuration. Raises NotConfigured, StoreUnavailable, StoreRefused."""
        return self._parse_config(self._store.read(self.keys.config))

    def configure(self, text: str, *, replace: bool = False) -> None:
        """Write the network's configuration where there is none; `replace`: where there is one, too.

        Raises:
            NotConfigured: the text is no configuration.
        """
        self._parse(text, "the configuration to be written")
        checks = [] if replace else [Check(self.keys.config, 0)]
        try:
            self._store.commit(checks, [Put(self.keys.config, text)])
        except Conflict:  # somebody has: that is the one
            return

    def follow(self) -> NodeFollower:
        """Return a follower of all records."""
        return KeyValueFollower(self._store, self.keys, self._followed or FollowedTable(self.keys))

    def nodes(self) -> Nodes:
        """Return all records now."""
        return Nodes(*self._table().records())

    def acquire(self, wanted: NodeRecord, previous: Sequence[str] = ()) -> NodeRecord:
        """Make or take up this node's lease: `overlay.registry.Registry.acquire`."""
        if wanted.subnets and not wanted.key:
            wanted = replace(wanted, key=lease_key(wanted.subnets))
        table = self._look(wanted.key) if wanted.subnets else self._known()
        for _ in range(TRIALS):
            self._refuse_twin(wanted, table)
            try:
                return self._acquire_once(wanted, previous, table)
            except Conflict as lost:  # somebody was faster, and this is what he wrote
                table.change(Event(key, item) for key, item in lost.found.items())
        raise NoLease(f"{self.name}: {TRIALS} claims lost to other nodes; the next trial comes by itself")

    def publish(self, record: NodeRecord) -> NodeRecord:
        """Write the node's own record, by compare-and-set."""
        for _ in range(TRIALS):
            table = self._look(record.key)
            self._refuse_foreign(record.key, record, table)
            try:
                return self._write(record, table)
            except Conflict:
                continue
        raise Stolen(f"lease {record.key} is changed by others all the time")

    def grow(self, record: NodeRecord, version: int) -> NodeRecord:
        """Add one more block: a lease of its own, with the same addresses."""
        conf, table = self.net_conf(), self._known()
        for _ in range(TRIALS):
            seed = f"{record.node} {len(table.names())}"
            subnet = free_subnet(conf.pool(version), table, seed, self.name)
            block = replace(record, subnets=(subnet,), key=lease_key((subnet,)), block_of=record.key)
            try:
                return self._write(block, table)
            except Conflict as lost:
                table.change(Event(key, item) for key, item in lost.found.items())
        raise NoLease(f"{self.name}: {TRIALS} claims of another block lost to other nodes")

    def keep_alive(self, record: NodeRecord) -> float:
        """Say that the node lives; return the seconds until the next time."""
        is_due = (self._beats + 1) % int(RENEW_EVERY / ALIVE_EVERY) == 0
        try:
            self._keep_alive_key()
        except LeaseGone:  # we were silent for too long, it was revoked, or the registry has begun anew
            self._alive_lease = 0
            self._keep_alive_key()
            is_due = True
        if is_due:
            self._renew(record)
        self._beats += 1
        return ALIVE_EVERY

    def release(self, key: str, *, force: bool = False) -> None:
        """Give a lease back."""
        for _ in range(TRIALS):
            try:
                self._release_once(key, force=force)
            except Conflict:  # it has changed meanwhile: look again whether it still may go
                continue
            self._leases.pop(key, None)
            return
        raise Stolen(f"lease {key} is changed by others all the time")

    def reserve(self, subnet: Subnet, reason: str) -> None:
        """Keep a subnet from everybody, flannel's nodes too. Raises Stolen if somebody has it."""
        key = lease_key((subnet,))
        value = json.dumps(
            {"PublicIP": "0.0.0.0", "BackendType": "reserved", OURS: {RESERVED: reason or "yes"}}
        )
        changes = [Put(key, value) for key in (self.keys.lease(key), self.keys.owned(key))]
        changes.append(Put(self.keys.alloc(subnet), NOBODY))
        for _ in range(TRIALS):
            names = self._table().names()
            taken = [name for name in names if any(one.overlaps(subnet) for one in subnets_of(name))]
            if taken:
                raise Stolen(f"{subnet} is {taken[0]}'s already")
            try:
                self._store.commit([Check(one.key, 0) for one in changes], changes)
            except Conflict:  # somebody was faster: see whom it belongs to
                continue
            return
        raise Stolen(f"{subnet} is claimed by others all the time")

    def close(self) -> None:
        """Give connections back; leases run on."""
        self._store.close()

    def _release_once(self, key: str, *, force: bool) -> None:
        table = self._look(key)
        owned, lease = table.owned.get(key), table.leases.get(key)
        if owned is None and lease is None:
            raise NoLease(f"{self.name} has no lease {key!r}; `podwire overlay leases` lists them")
        record = table.record(key)
        if not force and isinstance(record, NodeRecord) and record.is_live and record.node != self._node:
            raise Stolen(
                f"lease {key} is of {record.node or record.public4}, which lives; --force takes it anyway"
            )
        gone = [self.keys.lease(key), self.keys.owned(key), *map(self.keys.alloc, subnets_of(key))]
        checks = [_check(self.keys.lease(key), lease), _check(self.keys.owned(key), owned)]
        self._store.commit(checks, [Delete(one) for one in gone])

    def _renew(self, record: NodeRecord) -> None:
        """Have flannel's keys of this node last for another day: its lease's, and those of its blocks."""
        table = self._table()
        found = [one for name in table.names() if isinstance(one := table.record(name), NodeRecord)]
        blocks = [one for one in found if one.node == self._node and one.key != record.key]
        for one in (record, *blocks):
            item = table.leases.get(one.key)
            try:
                if item is not None and item.lease:
                    self._store.keep_alive(item.lease)
                    continue
            except LeaseGone:  # between the two questions
                self._leases.pop(one.key, None)
            self.publish(one)

    def _table(self) -> LeaseTable:
        table = LeaseTable(self.keys)
        table.fill(self._store.list(self.keys.all).items)
        return table

    def _known(self) -> LeaseTable:
        """Return all leases, as the follower of this process knows them if it is there in time."""
        return (self._followed and self._followed.look(FOLLOWER_DEADLINE)) or self._table()

    def _look(self, lease: str) -> LeaseTable:
        """Return what there is of one lease: a few questions, whatever the number of nodes."""
        table = LeaseTable(self.keys)
        subnets = subnets_of(lease)
        wanted = [self.keys.lease(lease), self.keys.owned(lease)]
        wanted += [self.keys.alloc(one) for one in subnets]
        table.fill(item for key in wanted if (item := self._store.read(key)) is not None)
        record = table.record(lease)
        nodes = {self._node} | ({record.node} if isinstance(record, NodeRecord) and record.node else set())
        seen = [self._store.read(self.keys.alive(node)) for node in nodes]
        table.change([Event(item.key, item) for item in seen if item is not None])
        return table

    def _acquire_once(self, wanted: NodeRecord, previous: Sequence[str], table: LeaseTable) -> NodeRecord:
        if wanted.subnets:
            self._refuse_foreign(wanted.key, wanted, table)
            return self._write(wanted, table)
        conf = self._parse_config(table.config)
        before = own_lease(self._node, wanted, table, conf)
        found = before.subnets if before else remembered_lease(previous, table, conf)
        if not found:
            pools = map(conf.pool, conf.versions)
            found = tuple(free_subnet(pool, table, self._node, self.name) for pool in pools)
        kept = with_known_macs(wanted, before, self._node)
        return self._write(replace(kept, subnets=found, key=lease_key(found)), table)

    def _write(self, record: NodeRecord, table: LeaseTable) -> NodeRecord:
        """Write a lease and its ownership in one transaction. Raises Conflict, Stolen."""
        key, value = record.key, dump_lease(record)
        lease, owned = table.leases.get(key), table.owned.get(key)
        for subnet in record.subnets:
            alloc = table.allocs.get(lease_key((subnet,)))
            if alloc is not None and alloc.value != self._node:
                whose = "reserved" if alloc.value == NOBODY else f"{alloc.value}'s"
                raise Stolen(f"{subnet} is {whose} now")
        is_granted = key not in self._leases
        ttl = self._lease_for(key, lease)
        checks = [_check(self.keys.lease(key), lease), _check(self.keys.owned(key), owned)]
        changes: list[Put | Delete] = [
            Put(self.keys.lease(key), value, ttl),
            Put(self.keys.owned(key), value),
        ]
        for subnet in record.subnets if _is_shared(record) else ():
            alloc_key = self.keys.alloc(subnet)
            alloc = table.allocs.get(lease_key((subnet,)))
            checks.append(_check(alloc_key, alloc))
            changes += [] if alloc else [Put(alloc_key, self._node)]
        try:
            self._store.commit(checks, changes)
        except LeaseGone:
            self._leases.pop(key, None)
            raise Conflict({}) from None
        except Conflict:
            if is_granted and (lease is None or lease.lease != ttl):
                self._store.revoke(self._leases.pop(key))  # nothing lives by it
            raise
        return replace(record, created=owned.created if owned else 0)

    def _lease_for(self, key: str, seen: Item | None) -> int:
        """Return the id of a lease's TTL: the one it has, if it lives, else a new one; 0 for none.

        A lease that somebody has put there without an end is flannel's reservation, and stays one.
        """
        if seen is not None and not seen.lease:
            return 0
        if key not in self._leases:
            known = seen.lease if seen is not None else 0
            if known:
                try:
                    self._store.keep_alive(known)
                except LeaseGone:
                    known = 0
            self._leases[key] = known or self._store.grant(LEASE_TTL)
        return self._leases[key]

    def _keep_alive_key(self) -> None:
        if self._alive_lease:
            self._store.keep_alive(self._alive_lease)
            return
        self._alive_lease = self._store.grant(ALIVE_TTL)
        self._store.commit([], [Put(self.keys.alive(self._node), self._boot, self._alive_lease)])

    def _refuse_twin(self, wanted: NodeRecord, table: LeaseTable) -> None:
        """Refuse to be two: another living node of the same name, on another address."""
        alive = table.alive.get(self._node)
        if alive is None or alive.value == self._boot:
            return
        for record in table.records_of(self._node):
            if record.boot != self._boot and (record.public4, record.public6) != (
                wanted.public4,
                wanted.public6,
            ):
                where = record.public4 or record.public6
                raise Stolen(
                    f"another living node at {where} calls itself {self._node!r}: give one another name"
                )

    def _refuse_foreign(self, key: str, mine: NodeRecord, table: LeaseTable) -> None:
        """Refuse to write where another node is the owner now. Raises Stolen."""
        record = table.record(key)
        owner = table.owned.get(key)
        if owner is not None and is_reserved(owner):
            raise Stolen(f"lease {key} is reserved")
        if not isinstance(record, NodeRecord):
            return
        is_mine = record.node == self._node if record.node else has_address(record, mine)
        if not is_mine:
            whose = record.node or record.public4 or record.public6
            raise Stolen(
                f"lease {key} is {whose}'s now; this node's pods keep it among themselves until one goes"
            )

    def _parse_config(self, item: Item | None) -> NetConf:
        if item is None:
            raise NotConfigured(
                f"{self.name}/config: no network is configured there; `podwire overlay configure` does"
            )
        return self._parse(item.value, f"{self.name}/config")

    def _parse(self, text: str, where: str) -> NetConf:
        try:
            return parse_net_conf(text, where)[0]
        except CniError as error:
            raise NotConfigured(f"{error.msg}") from error


def _check(key: str, item: Item | None) -> Check:
    return Check(key, item.version if item else 0)


def _is_shared(record: NodeRecord) -> bool:
    """Tell whether others may ask for a subnet of a lease by another key: one of a pair, one by itself."""
    return len(record.subnets) > 1 or bool(record.block_of)

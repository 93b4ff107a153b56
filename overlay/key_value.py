"""Leases in a store with transactions: a directory, or etcd with flannel's own keys.

A claim is one transaction that names every key it needs as not there; who loses it has learnt the owner.
Candidates come from a hash of the node's name, so that a thousand nodes that boot at once do not all ask for
the same. Nothing is ever written over another's: each later write names the version it was decided on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cluster_store.store import Check, Conflict, Delete, Event, Item, LeaseGone, Put, Snapshot, Store
from cni_spec.errors import CniError
from overlay.errors import NoLease, NotConfigured, Stolen
from overlay.flannel_form import OURS, BadRecord, dump_lease, lease_key, parse_lease_key
from overlay.lease_keys import Keys
from overlay.lease_table import RESERVED, LeaseTable, is_reserved
from overlay.net_conf import NetConf, Pool, parse_net_conf
from overlay.offers import with_known_macs
from overlay.record import NodeRecord
from overlay.registry import Changed, NodeFollower, Nodes
from overlay.subnet import Subnet

LEASE_TTL = 86_400  # seconds; flannel's
ALIVE_TTL = 60  # seconds after which a silent node is called dead
ALIVE_EVERY = 20.0  # seconds; two may be lost
RENEW_EVERY = 3600.0  # seconds, of flannel's lease: it costs an event for nobody
PROBES = 64  # candidates by hash before the free ones are counted
TRIALS = 100  # lost races; each means that another node got what it wanted


class KeyValueRegistry:
    """The leases of one network in one store. `node` and `boot` are this node's."""

    def __init__(self, store: Store, node: str, boot: str, keys: Keys | None = None) -> None:
        self._store, self._node, self._boot = store, node, boot
        self.keys = keys or Keys()
        self._alive_lease = 0
        self._leases: dict[str, int] = {}  # lease -> the id of its TTL
        self._renewed = 0.0
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
        return _Follower(self._store, self.keys)

    def nodes(self) -> Nodes:
        """Return all records now."""
        return Nodes(*self._table().records())

    def acquire(self, wanted: NodeRecord, previous: Sequence[str] = ()) -> NodeRecord:
        """Make or take up this node's lease: `overlay.registry.Registry.acquire`."""
        for _ in range(TRIALS):
            table = self._look(lease_key(wanted.subnets)) if wanted.subnets else self._table()
            self._refuse_twin(wanted, table)
            try:
                return self._acquire_once(wanted, previous, table)
            except Conflict:  # somebody was faster: look again
                continue
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
        conf = self.net_conf()
        for _ in range(TRIALS):
            table = self._table()
            subnet = self._choose(conf.pool(version), table, f"{record.node} {len(table.names())}")
            block = replace(record, subnets=(subnet,), key=lease_key((subnet,)), extras={"Of": record.key})
            try:
                return self._write(block, table)
            except Conflict:
                continue
        raise NoLease(f"{self.name}: {TRIALS} claims of another block lost to other nodes")

    def keep_alive(self, record: NodeRecord) -> float:
        """Say that the node lives; return the seconds until the next time."""
        try:
            self._keep_alive_key()
            if self._beats % int(RENEW_EVERY / ALIVE_EVERY) == 0:
                for lease in self._leases.values():
                    self._store.keep_alive(lease)
        except LeaseGone:  # we were silent for too long, or somebody revoked it
            self._leases.clear()
            self._alive_lease = 0
            self._keep_alive_key()
            self.publish(record)
        self._beats += 1
        return ALIVE_EVERY

    def release(self, key: str, *, force: bool = False) -> None:
        """Give a lease back."""
        table = self._look(key)
        owned, lease = table.owned.get(key), table.leases.get(key)
        if owned is None and lease is None:
            raise NoLease(f"{self.name} has no lease {key!r}; `podwire overlay leases` lists them")
        record = table.record(key)
        if not force and isinstance(record, NodeRecord) and record.is_live and record.node != self._node:
            raise Stolen(
                f"lease {key} is of {record.node or record.public4}, which lives; --force takes it anyway"
            )
        gone = [self.keys.lease(key), self.keys.owned(key), *map(self.keys.alloc, _subnets_of(key))]
        checks = [_check(self.keys.lease(key), lease), _check(self.keys.owned(key), owned)]
        self._store.commit(checks, [Delete(one) for one in gone])
        self._leases.pop(key, None)

    def reserve(self, subnet: Subnet, reason: str) -> None:
        """Keep a subnet from everybody, flannel's nodes too. Raises Stolen if somebody has it."""
        key = lease_key((subnet,))
        value = json.dumps(
            {"PublicIP": "0.0.0.0", "BackendType": "reserved", OURS: {RESERVED: reason or "yes"}}
        )
        table = self._table()
        if taken := [
            name for name in table.names() if any(one.overlaps(subnet) for one in _subnets_of(name))
        ]:
            raise Stolen(f"{subnet} is {taken[0]}'s already")
        changes = [Put(self.keys.lease(key), value), Put(self.keys.owned(key), value)]
        self._store.commit([Check(one.key, 0) for one in changes], changes)

    def close(self) -> None:
        """Give connections back; leases run on."""
        self._store.close()

    def _table(self) -> LeaseTable:
        table = LeaseTable(self.keys)
        table.fill(self._store.list(self.keys.all).items)
        return table

    def _look(self, lease: str) -> LeaseTable:
        """Return what there is of one lease: a few questions, whatever the number of nodes."""
        table = LeaseTable(self.keys)
        subnets = _subnets_of(lease)
        wanted = [self.keys.lease(lease), self.keys.owned(lease)]
        wanted += [self.keys.alloc(one) for one in subnets] if len(subnets) > 1 else []
        table.fill(item for key in wanted if (item := self._store.read(key)) is not None)
        record = table.record(lease)
        nodes = {self._node} | ({record.node} if isinstance(record, NodeRecord) and record.node else set())
        seen = [self._store.read(self.keys.alive(node)) for node in nodes]
        table.change([Event(item.key, item) for item in seen if item is not None])
        return table

    def _acquire_once(self, wanted: NodeRecord, previous: Sequence[str], table: LeaseTable) -> NodeRecord:
        if wanted.subnets:
            self._refuse_foreign(wanted.key, wanted, table)
            return self._write(replace(wanted, key=wanted.key or lease_key(wanted.subnets)), table)
        conf = self._parse_config(table.config)
        before = self._find_own(wanted, table, conf)
        found = before.subnets if before else self._find_free(previous, table, conf)
        if not found:
            found = tuple(self._choose(conf.pool(version), table, self._node) for version in conf.versions)
        kept = with_known_macs(wanted, before, self._node)
        return self._write(replace(kept, subnets=found, key=lease_key(found)), table)

    def _find_own(self, wanted: NodeRecord, table: LeaseTable, conf: NetConf) -> NodeRecord | None:
        """Find a lease that is this node's: by its name, or by the address that a flanneld wrote."""
        usable = [one for one in table.records()[0] if _fits(one.subnets, conf)]
        named = (one for one in usable if one.node == self._node and not one.extras.get("Of"))
        flannels = (one for one in usable if not one.node and _has_address(one, wanted))
        return next(named, None) or next(flannels, None)

    def _find_free(self, previous: Sequence[str], table: LeaseTable, conf: NetConf) -> tuple[Subnet, ...]:
        """Find a lease that this node's own file remembers, if nobody has it."""
        taken = set(table.names())
        fitting = (_subnets_of(name) for name in previous if name not in taken)
        return next((one for one in fitting if _fits(one, conf)), ())

    def _choose(self, pool: Pool, table: LeaseTable, seed: str) -> Subnet:
        """Return a free subnet. Raises NoLease with numbers and holders."""
        taken = [one for name in table.names() for one in _subnets_of(name)]
        exact = {one for one in taken if one.length == pool.length}
        odd = [one for one in taken if one.length != pool.length and one.overlaps(pool.network)]
        for index in _candidates(seed, pool.size):
            subnet = pool[index]
            if subnet not in exact and not any(one.overlaps(subnet) for one in odd):
                return subnet
        dead = [name for name in table.names() if not _is_live(table.record(name))]
        hint = f"; {len(dead)} of nodes not heard of ({', '.join(dead[:3])}): `podwire overlay release KEY`"
        raise NoLease(
            f"{self.name}: all {pool.size} subnets of {pool.network} are taken{hint if dead else ''}"
        )

    def _write(self, record: NodeRecord, table: LeaseTable) -> NodeRecord:
        """Write a lease and its ownership in one transaction. Raises Conflict, Stolen."""
        key, value = record.key, dump_lease(record)
        lease, owned = table.leases.get(key), table.owned.get(key)
        for subnet in record.subnets:
            alloc = table.allocs.get(lease_key((subnet,)))
            if alloc is not None and alloc.value != self._node:
                raise Stolen(f"{subnet} is {alloc.value}'s now")
        ttl = self._lease_for(key, lease)
        checks = [_check(self.keys.lease(key), lease), _check(self.keys.owned(key), owned)]
        changes: list[Put | Delete] = [
            Put(self.keys.lease(key), value, ttl),
            Put(self.keys.owned(key), value),
        ]
        for subnet in record.subnets if len(record.subnets) > 1 else ():
            alloc_key = self.keys.alloc(subnet)
            alloc = table.allocs.get(lease_key((subnet,)))
            checks.append(_check(alloc_key, alloc))
            changes += [] if alloc else [Put(alloc_key, self._node)]
        try:
            self._store.commit(checks, changes)
        except LeaseGone:
            self._leases.pop(key, None)
            raise Conflict({}) from None
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
        for name in table.names():
            record = table.record(name)
            if not isinstance(record, NodeRecord) or record.node != self._node:
                continue
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
        is_mine = record.node == self._node if record.node else _has_address(record, mine)
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


class _Follower:
    """Turns a store's items into records."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._keys, self._table = keys, LeaseTable(keys)
        self._follower = store.follow(keys.all)
        self._of_node: dict[str, set[str]] = {}

    def next(self, timeout: float) -> Nodes | Changed | None:
        found = self._follower.next(timeout)
        if isinstance(found, Snapshot):
            self._table.fill(found.items)
            records, refused = self._table.records()
            self._of_node = {}
            for record in records:
                self._of_node.setdefault(record.node, set()).add(record.key)
            return Nodes(records, refused, self._table.unpublished(self._table.names()))
        return self._changed(found) if found else None

    def close(self) -> None:
        self._follower.close()

    def _changed(self, events: Sequence[Event]) -> Changed:
        leases, nodes, config = self._table.change(events)
        for node in nodes:
            leases |= self._of_node.get(node, set())
        records = {name: self._table.record(name) for name in leases}
        for record in records.values():
            if isinstance(record, NodeRecord):
                self._of_node.setdefault(record.node, set()).add(record.key)
        return Changed(records, net_conf=config, unpublished=self._table.unpublished(leases))


def _candidates(seed: str, size: int) -> Iterator[int]:
    """Yield indexes: some spread by a hash of the node, then all."""
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    for k in range(min(PROBES, size)):
        yield (start + k * (k + 1) // 2) % size
    for k in range(size):
        yield (start + k) % size


def _check(key: str, item: Item | None) -> Check:
    return Check(key, item.version if item else 0)


def _subnets_of(name: str) -> tuple[Subnet, ...]:
    try:
        return parse_lease_key(name)
    except BadRecord:  # a key that is no lease takes nothing from the pool
        return ()


def _fits(subnets: Sequence[Subnet], conf: NetConf) -> bool:
    """Tell whether a lease suits the configuration: one subnet of each family, inside the network."""
    if tuple(one.version for one in subnets) != conf.versions:
        return False
    return all((net := conf.network_of(one.version)) is not None and net.covers(one) for one in subnets)


def _has_address(record: NodeRecord, mine: NodeRecord) -> bool:
    return record.public4 == mine.public4 if record.public4 else record.public6 == mine.public6


def _is_live(record: object) -> bool:
    return not isinstance(record, NodeRecord) or record.is_live

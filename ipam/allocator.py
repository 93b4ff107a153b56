"""The policy: round robin, requested and sticky addresses, release, check, GC.

Operations on a `Store`, to be run by `operate`. An ADD takes one address from each pool: the one that was
asked for, else the one remembered for the pod's name, else the next free one behind the last that was
given, else one that is remembered for a pod which is away. If one pool has none, all are given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netaddr import IPAddress, IPNetwork

from cni_spec.errors import ADDRESSES_EXHAUSTED, ALREADY_ALLOCATED, INVALID_CONFIG, CheckFailed, CniError
from ipam.directory import Owner
from ipam.keys import Key, address_of, key_of
from ipam.pools import RangeSet
from ipam.store import Store
from ipam.usage import count_pool


@dataclass(frozen=True)
class Wish:
    """What one ADD asks for. `netns` is a path; `name` what its addresses are remembered by, "" for not."""

    owner: Owner
    netns: str = ""
    requested: frozenset[IPAddress] = field(default=frozenset())
    name: str = ""


@dataclass(frozen=True)
class Lease:
    """An address with the prefix length of its subnet, and the gateway of its range."""

    address: IPNetwork
    gateway: IPAddress | None


def allocate(store: Store, pools: Sequence[RangeSet], wish: Wish) -> tuple[Lease, ...]:
    """Take one address from each pool, all or none.

    Raises:
        CniError: code 106 if the owner holds one already, 103 if a pool has none to give or not the one
            that was requested, 7 if a requested address is in no pool.
    """
    store.thaw()
    wanted = _place_requests(pools, wish)
    _refuse_duplicates(store, pools, wish.owner)
    taken: list[Key] = []
    try:
        for i, pool in enumerate(pools):
            taken.append(_take(store, pool, i, wanted[i], wish))
            _remember(store, pool, taken[-1], wish.name)
    except BaseException:
        for key in taken:
            store.take_back(key, wish.owner)
        raise
    return tuple(_lease(pool, key) for pool, key in zip(pools, taken, strict=True))


def preview(store: Store, pools: Sequence[RangeSet], wish: Wish) -> tuple[Lease, ...]:
    """Return what `allocate` would give, and take nothing. Raises what that would."""
    store.thaw()
    wanted = _place_requests(pools, wish)
    _refuse_duplicates(store, pools, wish.owner)
    return tuple(_lease(pool, _pick(store, pool, i, wanted[i], wish.name)) for i, pool in enumerate(pools))


def release(store: Store, owner: Owner) -> list[IPAddress]:
    """Give back what an owner holds, and return it; nothing held is no error."""
    exact, old = owner, Owner(owner.container_id, "")
    return [
        address_of(key)
        for key in store.held_by(owner)
        if store.release(key, exact) or store.release(key, old)
    ]


def check(store: Store, pools: Sequence[RangeSet], owner: Owner, expected: Sequence[IPAddress]) -> None:
    """See that an owner holds just the addresses its ADD was given.

    `pools` may be empty, where the ranges came with the ADD only. `expected` may name addresses that other
    plugins gave; those in a pool of ours must be held.

    Raises:
        CheckFailed: naming the address.
    """
    held = [address_of(key) for key in store.held_by(owner)]
    if not held:
        raise CheckFailed(f"no address is reserved for {owner}", "its DEL was run, or its file was removed")
    for address in expected:
        if any(address in pool for pool in pools) and address not in held:
            holder = store.directory.read(key_of(address))
            whose = "reserved for nobody" if holder is None else f"reserved for {holder}"
            raise CheckFailed(f"address {address} of {owner} is {whose}")
    for address in held:
        if address not in expected:
            raise CheckFailed(f"{owner} holds {address}, which its result does not name")


def collect(store: Store, valid: frozenset[Owner]) -> list[IPAddress]:
    """Give back what no valid owner holds, and return it (CNI 1.1.0, GC)."""
    containers = {owner.container_id for owner in valid}
    stale = [
        one
        for one in store.index.reservations()
        if not (one.owner in valid if one.owner.ifname else one.owner.container_id in containers)
    ]
    return [address_of(one.key) for one in stale if store.release(one.key, one.owner)]


def _place_requests(pools: Sequence[RangeSet], wish: Wish) -> list[IPAddress | None]:
    """Return the requested address of each pool."""
    left = sorted(wish.requested)
    placed: list[IPAddress | None] = []
    for pool in pools:
        placed.append(next((one for one in left if one in pool), None))
        left = [one for one in left if one != placed[-1]]
    if left:
        names = ", ".join(str(one) for one in left)
        raise CniError(INVALID_CONFIG, f"failed to allocate all requested IPs: {names}: expected at most one "
                       f"of each range set, which are {'; '.join(map(str, pools))}")  # fmt: skip
    return placed


def _refuse_duplicates(store: Store, pools: Sequence[RangeSet], owner: Owner) -> None:
    for address in map(address_of, store.held_by(owner)):
        if any(address in pool for pool in pools):
            raise CniError(ALREADY_ALLOCATED, f"{address} has been allocated to {owner.container_id}, "
                           "duplicate allocation is not allowed")  # fmt: skip


def _take(store: Store, pool: RangeSet, set_index: int, requested: IPAddress | None, wish: Wish) -> Key:
    """Pick and reserve; what turns out to be taken is known then, and another one is picked."""
    while True:
        key = _pick(store, pool, set_index, requested, wish.name)
        if store.reserve(key, wish.owner, wish.netns, set_index):
            return key


def _pick(store: Store, pool: RangeSet, set_index: int, requested: IPAddress | None, name: str) -> Key:
    if requested is not None:
        return _pick_requested(store, pool, requested)
    if name and (key := _pick_remembered(store, pool, name)):
        return key
    last = store.directory.last_reserved(set_index)
    key = _pick_next(store, pool, last)
    if key is None:
        store.look_again()
        key = _pick_next(store, pool, last)
    if key is None:
        key = store.index.oldest_idle(span for spans in pool.usable for span in spans)
    if key is None:
        raise CniError(
            ADDRESSES_EXHAUSTED,
            f"no IP addresses available in range set: {pool}",
            str(count_pool(store, pool)),
        )
    return key


def _pick_requested(store: Store, pool: RangeSet, requested: IPAddress) -> Key:
    part, key = pool.range_of(requested), key_of(requested)
    if part is not None and requested == part.gateway:
        raise CniError(
            ADDRESSES_EXHAUSTED, f"requested IP {requested} is the gateway of subnet {part.subnet}"
        )
    if not _is_usable(pool, key):
        raise CniError(ADDRESSES_EXHAUSTED, f"requested IP {requested} is not handed out: it is excluded, or "
                       "the address of a gateway, a network or a broadcast")  # fmt: skip
    holder = store.directory.read(key)
    if holder is not None and (holder.text or store.index.get(key)):  # an empty file is removed below
        raise CniError(ADDRESSES_EXHAUSTED, f"requested IP address {requested} is not available in range set "
                       f"{pool}: reserved for {holder}")  # fmt: skip
    return key


def _pick_remembered(store: Store, pool: RangeSet, name: str) -> Key | None:
    sticky = store.sticky(create=False)
    for key in sticky.addresses_of(name) if sticky else ():
        if _is_usable(pool, key) and store.index.get(key) is None:
            return key
    return None


def _pick_next(store: Store, pool: RangeSet, last: IPAddress | None) -> Key | None:
    for first, end in pool.circle(last):
        key = store.index.next_free(first)
        if key <= end:
            return key
    return None


def _remember(store: Store, pool: RangeSet, key: Key, name: str) -> None:
    if not name:
        return
    sticky = store.sticky(create=True)
    former = sticky.addresses_of(name) if sticky else []
    store.remember(name, key, [old for old in former if old != key and _is_usable(pool, old)])


def _is_usable(pool: RangeSet, key: Key) -> bool:
    return any(first <= key <= last for spans in pool.usable for first, last in spans)


def _lease(pool: RangeSet, key: Key) -> Lease:
    address = address_of(key)
    part = pool.range_of(address)
    if part is None:
        raise AssertionError(f"{address} was picked from {pool}")
    return Lease(IPNetwork(f"{address}/{part.subnet.prefixlen}"), part.gateway)

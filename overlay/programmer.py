"""Programmer: makes the kernel what it should be for all peers, or for some of them.

What should be is kept by peer; a change of one costs its own entries. A full pass dumps the kernel and
compares: what was changed behind our back is mended, what is stale goes. Refusals are noted by peer,
and tried again with a growing pause; nobody waits for another's trouble.
"""

from __future__ import annotations

import errno
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from linuxnet.forwarding_dumps import look
from linuxnet.forwarding_entries import Entry, ForeignRoute, Nexthop
from linuxnet.netlink_socket import NETLINK_ROUTE, NetlinkSocket
from overlay.admission import Admission
from overlay.difference import Key, difference, in_order, out_of_order
from overlay.guarding import Guarding
from overlay.place import UNKNOWN, UNPLACED, Path, Place
from overlay.record import NodeRecord
from overlay.ways import NexthopNumbers, entries_of, own_entries

GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL)  # what was to be removed is not there
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between trials for one peer

log = logging.getLogger("podwire.overlay")
Paths = Callable[[str, int], Path]


@dataclass(frozen=True)
class Trouble:
    """A peer that could not be programmed."""

    message: str
    retry_at: float
    pause: float


@dataclass
class Programmer:
    """The kernel's side of the overlay, in the namespace its maker's thread was in. Close it.

    `may_delete` False: before the first complete snapshot nothing is removed.
    """

    paths: Paths = lambda key, version: UNKNOWN
    place: Place = UNPLACED
    numbers: NexthopNumbers = field(default_factory=NexthopNumbers)
    guarding: Guarding = field(default_factory=Guarding)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    may_delete: bool = False
    operations: Counter[str] = field(default_factory=Counter)
    wanted: dict[Key, Entry] = field(default_factory=dict)
    _owners: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    _entries: dict[str, tuple[Entry, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_ROUTE)

    def close(self) -> None:
        """Close the sockets; what is programmed stays."""
        self._socket.close()
        self.guarding.guard.close()

    def entries_of(self, key: str) -> tuple[Entry, ...]:
        """Return what leads to a peer."""
        return self._entries.get(key, ())

    @property
    def peers(self) -> int:
        """Return for how many leases of others something should be programmed."""
        return sum(1 for one in self._entries.values() if one)

    def reconcile(self, admission: Admission, now: float, tunnels: Collection[int]) -> int:
        """Compare everything and mend it; return how many changes that took.

        Raises:
            KernelError: the kernel cannot be looked at.
        """
        seen = look(self._socket, tunnels)
        self.numbers.learn(seen.entries)
        self._plan_all(admission)
        # Who may speak is not known before the first snapshot: a guard without peers would cut running flows.
        changes = self.guarding.reconcile() if self.may_delete or admission.admitted else 0
        found = difference(self.wanted, seen, may_delete=self.may_delete)
        self.troubles.clear()
        self._stream(found.added, found.removed, now)
        if self.may_delete:
            self.guarding.dismiss(everything=True)
        return changes + len(found.added) + len(found.removed)

    def refresh(self, admission: Admission, keys: Iterable[str], now: float) -> int:
        """Mend what belongs to some peers, as far as it is another than before; return the changes."""
        keys = tuple(dict.fromkeys(keys))
        before = {key: () if key in self.troubles else self._entries.get(key, ()) for key in keys}
        stale = {one.key: one for key in keys for one in self._entries.get(key, ())}
        for key in keys:
            self._plan(key, admission.admitted.get(key))
        added = [one for key in keys for one in self._entries.get(key, ()) if one not in before[key]]
        removed = [one for one in stale.values() if one.key not in self.wanted] if self.may_delete else []
        # One MAC's entry is replaced in place; a list of two would leave the old node in it.
        self.guarding.welcome()
        pauses = {key: self.troubles.pop(key) for key in keys if key in self.troubles}
        self._stream(in_order(added), out_of_order(removed), now, pauses)
        if self.may_delete:
            self.guarding.dismiss()
        return len(added) + len(removed)

    def due(self, now: float) -> list[str]:
        """Return the peers to be tried again."""
        return [key for key, one in self.troubles.items() if one.retry_at <= now]

    def _plan_all(self, admission: Admission) -> None:
        self.wanted = {one.key: one for one in own_entries(self.place)}
        self._owners.clear()
        self._entries.clear()
        self.guarding.reset()
        self.guarding.own = self.place.subnets
        for key, record in admission.admitted.items():
            self._plan(key, record)

    def _plan(self, key: str, record: NodeRecord | None) -> None:
        for entry in self._entries.pop(key, ()):
            owners = tuple(one for one in self._owners.pop(entry.key, ()) if one != key)
            if owners:
                self._owners[entry.key] = owners
            else:
                self.wanted.pop(entry.key, None)
        if record is None or self.place.owns(key):
            self.guarding.plan(key, None)
            return
        entries = entries_of(self.place, record, self.numbers, lambda version: self.paths(key, version))
        self._entries[key], alone = entries, (key,)
        for entry in entries:
            name = entry.key
            self.wanted[name] = entry
            others = tuple(one for one in self._owners.get(name, ()) if one != key)
            self._owners[name] = (*others, key) if others else alone
        self.guarding.plan(key, record)

    def _stream(
        self,
        added: Collection[Entry],
        removed: Collection[Entry | ForeignRoute],
        now: float,
        before: dict[str, Trouble] | None = None,
    ) -> None:
        entries: list[Entry | ForeignRoute] = [*added, *removed]
        self.operations.update(type(one).__name__ for one in entries)
        messages = [one.add() for one in added] + [one.remove() for one in removed]
        for position, refusal in self._socket.stream(messages):
            entry = entries[position]
            if position >= len(added) and refusal.errno in GONE:
                continue
            if refusal.errno == errno.EINVAL and isinstance(entry, Nexthop) and self._has_turned(entry):
                continue
            message = f"{entry}: {refusal.said or errno.errorcode.get(refusal.errno, refusal.errno)}"
            for key in self._owners.get(entry.key, ("",)):
                last = (before or {}).get(key)
                pause = min(LONGEST_PAUSE, last.pause * 2) if last else FIRST_PAUSE
                self.troubles.setdefault(key, Trouble(message, now + pause, pause))  # the first is the cause

    def _has_turned(self, nexthop: Nexthop) -> bool:
        """Take a nexthop onto its link first, then to its gateway; tell whether that worked.

        The gateway is an address of the very subnet that the route by this nexthop leads to. The kernel
        looks IPv6 gateways up and wants their route to take the same link (ip6_route_check_nh_onlink),
        so a nexthop cannot change link and gateway at once.
        """
        bare = Nexthop(nexthop.id, nexthop.family, nexthop.oif)
        return nexthop.is_onlink and not self._socket.stream([bare.add(), nexthop.add()])

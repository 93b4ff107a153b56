"""ClusterIPs and NodePorts where no API server gives them: decided here, agreed upon in a registry.

A node gives what its services need, and writes each thing down under a key of its own, only if nobody has
it. Where nodes share a store, that is the judge; who loses reads what happened and decides anew. A node
whose services lie in a folder has a file in its state folder: a restart goes on with it, and other nodes that
have a copy of the same objects come to the same numbers, since these follow from the names
(`number_range`). Only two names that meet in one number can tell such nodes apart: those that list the
objects in one order agree even then. A store that cannot be asked delays what is new; what was given stays.

A service that is gone keeps what it had for `KEPT` seconds, in which it may come again, or a node that has
not heard of it yet may: nobody takes from the living by mistake. Who asks for just that thing gets it at
once, or when its holder goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from cluster_store.conditions import Conditions
from cluster_store.store import Conflict, StoreRefused, StoreUnavailable
from service_proxy.allotment import Allotment, Allotter
from service_proxy.claims import Book, Claim, Ledger
from service_proxy.model import Service, ServiceName
from service_proxy.ranges import Ranges
from service_proxy.wishes import Wishes

KEPT = 60.0  # seconds
TRIALS = 10  # times; each means that another node was faster
CONDITION, OUTAGE = "NotAllocated", "AllocationDelayed"


class Allocation:
    """What was given, and to whom. For one thread; the ledger is asked only when something new is needed."""

    def __init__(
        self,
        ledger: Ledger,
        ranges: Ranges,
        conditions: Conditions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._ranges, self._conditions, self._clock = ranges, conditions, clock
        self._own_cidrs = ranges.cidrs
        self._book = Book()
        self._written: dict[str, Claim] = {}  # what the registry has, as far as we know
        self._gone: dict[str, float] = {}  # owners that are no more, and since when
        self._needed: dict[str, frozenset[str]] = {}  # things, by owner
        self._wishes = Wishes()
        self._allotter = self._new_allotter()
        self._is_read = False
        self._living: set[ServiceName] = set()
        self._collect_at = clock() + KEPT  # by then all services there are have been filled once

    def fill(self, services: Iterable[Service]) -> dict[ServiceName, Service]:
        """Return the services with their addresses and ports; those that get none, without.

        While the store cannot be asked, those that need something new are left out: fill them later.
        """
        given = sorted(services, key=lambda one: (one.created, one.name))
        for service in given:
            self._gone.pop(str(service.name), None)
            self._living.add(service.name)
        try:
            found = self._settled(given)
            self._collect_if_due()
            return found
        except (StoreUnavailable, StoreRefused) as error:
            self._conditions.tell(OUTAGE, f"{self._ledger.name}: {error}")
            return {one.service.name: one.service for one in self._known(given)}

    def vanished(self, names: Iterable[ServiceName]) -> None:
        """Note services that are no more."""
        now = self._clock()
        for name in names:
            self._gone.setdefault(str(name), now)
            self._wishes.note(name, ())
            self._wishes.grant(claim.thing for claim in self._book.owned(str(name)))
            self._needed.pop(str(name), None)
            self._living.discard(name)
            self._conditions.tell(CONDITION, "", about=str(name))

    def again(self) -> set[ServiceName]:
        """Return the services that may get now what they could not get when they were filled."""
        return self._wishes.granted()

    def offer(self, cidrs: Iterable[str]) -> None:
        """Take ranges of ClusterIPs besides those of the settings: of ServiceCIDR objects."""
        ranges = replace(self._ranges, cidrs=tuple(dict.fromkeys((*self._own_cidrs, *cidrs))))
        if ranges != self._ranges:
            self._ranges = ranges
            self._allotter = self._new_allotter()
            self._wishes.grant_all()

    def _collect_if_due(self) -> None:
        now = self._clock()
        if now >= self._collect_at:
            self._collect_at = now + KEPT
            self.collect(self._living)

    def collect(self, living: Collection[ServiceName]) -> int:
        """Give back what nobody needs any more; return how many things.

        What a living service has ceased to need goes at once, what belongs to one that is gone after `KEPT`
        seconds. `living`: all services there are, filled.
        """
        now, alive = self._clock(), {str(one) for one in living}
        for owner in self._book.owners() - alive:
            self._gone.setdefault(owner, now)
        for owner in alive.intersection(self._gone):
            del self._gone[owner]
        if not (stale := self._stale(now)):
            return 0
        try:
            self._read()
            stale = self._stale(now)
            self._ledger.release(stale)
        except (StoreUnavailable, StoreRefused, Conflict):  # another node does it, or the next time
            self._is_read = False
            return 0
        for thing in stale:
            self._book.forget(thing)
            self._written.pop(thing, None)
        self._allotter = self._new_allotter()
        for owner in [one for one in self._gone if not self._book.owned(one)]:
            del self._gone[owner]
        return len(stale)

    def _stale(self, now: float) -> list[str]:
        found = []
        for owner in self._book.owners():
            since, needed = self._gone.get(owner), self._needed.get(owner)
            for claim in self._book.owned(owner):
                is_over = since is not None and now - since >= KEPT
                if is_over or (since is None and needed is not None and claim.thing not in needed):
                    found.append(claim.thing)
        return found

    def _settled(self, services: list[Service]) -> dict[ServiceName, Service]:
        for _ in range(TRIALS):
            if not self._is_read:
                self._read()
            found = _allot(self._allotter, services)
            new = [claim for one in found for claim in self._unwritten(one)]
            try:
                self._write(new)
            except Conflict:
                self._is_read = False
                continue
            self._tell(found)
            self._conditions.tell(OUTAGE, "")
            return {one.service.name: one.service for one in found}
        raise StoreUnavailable("other nodes write all the time")

    def _unwritten(self, found: Allotment) -> list[Claim]:
        """Return what a service has yet to claim; first that it is this node which decides for it now.

        Else two nodes could give it two different things, each of them free.
        """
        new = [claim for claim in found.claims if self._written.get(claim.thing) != claim]
        owner = str(found.service.name)
        return (
            [Claim(_whole_of(owner), owner, " ".join(sorted(one.thing for one in found.claims))), *new]
            if new
            else []
        )

    def _write(self, new: list[Claim]) -> None:
        try:
            self._ledger.claim(new)
        except (StoreUnavailable, StoreRefused):
            self._is_read = False  # it is not known what was written
            raise
        self._written |= {claim.thing: claim for claim in new}

    def _known(self, services: list[Service]) -> list[Allotment]:
        """Return those services that need nothing new."""
        book = Book()
        for claim in self._written.values():
            book.note(claim)
        found = _allot(Allotter(self._ranges, book), services)
        return [one for one in found if all(self._written.get(c.thing) == c for c in one.claims)]

    def _read(self) -> None:
        self._written = dict(self._ledger.read())
        self._book = Book()
        for claim in self._written.values():
            self._book.note(claim)
        self._allotter = self._new_allotter()
        self._is_read = True

    def _new_allotter(self) -> Allotter:
        return Allotter(self._ranges, self._book, self._is_free)

    def _is_free(self, claim: Claim) -> bool:
        needed = self._needed.get(claim.owner)
        return claim.owner in self._gone or (needed is not None and claim.thing not in needed)

    def _tell(self, found: Iterable[Allotment]) -> None:
        for one in found:
            owner = str(one.service.name)
            self._needed[owner] = frozenset(claim.thing for claim in one.claims) | {_whole_of(owner)}
            self._wishes.note(one.service.name, one.missed)
            owned = (claim.thing for claim in self._book.owned(owner))
            self._wishes.grant(thing for thing in owned if thing not in self._needed[owner])
            self._conditions.tell(CONDITION, "; ".join(one.troubles), about=owner)


def _whole_of(owner: str) -> str:
    """Return the thing that stands for all that somebody has."""
    return f"of/{owner}"


def _allot(allotter: Allotter, services: list[Service]) -> list[Allotment]:
    """Decide on who asks for something certain first."""
    return [allotter.allot(one) for one in sorted(services, key=lambda one: not _asks(one))]


def _asks(service: Service) -> bool:
    """Tell whether a service asks for a certain address or port."""
    has_port = service.health_check_node_port or any(port.node_port for port in service.ports)
    return bool(service.cluster_ips or has_port)

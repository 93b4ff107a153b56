"""Who has what two services want: a ClusterIP, an address and port, a NodePort. No I/O.

ClusterIPs come before all else, then the older service has it, then the first by name. When it goes, the next
takes over.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping

from service_proxy.front_ends import Exposed, Reach
from service_proxy.model import Service, ServiceName
from service_proxy.wanted import Thing

Rank = tuple[Reach, str, ServiceName]  # how it is reached, when its service was made, its name


class Precedence:
    """What services want, and who has it."""

    def __init__(self) -> None:
        self._wanted: dict[ServiceName, tuple[tuple[Thing, Rank], ...]] = {}
        self._ranked: dict[Thing, list[Rank]] = {}  # of what several want; the first has it
        self._holders: dict[Thing, Rank] = {}

    def want(self, service: Service, front_ends: Iterable[Exposed]) -> set[ServiceName]:
        """Let a service want these and nothing else; return the others for whom this changes something."""
        ranks = {reach: (reach, service.created, service.name) for reach in Reach}
        things: dict[Thing, Rank] = {one.front: ranks[one.reach] for one in front_ends}
        things |= dict.fromkeys(service.cluster_ips, ranks[Reach.CLUSTER_IP])
        return self._replace(service.name, things)

    def forget(self, name: ServiceName) -> set[ServiceName]:
        """Let a service want nothing any more; return the others for whom this changes something."""
        return self._replace(name, {})

    def names(self) -> Iterable[ServiceName]:
        """Return who wants anything."""
        return self._wanted.keys()

    def lost(self, name: ServiceName) -> dict[Thing, ServiceName]:
        """Return what a service wants and another has."""
        found = {}
        for thing, rank in self._wanted.get(name, ()):
            holder = self._holders[thing]
            if holder != rank:
                found[thing] = holder[2]
        return found

    def _replace(self, name: ServiceName, things: Mapping[Thing, Rank]) -> set[ServiceName]:
        kept = self._wanted.get(name, ())
        if kept == tuple(things.items()):
            return set()
        before = dict(kept)
        others: set[ServiceName] = set()
        for thing, rank in before.items():
            if things.get(thing) != rank:
                others |= self._leave(thing, rank)
        for thing, rank in things.items():
            if before.get(thing) != rank:
                others |= self._join(thing, rank)
        if things:
            self._wanted[name] = tuple(things.items())
        else:
            self._wanted.pop(name, None)
        return others - {name}

    def _join(self, thing: Thing, rank: Rank) -> set[ServiceName]:
        holder = self._holders.setdefault(thing, rank)
        if holder == rank:
            return set()
        ranked = self._ranked.setdefault(thing, [holder])
        insort(ranked, rank)
        self._holders[thing] = ranked[0]
        return {one[2] for one in ranked[1:]} if ranked[0] == rank else set()

    def _leave(self, thing: Thing, rank: Rank) -> set[ServiceName]:
        ranked = self._ranked.get(thing)
        if ranked is None:
            del self._holders[thing]
            return set()
        had_it = ranked[0] == rank
        ranked.remove(rank)
        self._holders[thing] = ranked[0]
        if len(ranked) == 1:
            del self._ranked[thing]
        return {one[2] for one in ranked} if had_it else set()

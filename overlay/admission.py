"""Which records are believed: no record may harm a node that was there before. Pure, O(log n) a record.

A registry is written by many, and by mistake or malice it may hold records that overlap, claim another
node's address, or the whole network. Of two that are in each other's way the older has it (`created`); the
other is refused, with a reason, and judged anew when what kept it out goes. So those are believed whom
one would take who went through all of them, the oldest first; in what order they came makes no difference.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from itertools import pairwise

from overlay.place import Place
from overlay.record import NodeRecord
from overlay.subnet import Subnet, parse_address

Age = tuple[int, str]  # when it was created, and its key where that is the same


class Admission:
    """The records believed so far, and those refused with the reasons."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.admitted: dict[str, NodeRecord] = {}
        self.refused: dict[str, tuple[NodeRecord, str]] = {}
        self._subnets: dict[int, list[tuple[Subnet, str]]] = {4: [], 6: []}
        self._macs: dict[tuple[int, str], dict[str, str]] = {}  # outer family, MAC -> key -> public address
        self._keeper: dict[str, str] = {}  # of a refused one: the believed one that keeps it out
        self._kept_out: dict[str, set[str]] = {}  # by a believed one: whom it keeps out

    def offer(self, record: NodeRecord) -> list[str]:
        """Take a record, new or changed; return the keys whose standing has changed, its own first."""
        was = {record.key: record.key in self.admitted}
        waiting = self._take_out(record.key)
        return self._settle([record, *waiting], record.key, was)

    def withdraw(self, key: str) -> list[str]:
        """Take a record away; return the keys whose standing has changed, its own first."""
        was = {key: key in self.admitted}
        return self._settle(self._take_out(key), key, was)

    def _settle(self, records: list[NodeRecord], key: str, was: dict[str, bool]) -> list[str]:
        """Judge records, the oldest first; each that comes in or goes has younger ones judged anew."""
        heap = [(_age(one), one) for one in records]
        heapq.heapify(heap)
        while heap:
            record = heapq.heappop(heap)[1]
            was.setdefault(record.key, False)
            for younger in self._judge(record):
                was.setdefault(younger.key, younger.key in self.admitted)
                for one in (younger, *self._take_out(younger.key)):
                    heapq.heappush(heap, (_age(one), one))
        others = [other for other, before in was.items() if before != (other in self.admitted)]
        return [key, *(other for other in others if other != key)]

    def _judge(self, record: NodeRecord) -> list[NodeRecord]:
        """Admit or refuse a record that is neither; return the believed ones that must give way."""
        reason = self._fault(record)
        rivals = [] if reason else self._rivals(record)
        older = next((key for key in rivals if _age(self.admitted[key]) < _age(record)), "")
        if older:
            reason = f"it {_quarrel(record, self.admitted[older])}, which is older"
            self._keeper[record.key] = older
            self._kept_out.setdefault(older, set()).add(record.key)
        if reason:
            self.refused[record.key] = (record, reason)
            return []
        self._enter(record)
        return [self.admitted[key] for key in rivals]

    def _take_out(self, key: str) -> list[NodeRecord]:
        """Forget a record; return those that it kept out, which are refused no more."""
        self._let_go(key)
        if key not in self.admitted:
            return []
        self._leave(key)
        return [record for other in tuple(self._kept_out.get(key, ())) if (record := self._let_go(other))]

    def _let_go(self, key: str) -> NodeRecord | None:
        """Return a refused record, which is so no more; None if it is not refused."""
        record, _ = self.refused.pop(key, (None, ""))
        keeper = self._keeper.pop(key, "")
        if keeper:
            self._kept_out[keeper].discard(key)
            if not self._kept_out[keeper]:
                del self._kept_out[keeper]
        return record

    def _fault(self, record: NodeRecord) -> str:
        """Return what is wrong with a record by itself, or against this node; "" for nothing."""
        place = self._place
        for subnet in record.subnets:
            inside = [one for one in place.networks if one.covers(subnet)]
            if not inside:
                return f"{subnet} is in none of the cluster's networks"
            if subnet.length <= inside[0].length + 1:
                return f"{subnet} is half of the cluster's network, or more"
            if any(subnet.overlaps(one) for one in place.subnets):
                return f"{subnet} overlaps this node's own {', '.join(map(str, place.subnets))}"
        ordered = sorted(record.subnets)
        for one, other in pairwise(ordered):
            if one.overlaps(other):
                return f"its own {one} and {other} overlap"
        return self._public_fault(record)

    def _public_fault(self, record: NodeRecord) -> str:
        for version, public in ((4, record.public4), (6, record.public6)):
            if not public:
                continue
            if public == self._place.public(version):
                return f"its address {public} is this node's own"
            number = parse_address(public)[1]
            host = Subnet(version, number, 32 if version == 4 else 128)
            if any(one.covers(host) for one in self._place.networks):
                return f"its address {public} lies in the cluster's own network"
        return ""

    def _rivals(self, record: NodeRecord) -> list[str]:
        """Return the believed records in this one's way.

        They overlap it, and are neighbours in the order of addresses then; or have its MAC at another place.
        """
        found = [
            key
            for mac, public in _macs(record)
            for key, other in self._macs.get(mac, {}).items()
            if other != public
        ]
        for subnet in record.subnets:
            ordered = self._subnets[subnet.version]
            at = bisect_left(ordered, (subnet, ""))
            for other, key in ordered[max(0, at - 1) : at]:
                found += [key] if other.overlaps(subnet) else []
            while at < len(ordered) and ordered[at][0].overlaps(subnet):
                found.append(ordered[at][1])
                at += 1
        return list(dict.fromkeys(found))

    def _enter(self, record: NodeRecord) -> None:
        self.admitted[record.key] = record
        for subnet in record.subnets:
            insort(self._subnets[subnet.version], (subnet, record.key))
        for mac, public in _macs(record):
            self._macs.setdefault(mac, {})[record.key] = public

    def _leave(self, key: str) -> None:
        record = self.admitted.pop(key)
        for subnet in record.subnets:
            ordered = self._subnets[subnet.version]
            del ordered[bisect_left(ordered, (subnet, key))]
        for mac, _ in _macs(record):
            owners = self._macs[mac]
            owners.pop(key, None)
            if not owners:
                del self._macs[mac]


def _macs(record: NodeRecord) -> list[tuple[tuple[int, str], str]]:
    """Return (outer family, MAC) and the address it is at, of each VTEP once: two ports may have one MAC."""
    found = [
        ((outer, mac), public)
        for offer in record.offers
        for outer, mac, public in ((4, offer.mac4, record.public4), (6, offer.mac6, record.public6))
        if mac
    ]
    return list(dict.fromkeys(found))


def _quarrel(record: NodeRecord, other: NodeRecord) -> str:
    """Say in which way a record is in another's."""
    if any(mine.overlaps(theirs) for mine in record.subnets for theirs in other.subnets):
        return f"overlaps {other.key}"
    theirs = dict(_macs(other))
    mac = next(mac for (outer, mac), public in _macs(record) if theirs.get((outer, mac), public) != public)
    return f"has the VTEP {mac} of {other.key}"


def _age(record: NodeRecord) -> Age:
    return record.created, record.key

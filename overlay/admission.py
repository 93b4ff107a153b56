"""Which records are believed: no record may harm a node that was there before. Pure, O(log n) a record.

A registry is written by many, and by mistake or malice it may hold records that overlap, claim another
node's address, or the whole network. Of two that want the same the older one has it (`created`); the other is
refused, with a reason, and looked at again when the older one goes.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from overlay.place import Place
from overlay.record import NodeRecord
from overlay.subnet import Subnet, parse_address


class Admission:
    """The records believed so far, and those refused with the reasons."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.admitted: dict[str, NodeRecord] = {}
        self.refused: dict[str, tuple[NodeRecord, str]] = {}
        self._subnets: dict[int, list[tuple[Subnet, str]]] = {4: [], 6: []}
        self._macs: dict[str, dict[str, str]] = {}  # MAC -> key -> public address

    def offer(self, record: NodeRecord) -> list[str]:
        """Take a record, new or changed; return the keys whose standing has changed, its own first."""
        changed = [record.key, *self.withdraw(record.key)[1:]]
        rivals = self._rivals(record)
        younger = [key for key in rivals if _is_older(record, self.admitted[key])]
        reason = self._fault(record)
        if not reason and len(younger) < len(rivals):
            reason = f"it overlaps {next(key for key in rivals if key not in younger)}, which is older"
        if reason:
            self.refused[record.key] = (record, reason)
            return changed
        for key in younger:
            rival = self._leave(key)
            self.refused[key] = (rival, f"it overlaps {record.key}, which is older")
            changed.append(key)
        self._enter(record)
        return changed

    def withdraw(self, key: str) -> list[str]:
        """Take a record away; return the keys whose standing has changed, its own first."""
        self.refused.pop(key, None)
        if key not in self.admitted:
            return [key]
        self._leave(key)
        changed = [key]
        for other, (record, _) in sorted(self.refused.items(), key=lambda one: _age(one[1][0])):
            if not self._fault(record) and not self._rivals(record):
                del self.refused[other]
                self._enter(record)
                changed.append(other)
        return changed

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
        return self._mac_fault(record)

    def _mac_fault(self, record: NodeRecord) -> str:
        for mac, public in _macs(record):
            for key, other in self._macs.get(mac, {}).items():
                if other != public:
                    return f"its VTEP {mac} is that of {key}"
        return ""

    def _rivals(self, record: NodeRecord) -> list[str]:
        """Return the admitted records that overlap: neighbours in the order of addresses."""
        found = []
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

    def _leave(self, key: str) -> NodeRecord:
        record = self.admitted.pop(key)
        for subnet in record.subnets:
            ordered = self._subnets[subnet.version]
            del ordered[bisect_left(ordered, (subnet, key))]
        for mac, _ in _macs(record):
            owners = self._macs[mac]
            owners.pop(key, None)
            if not owners:
                del self._macs[mac]
        return record


def _macs(record: NodeRecord) -> list[tuple[str, str]]:
    """Return the VTEPs of a record, each once: two ports may have one MAC."""
    found = [
        (mac, public)
        for offer in record.offers
        for mac, public in ((offer.mac4, record.public4), (offer.mac6, record.public6))
        if mac
    ]
    return list(dict.fromkeys(found))


def _age(record: NodeRecord) -> tuple[int, str]:
    return record.created, record.key


def _is_older(one: NodeRecord, other: NodeRecord) -> bool:
    return _age(one) < _age(other)

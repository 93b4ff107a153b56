"""Peers: the other nodes as this one sees them: what they say, what is believed, how they are reached.

Holds admission, programmer and heartbeats together: a record or a path that changes makes its node dirty,
and `refresh` makes it right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from cluster_store.conditions import Conditions
from linuxnet.netlink import Netlink
from overlay.admission import Admission
from overlay.devices import own_devices
from overlay.heartbeats import Heartbeats, Target
from overlay.mtu import inner_mtu
from overlay.place import UNPLACED, Path, Place
from overlay.programmer import Programmer
from overlay.record import NodeRecord
from overlay.registry import Refused
from overlay.settings import OverlaySettings
from overlay.uplinks import is_on_link
from overlay.ways import way_to


class Peers:
    """All other nodes. For the loop's thread; times of the clock that it is told."""

    def __init__(self, settings: OverlaySettings, netlink: Netlink, conditions: Conditions) -> None:
        self.place: Place = UNPLACED
        self.records: dict[str, NodeRecord] = {}
        self.admission = Admission(UNPLACED)
        self.programmer = Programmer(paths=self.path)
        self.heartbeats = Heartbeats(settings.probe_interval, settings.mtu_interval, self._path_changed)
        self.dirty: set[str] = set()
        self._netlink, self._conditions = netlink, conditions
        self._on_link: dict[Target, bool] = {}

    def close(self) -> None:
        """Close the sockets; what is programmed stays."""
        self.programmer.close()
        self.heartbeats.close()

    def set_place(self, place: Place) -> None:
        """Take another place; everything is judged anew by the next full pass."""
        self.place = self.programmer.place = place
        self.heartbeats.own = place.key
        self.forget_routes()
        self._admit_all()

    def set_all(self, records: Iterable[NodeRecord], refused: Iterable[Refused]) -> None:
        """Take the records of a whole snapshot."""
        self.records = {one.key: one for one in records}
        self._conditions.keep_only("BadRecord", {one.key for one in refused})
        for one in refused:
            self._refuse(one)
        self._admit_all()

    def change(self, records: Mapping[str, NodeRecord | Refused | None]) -> None:
        """Take changed records; what they are about is dirty."""
        for key, record in records.items():
            self._conditions.tell(
                "BadRecord", record.reason if isinstance(record, Refused) else "", about=key
            )
            for version in (4, 6):
                self._on_link.pop((key, version), None)
            if isinstance(record, NodeRecord):
                self.records[key] = record
                self.dirty.update(self.admission.offer(record) if self._is_to_judge(record) else ())
            else:
                self.records.pop(key, None)
                self.dirty.update(self.admission.withdraw(key))
        self._tell_refusals()

    def refresh(self, now: float) -> int:
        """Make what is dirty right; return the changes."""
        keys, self.dirty = self.dirty, set()
        changes = self.programmer.refresh(self.admission, keys, now)
        self._ask(keys, now)
        self._tell_troubles()
        return changes

    def reconcile(self, now: float) -> int:
        """Make everything right; return the changes. Raises KernelError."""
        self.dirty.clear()
        tunnels = {one.index for one in self.place.tunnels.values()}
        tunnels.update(own_devices(self._netlink).values())
        changes = self.programmer.reconcile(self.admission, now, tunnels)
        for key, version in [one for one in self.heartbeats.peers if one[0] not in self.admission.admitted]:
            self.heartbeats.drop_peer((key, version))
        self._ask(self.admission.admitted, now)
        self._tell_troubles()
        return changes

    def others(self) -> list[NodeRecord]:
        """Return the believed records of other nodes."""
        return [one for one in self.admission.admitted.values() if not self.place.owns(one.key)]

    def forget_routes(self) -> None:
        """Look anew which nodes are on the underlay's own segment."""
        before, self._on_link = self._on_link, {}
        if self.place.is_direct:
            self.dirty.update(target[0] for target, was in before.items() if self._is_on_link(*target) != was)

    def path(self, key: str, version: int) -> Path:
        """Return what is known of the way to a node by an inner family."""
        asked = self.heartbeats.peers.get((key, version))
        is_on_link = self.place.is_direct and self._is_on_link(key, version)
        return Path(is_on_link, bool(asked and asked.is_verified), asked.search.mtu if asked else 0)

    def _path_changed(self, target: Target) -> None:
        self.dirty.add(target[0])

    def _is_on_link(self, key: str, version: int) -> bool:
        if (key, version) not in self._on_link:
            record, uplink = self.records.get(key), self.place.uplinks.get(version)
            public = (record.public6 if version == 6 else record.public4) if record else ""
            is_near = bool(public and uplink and is_on_link(self._netlink, uplink, public))
            self._on_link[key, version] = is_near
        return self._on_link[key, version]

    def _is_to_judge(self, record: NodeRecord) -> bool:
        """Tell whether a record can be judged: not before it is known where we stand."""
        return bool(self.place.networks) and self._is_other(record)

    def _is_other(self, record: NodeRecord) -> bool:
        """Tell whether a record is of another node: our own is none to be programmed."""
        return not self.place.owns(record.key)

    def _admit_all(self) -> None:
        self.admission = Admission(self.place)
        if not self.place.networks:  # it is not known yet where we stand
            return
        for record in sorted(self.records.values(), key=lambda one: (one.created, one.key)):
            if self._is_other(record):
                self.admission.offer(record)
        self._tell_refusals()

    def _tell_refusals(self) -> None:
        self._conditions.keep_only("RefusedRecord", self.admission.refused)
        for key, (_, reason) in self.admission.refused.items():
            self._conditions.tell("RefusedRecord", reason, about=key)

    def _tell_troubles(self) -> None:
        self._conditions.keep_only("NotProgrammed", self.programmer.troubles)
        for key, trouble in self.programmer.troubles.items():
            self._conditions.tell("NotProgrammed", trouble.message, about=key)

    def _refuse(self, one: Refused) -> None:
        self._conditions.tell("BadRecord", one.reason, about=one.key)

    def _ask(self, keys: Collection[str], now: float) -> None:
        """Have the heartbeats ask those nodes that there are, by each inner family they have."""
        for key in tuple(keys):
            record = self.admission.admitted.get(key)
            for version in (4, 6):
                way = way_to(self.place, record, version) if record else None
                subnets = record.subnets_of(version) if record else ()
                if (
                    record is None
                    or way is None
                    or way.tunnel is None
                    or not subnets
                    or not record.wire_version
                ):
                    self.heartbeats.drop_peer((key, version))
                    continue
                told = inner_mtu(record.mtu, way.tunnel.mode, way.outer) if record.mtu else way.tunnel.mtu
                public = record.public6 if version == 6 else record.public4
                trial = public if self.place.is_direct and self._is_on_link(key, version) else ""
                full = min(way.tunnel.mtu, told)
                self.heartbeats.set_peer((key, version), subnets[0].address, full, trial, now)

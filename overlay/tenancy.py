"""Tenancy: what this node has: the network's configuration, its lease and blocks, where it stands.

Kept by the loop (`node.py`), which tells when to look again; what is found is told through conditions.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from cluster_store.conditions import Conditions
from linuxnet.netlink import Netlink
from overlay.net_conf import NetConf
from overlay.offers import configured_offer, is_same_way, may_drop_old
from overlay.place import Uplink
from overlay.record import NodeRecord
from overlay.settings import OverlaySettings
from overlay.standing import Standing, draft_record, stand
from overlay.state import FILE, State
from overlay.subnet import Subnet
from overlay.subnet_env import SubnetEnv, parse_subnet_env, write_subnet_env

log = logging.getLogger("podwire.overlay")


class Tenancy:
    """One node's. `own` is its record as it is to be told; `is_leased`: the registry has confirmed it."""

    def __init__(self, settings: OverlaySettings, conditions: Conditions, boot: str) -> None:
        self.conf: NetConf | None = None
        self.own: NodeRecord | None = None
        self.blocks: tuple[NodeRecord, ...] = ()
        self.standing: Standing | None = None
        self.is_leased = False
        self._settings, self._conditions, self._boot = settings, conditions, boot

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        """Return the subnets that pods of this node have addresses of."""
        return self.standing.place.subnets if self.standing else self.own.subnets if self.own else ()

    def recall(self, state: State) -> None:
        """Take what was remembered."""
        self.conf, self.own, self.blocks = state.net_conf, state.own, state.blocks

    def state(self, records: Iterable[NodeRecord]) -> State:
        """Return what is to be remembered."""
        return State(self.conf, self.own, self.blocks, tuple(records))

    def draft(
        self, netlink: Netlink, targets: Collection[str]
    ) -> tuple[NodeRecord | None, dict[int, Uplink]]:
        """Return the record as it would be now, and the uplinks; None, and a condition, without one."""
        assert self.conf is not None
        record, uplinks = draft_record(
            netlink, self._settings, self.conf, boot=self._boot, targets=targets, before=self.own
        )
        said = "" if record else "no link with an address leads to other nodes; see [overlay] interface"
        self._conditions.tell("NoUplink", said)
        return record, uplinks

    def settle(self, netlink: Netlink, record: NodeRecord, uplinks: dict[int, Uplink]) -> tuple[bool, bool]:
        """Make the devices of a record; return whether the place, and whether the record, is another now.

        Raises:
            KernelError: the kernel refused what should work.
        """
        assert self.conf is not None
        standing = stand(netlink, self._settings, self.conf, record, uplinks, self.blocks)
        for name in ("TunnelRefused", "Forwarding"):
            messages = [message for one, message in standing.troubles if one == name]
            self._conditions.tell(name, "; ".join(messages))
        is_other_place = self.standing is None or standing.place != self.standing.place
        is_other_record = standing.record != self.own
        self.standing, self.own = standing, standing.record
        self._write_subnet_env()
        return is_other_place, is_other_record

    def take(self, record: NodeRecord) -> bool:
        """Take the lease as the registry has it now; return whether its subnets are others than before."""
        is_new = self.own is None or self.own.subnets != record.subnets
        self.own = replace(record, offers=self.own.offers) if self.own else record
        self.is_leased = True
        return is_new

    def add_block(self, record: NodeRecord) -> None:
        """Take one more block."""
        self.blocks = (*(one for one in self.blocks if one.key != record.key), record)

    def find_blocks(self, records: Iterable[NodeRecord]) -> None:
        """Take up this node's further leases from the registry."""
        if self.own is not None:
            named = [one for one in records if one.node and one.node == self.own.node]
            self.blocks = tuple(one for one in named if one.key != self.own.key)

    def abandon(self) -> None:
        """Forget the lease: it is another's now."""
        self.own, self.blocks, self.standing, self.is_leased = None, (), None, False

    def remembered(self) -> list[str]:
        """Return the lease that subnet.env remembers: a flanneld's, or ours before the state was lost."""
        try:
            content = parse_subnet_env(Path(self._settings.subnet_env).read_text())
        except (OSError, ValueError):  # the first start
            return []
        first = {one.version: one for one in reversed(content.subnets)}
        return ["&".join(f"{one.address}-{one.length}" for _, one in sorted(first.items()))]

    def end_of_change(self, others: Iterable[NodeRecord]) -> NodeRecord | None:
        """Return the record without the old ways in, once nobody needs them; None while somebody may.

        It is `own` itself if there are no old ones.
        """
        if self.conf is None or self.own is None or not self.is_leased:
            return None
        first = self.own.offers[0]
        wanted = configured_offer(self.conf, first.mac4, first.mac6)
        if not is_same_way(first, wanted) or not may_drop_old(wanted, others):
            return None
        return self.own if len(self.own.offers) == 1 else replace(self.own, offers=self.own.offers[:1])

    def forget_files(self) -> None:
        """Remove what this node has written for itself and for plugins."""
        for path in (Path(self._settings.subnet_env), self._settings.folder / FILE):
            path.unlink(missing_ok=True)

    def _write_subnet_env(self) -> None:
        if self.standing is None or self.conf is None:
            return
        path = Path(self._settings.subnet_env)
        subnets, mtu = self.standing.place.subnets, self.standing.mtu
        content = SubnetEnv(self.conf.networks, subnets, mtu, self._settings.masquerade)
        try:
            write_subnet_env(path, content)
        except OSError as error:
            said = f"{path} cannot be written, CNI plugins read it: {error.strerror}"
            self._conditions.tell("NoSubnetEnv", said)
        else:
            self._conditions.tell("NoSubnetEnv", "")

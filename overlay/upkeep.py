"""Upkeep: what a node's loop does when its time has come: the place, peers, files, ends of changes.

Nothing here waits, and nothing asks why: the loop (`node.py`) sets the timers, this does what is due. What
the kernel refuses is a condition, and tried again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from random import Random

from cluster_store.conditions import Conditions
from linuxnet.errors import Busy, KernelError, MissingTool
from linuxnet.monitor import Changed as Kinds
from linuxnet.monitor import Monitor
from linuxnet.netlink import Netlink
from overlay.correspondents import Reader, Writer
from overlay.devices import remove_devices
from overlay.figures import Figures
from overlay.offers import GRACE
from overlay.opening import registry_hosts
from overlay.peers import Peers
from overlay.place import UNPLACED
from overlay.record import NodeRecord
from overlay.settings import OverlaySettings
from overlay.standing import boundaries, drop_old_devices
from overlay.state import load_state, save_state
from overlay.subnet import Subnet
from overlay.tenancy import Tenancy
from overlay.timers import Timers

DEBOUNCE = 0.02  # seconds from a change of links to a look at them; a storm of them is one look
REST = 10  # times what the last pass took, DEBOUNCE at most: a record is programmed at once, a storm as some
SAVE_AFTER = 1.0  # seconds; the snapshot is written at most so often
SAVE_SHARE = 0.02  # of the time that writing it may take: with 5,000 nodes it is every few seconds
RETRY = 1.0  # seconds after the kernel refused to be looked at

log = logging.getLogger("podwire.overlay")


class Upkeep:
    """One node's, for the loop's thread. Close `peers`."""

    def __init__(
        self,
        settings: OverlaySettings,
        conditions: Conditions,
        figures: Figures,
        tenancy: Tenancy,
        *,
        netlink: Netlink,
        monitor: Monitor,
        reader: Reader,
        writer: Writer,
        timers: Timers,
        random: Random,
        pods_in: Callable[[tuple[Subnet, ...]], int],
    ) -> None:
        self._settings, self._tenancy = settings, tenancy
        self._conditions, self._figures = conditions, figures
        self._netlink, self._monitor = netlink, monitor
        self._reader, self._writer = reader, writer
        self._random, self._pods_in = random, pods_in
        self.timers = timers
        self.peers = Peers(settings, netlink, conditions)
        self.arrivals: list[float] = []  # of records that are not programmed yet
        self.last_pass = 0.0
        self.rest_until = 0.0
        self.save_pause = SAVE_AFTER
        self._claimed: NodeRecord | None = None

    def work(self, now: float) -> None:
        """Do what is due, the whole before parts."""
        for name, act in (
            ("place", self._place_again), ("full", self._reconcile), ("resync", self._reconcile),
            ("partial", self._refresh), ("drop", self._drop_old), ("passage", self._open_passage),
            ("save", self.save),
        ):  # fmt: skip
            if self.timers.is_due(name, now):
                try:
                    act()
                except (KernelError, MissingTool, Busy) as error:
                    self._conditions.tell("KernelRefuses", str(error), about=name)
                    self.timers.set_if_unset(name, now + RETRY)
                else:
                    self._conditions.tell("KernelRefuses", "", about=name)
        self.peers.dirty.update(self.peers.programmer.due(now))

    def recall(self) -> None:
        """Begin with what is remembered: the kernel is right before the registry is there."""
        state, trouble = load_state(self._settings.folder)
        self._conditions.tell("StateDamaged", trouble)
        self._tenancy.recall(state)
        self.peers.set_all(state.records, ())
        if state.net_conf is not None and state.own is not None:
            self.timers.set("place", 0.0)
            self.work(time.monotonic())

    def _place_again(self) -> None:
        """Look where the node stands; what has changed is made so, and told."""
        tenancy = self._tenancy
        if tenancy.conf is None:
            return
        record, uplinks = tenancy.draft(self._netlink, self._targets())
        if record is None:
            return
        if not tenancy.is_leased and record != self._claimed:
            self._claimed = record
            self._writer.claim(record, tenancy.remembered())
        if tenancy.own is None:
            return
        before = tenancy.own
        is_other_place, is_other_record = tenancy.settle(self._netlink, record, uplinks)
        if before is not None and (before.public4, before.public6) != (record.public4, record.public6):
            self._reader.reconnect()
            self._writer.reconnect()
        if is_other_record and tenancy.is_leased:
            self._writer.publish(tenancy.own)
        self._set_boundaries()
        if is_other_place:
            self._move_in()

    def _set_boundaries(self) -> None:
        """Have the guard follow the configuration: it may have changed where the place has not."""
        standing, conf, guarding = self._tenancy.standing, self._tenancy.conf, self.peers.programmer.guarding
        if standing is not None and conf is not None:
            wanted = boundaries(conf, self._settings, standing.place)
            if wanted != guarding.boundaries:
                guarding.boundaries = wanted
                self.timers.set("full", 0.0)

    def _move_in(self) -> None:
        """Have everything follow the place where the node stands now."""
        standing = self._tenancy.standing
        assert standing is not None
        self.peers.set_place(standing.place)
        publics = {version: one.address for version, one in standing.place.uplinks.items()}
        tunnels = {one.version: one.address for one in standing.record.subnets}
        failed = self.peers.heartbeats.listen(
            tunnels if standing.place.tunnels else {}, publics if standing.place.is_direct else {}
        )
        self._conditions.tell("NoProbes", "; ".join(failed))
        self._reconcile()
        self.timers.set("drop", time.monotonic() + GRACE)

    def begin_anew_if_empty(self) -> None:
        """Leave a subnet that is another's now, if no pod of ours lives on it."""
        own = self._tenancy.own
        if own is None or not own.subnets or self._pods_in(own.subnets):
            return
        log.warning("lease %s is another's now and no pod lives on it: a new one is claimed", own.key)
        self._tenancy.abandon()
        self._claimed = None
        self.timers.set("place", 0.0)

    def _refresh(self) -> None:
        if self._tenancy.standing is None:
            return
        began = time.monotonic()
        self._figures.changes += self.peers.refresh(began)
        done = time.monotonic()
        self.rest_until = done + min(DEBOUNCE, REST * (done - began))
        self._note_pass("partial")

    def _reconcile(self) -> None:
        now = time.monotonic()
        self.timers.put_off("resync", now + self._settings.resync_interval * self._random.uniform(0.9, 1.1))
        if self._tenancy.standing is None:
            return
        self.timers.set_if_unset("passage", now)
        self._figures.changes += self.peers.reconcile(now)
        self.last_pass = time.monotonic()
        self._note_pass("full")

    def _note_pass(self, kind: str) -> None:
        """Count a pass; what our own work has caused is no news, but for what only others do."""
        self._figures.passes[kind] += 1
        done = time.monotonic()
        for arrived in self.arrivals:
            self._figures.convergence.add(done - arrived)
        self.arrivals.clear()
        if self._monitor.read() & (Kinds.LINK | Kinds.ADDRESS):
            self.timers.set_if_unset("place", done + DEBOUNCE)

    def _open_passage(self) -> None:
        from overlay.passage import open_passage  # other firewalls' tools: after the first pass

        if self._tenancy.conf is not None:
            self._conditions.tell("ForwardBlocked", "; ".join(open_passage(self._tenancy.conf.networks)))

    def _drop_old(self) -> None:
        """End a change of mode, port or VNI: what nobody uses any more goes."""
        own = self._tenancy.end_of_change(self.peers.others())
        if own is None or self._tenancy.standing is None:
            return
        if own == self._tenancy.own:
            drop_old_devices(self._netlink, self._tenancy.standing.place)
            return
        self._tenancy.own = own
        self._writer.publish(own)
        self.timers.set("place", time.monotonic() + GRACE)
        self.timers.set("drop", time.monotonic() + 2 * GRACE)

    def save(self) -> None:
        started = time.monotonic()
        try:
            save_state(self._settings.folder, self._tenancy.state(self.peers.records.values()))
        except OSError as error:
            self._conditions.tell("NotSaved", f"{self._settings.state}: {error.strerror}")
        else:
            self._conditions.tell("NotSaved", "")
        self.save_pause = max(SAVE_AFTER, (time.monotonic() - started) / SAVE_SHARE)

    def clear(self) -> None:
        """Take away what was made in the kernel and in files."""
        programmer = self.peers.programmer
        self.peers.set_all((), ())
        self.peers.set_place(UNPLACED)
        programmer.may_delete, programmer.guarding.boundaries = True, None
        self.peers.reconcile(time.monotonic())
        programmer.guarding.guard.remove()
        remove_devices(self._netlink, ())
        if self._tenancy.conf is not None:
            from overlay.passage import close_passage

            close_passage(self._tenancy.conf.networks)
        self._tenancy.forget_files()
        self._tenancy.abandon()
        self._conditions.tell("Left", "this node has left the network; the agent joins again when it starts")

    def _targets(self) -> list[str]:
        """Return addresses that lie where the other nodes do: the way to a few is the way to all."""
        own, found = self._tenancy.own, registry_hosts(self._settings)
        for record in self.peers.records.values():
            if own is None or record.node != own.node:
                found += [one for one in (record.public4, record.public6) if one]
            if len(found) >= 6:
                break
        return found

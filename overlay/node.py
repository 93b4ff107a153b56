"""OverlayNode: the loop of one node. What comes in marks what is dirty; what is dirty is made right.

    registry  ->  correspondents  ->  inbox --.
    kernel    ->  monitor ---------------------+--> peers (admission -> programmer) -> kernel
    peers     ->  heartbeats ------------------'

It starts from what it remembers, before any registry is there, and deletes nothing until it has seen the
registry whole. Whatever happens around it is a condition; it goes on.
"""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from threading import Condition, RLock

from linuxnet.errors import Busy, KernelError, MissingTool
from linuxnet.monitor import Changed as Kinds
from linuxnet.monitor import Monitor
from linuxnet.netlink import Netlink
from linuxnet.numbers import OVERLAY_PROTOCOL
from overlay.conditions import Conditions
from overlay.correspondents import Asked, Grown, Inbox, Leased, Letter, Reader, Trouble, Writer
from overlay.errors import NotConfigured
from overlay.figures import Figures
from overlay.net_conf import NetConf
from overlay.offers import GRACE, configured_offer, is_same_way, may_drop_old
from overlay.opening import open_key_value, open_registry, read_boot_id, registry_hosts
from overlay.peers import Peers
from overlay.place import Place
from overlay.record import NodeRecord
from overlay.registry import Changed, Nodes, Registry
from overlay.settings import OverlaySettings
from overlay.standing import Standing, boundaries, draft_record, drop_old_devices, stand
from overlay.state import State, load_state, save_state
from overlay.subnet import Subnet
from overlay.subnet_env import SubnetEnv, parse_subnet_env, write_subnet_env
from overlay.timers import Timers

DEBOUNCE = 0.02  # seconds; a storm of records is programmed as one
SETTLE = 0.1  # seconds from a change of the kernel by others to the full pass that mends it
LEAST_BETWEEN = 1.0  # seconds between two full passes that others caused
SAVE_AFTER = 1.0  # seconds; the snapshot is written at most so often
RETRY = 1.0  # seconds after the kernel refused to be looked at
WAIT = 5.0  # seconds; the loop looks around at least so often

log = logging.getLogger("podwire.overlay")


class OverlayNode:
    """One node's overlay, in the network namespace of the thread that calls `run`.

    `pods_in` tells how many pods live in some subnets: a node whose lease is another's now may begin anew
    only without any.
    """

    def __init__(
        self,
        settings: OverlaySettings,
        *,
        pods_in: Callable[[tuple[Subnet, ...]], int] = lambda subnets: 1,
        random: Random | None = None,
    ) -> None:
        self.settings = settings
        self.conditions = Conditions()
        self.figures = Figures()
        self.lock = RLock()  # held while the loop works; who asks for a status takes it
        self.changed = Condition(self.lock)  # told after each turn of the loop
        self.conf: NetConf | None = None
        self.standing: Standing | None = None
        self.own: NodeRecord | None = None
        self.blocks: tuple[NodeRecord, ...] = ()
        self.is_leased = False
        self._has_seen_all = False
        self._boot = read_boot_id()
        self._pods_in = pods_in
        self._random = random or Random()
        self._inbox = Inbox()
        self._timers = Timers()
        self._arrivals: list[float] = []
        self._last_pass = 0.0
        self._is_stopped = False
        self._draft: NodeRecord | None = None

    @property
    def peers(self) -> Peers:
        """Return the other nodes; there are none before `run`."""
        return self._peers

    @property
    def is_ready(self) -> bool:
        """Tell whether pods may come: there is a lease, and the kernel is programmed."""
        return self.standing is not None and self._last_pass > 0

    def stop(self) -> None:
        """End the loop; from any thread, or a signal handler. What is in the kernel stays."""
        self._is_stopped = True
        self._inbox.put(None)

    def wake(self) -> None:
        """Let the loop look around; from any thread."""
        self._inbox.put(None)

    def resync(self) -> None:
        """Have everything compared; from any thread."""
        self._timers.set("full", 0.0)
        self._inbox.put(None)

    def grow(self, version: int) -> None:
        """Have one more block claimed, of a family; from any thread."""
        self._writer.grow(version)

    def run(self) -> None:
        """Serve until stopped."""
        self._netlink = Netlink()
        self._monitor = Monitor(OVERLAY_PROTOCOL)
        self._peers = Peers(self.settings, self._netlink, self.conditions)
        opener = partial(_open, self.settings, self._boot)
        self._reader = Reader(opener, self._inbox, self._random)
        self._writer = Writer(opener, self._inbox, self._random)
        try:
            self._recall()
            self._reader.start()
            self._writer.start()
            self._loop()
        finally:
            self._inbox.put(None)
            self._reader.stop()
            self._writer.stop()
            with self.lock:
                self._save()
                self._peers.close()
            self._monitor.close()
            self._netlink.close()
            self._inbox.close()

    def _loop(self) -> None:
        self._timers.set("resync", time.monotonic() + self.settings.resync_interval)
        while not self._is_stopped:
            ready = self._wait()
            with self.lock:
                now = time.monotonic()
                for version, is_trial in ready:
                    self._peers.heartbeats.read(version, now, is_trial=is_trial)
                self._heed(self._monitor.read(), now)
                for letter in self._inbox.take():
                    self._take(letter, now)
                self._peers.heartbeats.tick(now)
                for seconds in self._peers.heartbeats.take_round_trips():
                    self.figures.round_trips.add(seconds)
                if self._peers.dirty:
                    self._timers.set_if_unset("partial", now + DEBOUNCE)
                self._work(time.monotonic())
                self.changed.notify_all()

    def _wait(self) -> list[tuple[int, bool]]:
        """Wait for whatever comes first; return the heartbeats' sockets that have something."""
        beats = self._peers.heartbeats
        with selectors.DefaultSelector() as selector:
            selector.register(self._inbox, selectors.EVENT_READ)
            selector.register(self._monitor, selectors.EVENT_READ)
            for is_trial, sockets in ((False, beats.sockets), (True, beats.trial_sockets)):
                for version, sock in sockets.items():
                    selector.register(sock, selectors.EVENT_READ, (version, is_trial))
            now = time.monotonic()
            timeout = min(WAIT, self._timers.next() - now, beats.next_due(now))
            return [key.data for key, _ in selector.select(max(0.0, timeout)) if key.data]

    def _work(self, now: float) -> None:
        """Do what is due, the whole before parts."""
        for name, act in (
            ("place", self._place_again), ("full", self._reconcile), ("resync", self._reconcile),
            ("partial", self._refresh), ("drop", self._drop_old), ("save", self._save),
        ):  # fmt: skip
            if self._timers.is_due(name, now):
                try:
                    act()
                except (KernelError, MissingTool, Busy) as error:
                    self.conditions.tell("KernelRefuses", str(error))
                    self._timers.set_if_unset(name, now + RETRY)
                else:
                    self.conditions.tell("KernelRefuses", "")
        for key in self._peers.programmer.due(now):
            self._peers.dirty.add(key)

    def _recall(self) -> None:
        """Begin with what is remembered: the kernel is right before the registry is there."""
        state, trouble = load_state(self.settings.folder)
        self.conditions.tell("StateDamaged", trouble)
        self.conf, self.own, self.blocks = state.net_conf, state.own, state.blocks
        self._peers.set_all(state.records, ())
        if self.conf is None or self.own is None:
            return
        with self.lock:
            self._timers.set("place", 0.0)
            self._work(time.monotonic())

    def _heed(self, changed: Kinds, now: float) -> None:
        """Take what others changed in the kernel."""
        if changed & (Kinds.LINK | Kinds.ADDRESS):
            self._timers.set_if_unset("place", now + DEBOUNCE)
        if changed & Kinds.ROUTE and self._peers.place.is_direct:
            self._peers.forget_routes()
        if changed & Kinds.ENTRY:
            self._timers.set_if_unset("full", max(now + SETTLE, self._last_pass + LEAST_BETWEEN))

    def _take(self, letter: Letter, now: float) -> None:
        match letter:
            case Trouble(name, message):
                self.conditions.tell(name, message)
                if name == "Quarantined" and message:
                    self._begin_anew_if_empty()
            case NetConf():
                if letter != self.conf:
                    self.conf = letter
                    self._timers.set("place", 0.0)
                elif self.standing is None:
                    self._timers.set_if_unset("place", now)
            case Leased(record):
                self._take_lease(record)
            case Grown(record):
                self.blocks = (*(one for one in self.blocks if one.key != record.key), record)
                self._timers.set("place", 0.0)
                self._timers.set_if_unset("save", now)
            case Nodes(records, refused):
                self._find_blocks(records)
                self._peers.set_all(records, refused)
                self._has_seen_all = True
                self._peers.programmer.may_delete = self.is_leased
                self._timers.set("full", 0.0)
                self._timers.set_if_unset("save", now + SAVE_AFTER)
                self._timers.set_if_unset("drop", now + GRACE)
            case Changed(records):
                self._peers.change(records)
                self._arrivals.append(now)
                self._timers.set_if_unset("save", now + SAVE_AFTER)
                self._timers.set_if_unset("drop", now + GRACE)
            case Asked(what, seconds):
                self.figures.asked(what, seconds)

    def _take_lease(self, record: NodeRecord) -> None:
        """Take the lease as the registry has it now."""
        is_new = self.own is None or self.own.subnets != record.subnets
        self.own, self.is_leased = (
            replace(record, offers=self.own.offers if self.own else record.offers),
            True,
        )
        self._peers.programmer.may_delete = self._has_seen_all
        log.info("this node's lease: %s", record.key)
        self._timers.set("place" if is_new or self.standing is None else "full", 0.0)
        self._timers.set_if_unset("save", 0.0)

    def _place_again(self) -> None:
        """Look where the node stands; what has changed is made so, and told."""
        if self.conf is None:
            return
        targets = [*registry_hosts(self.settings), *self._addresses_of_others()]
        record, uplinks = draft_record(
            self._netlink, self.settings, self.conf, boot=self._boot, targets=targets, before=self.own
        )
        said = "" if record else "no link with an address leads to other nodes; see [overlay] interface"
        self.conditions.tell("NoUplink", said)
        if record is None:
            return
        if self.own is None or not self.is_leased:
            self._claim(record)
        if self.own is None:
            return
        standing = stand(self._netlink, self.settings, self.conf, record, uplinks, self.blocks)
        for name in ("TunnelRefused", "Forwarding"):
            self.conditions.tell(
                name, "; ".join(message for one, message in standing.troubles if one == name)
            )
        is_other = self.standing is None or standing.place != self.standing.place
        if self.standing is not None and _addresses(standing.place) != _addresses(self.standing.place):
            self._reader.reconnect()
            self._writer.reconnect()
        has_news = standing.record != self.own
        self.standing, self.own = standing, standing.record
        if has_news and self.is_leased:
            self._writer.publish(standing.record)
        if is_other:
            self._settle_in(standing)
        self._write_subnet_env()

    def _settle_in(self, standing: Standing) -> None:
        assert self.conf is not None
        self._peers.set_place(standing.place)
        self._peers.programmer.guarding.boundaries = boundaries(self.conf, self.settings, standing.place)
        tunnels = {one.address: one.version for one in standing.record.subnets}
        publics = {version: one.address for version, one in standing.place.uplinks.items()}
        failed = self._peers.heartbeats.listen(
            {version: address for address, version in tunnels.items()},
            publics if standing.place.is_direct else {},
        )
        self.conditions.tell("NoProbes", "; ".join(failed))
        self._reconcile()
        self._timers.set("drop", time.monotonic() + GRACE)

    def _claim(self, record: NodeRecord) -> None:
        """Have the lease claimed, or taken up, once for each record we would have."""
        if record != self._draft:
            self._draft = record
            self._writer.claim(record, self._previous())

    def _previous(self) -> list[str]:
        """Return the lease that subnet.env remembers: a flanneld's, or ours before the state was lost."""
        try:
            content = parse_subnet_env(Path(self.settings.subnet_env).read_text())
        except (OSError, ValueError):  # the first start
            return []
        first = {one.version: one for one in reversed(content.subnets)}
        return ["&".join(f"{one.address}-{one.length}" for _, one in sorted(first.items()))]

    def _begin_anew_if_empty(self) -> None:
        """Leave a subnet that is another's now, if no pod of ours lives on it."""
        if self.own is None or not self.own.subnets or self._pods_in(self.own.subnets):
            return
        log.warning(
            "lease %s is another node's now and no pod lives on it: a new one is claimed", self.own.key
        )
        self.own, self.standing, self.is_leased, self._draft = None, None, False, None
        self._timers.set("place", 0.0)

    def _find_blocks(self, records: tuple[NodeRecord, ...]) -> None:
        """Take up this node's further leases from the registry."""
        if self.own is not None:
            mine = [
                one for one in records if one.node and one.node == self.own.node and one.key != self.own.key
            ]
            self.blocks = tuple(mine)

    def _refresh(self) -> None:
        now = time.monotonic()
        if self.standing is None:
            return
        self.figures.changes += self._peers.refresh(now)
        self.figures.passes["partial"] += 1
        self._ignore_own_changes()
        done = time.monotonic()
        for arrived in self._arrivals:
            self.figures.convergence.add(done - arrived)
        self._arrivals.clear()

    def _reconcile(self) -> None:
        now = time.monotonic()
        self._timers.set("resync", now + self.settings.resync_interval * self._random.uniform(0.9, 1.1))
        if self.standing is None:
            return
        self.figures.changes += self._peers.reconcile(now)
        self.figures.passes["full"] += 1
        self._last_pass = time.monotonic()
        self._ignore_own_changes()
        self._arrivals.clear()

    def _ignore_own_changes(self) -> None:
        """Take what our own work has caused from the monitor, but for what only others do."""
        if self._monitor.read() & (Kinds.LINK | Kinds.ADDRESS):
            self._timers.set_if_unset("place", time.monotonic() + DEBOUNCE)

    def _drop_old(self) -> None:
        """End a change of mode, port or VNI: what nobody uses any more goes."""
        if self.conf is None or self.own is None or self.standing is None or not self.is_leased:
            return
        first = self.own.offers[0]
        wanted = configured_offer(self.conf, first.mac4, first.mac6)
        if not is_same_way(first, wanted) or not may_drop_old(wanted, self._peers.others()):
            return
        if len(self.own.offers) > 1:
            self.own = replace(self.own, offers=self.own.offers[:1])
            self._writer.publish(self.own)
            self._timers.set("place", time.monotonic() + GRACE)
            self._timers.set("drop", time.monotonic() + 2 * GRACE)
        else:
            drop_old_devices(self._netlink, self.standing.place)

    def _write_subnet_env(self) -> None:
        if self.standing is None or self.conf is None:
            return
        content = SubnetEnv(
            self.conf.networks, self.standing.place.subnets, self.standing.mtu, self.settings.masquerade
        )
        try:
            write_subnet_env(Path(self.settings.subnet_env), content)
        except OSError as error:
            said = f"{self.settings.subnet_env} cannot be written, CNI plugins read it: {error.strerror}"
            self.conditions.tell("NoSubnetEnv", said)
        else:
            self.conditions.tell("NoSubnetEnv", "")

    def _save(self) -> None:
        state = State(self.conf, self.own, self.blocks, tuple(self._peers.records.values()))
        try:
            save_state(self.settings.folder, state)
        except OSError as error:
            self.conditions.tell("NotSaved", f"{self.settings.state}: {error.strerror}")
        else:
            self.conditions.tell("NotSaved", "")

    def _addresses_of_others(self) -> list[str]:
        """Return a few other nodes' addresses: the way to them is the way to all."""
        found = []
        for record in self._peers.records.values():
            if self.own is None or record.node != self.own.node:
                found += [one for one in (record.public4, record.public6) if one]
            if len(found) >= 6:
                break
        return found


def _addresses(place: Place) -> dict[int, str]:
    return {version: one.address for version, one in place.uplinks.items()}


def _open(settings: OverlaySettings, boot: str) -> Registry:
    """Open the registry; one without a configuration is given that of the file, if there is one."""
    registry = open_registry(settings, boot)
    if settings.net_conf and not settings.registry.startswith("kubernetes"):
        keyed = open_key_value(settings, boot)
        try:
            keyed.net_conf()
        except NotConfigured as error:
            try:
                keyed.configure(Path(settings.net_conf).read_text())
            except OSError as missing:
                raise NotConfigured(f"{error}; {settings.net_conf}: {missing.strerror}") from missing
        finally:
            keyed.close()
    return registry

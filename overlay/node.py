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
from contextlib import suppress
from functools import partial
from random import Random
from threading import Condition, RLock

from linuxnet.errors import Busy, KernelError, MissingTool
from linuxnet.monitor import Changed as Kinds
from linuxnet.monitor import Monitor
from linuxnet.netlink import Netlink
from linuxnet.numbers import OVERLAY_PROTOCOL
from overlay.conditions import Conditions
from overlay.correspondents import Asked, Grown, Inbox, Leased, Letter, Reader, Trouble, Writer
from overlay.devices import remove_devices
from overlay.errors import NoLease, Stolen
from overlay.figures import Figures
from overlay.net_conf import NetConf
from overlay.offers import GRACE
from overlay.opening import followed_table, open_configured, read_boot_id, registry_hosts
from overlay.peers import Peers
from overlay.place import UNPLACED
from overlay.record import NodeRecord
from overlay.registry import Changed, Nodes
from overlay.settings import OverlaySettings
from overlay.standing import boundaries, drop_old_devices
from overlay.state import load_state, save_state
from overlay.subnet import Subnet
from overlay.tenancy import Tenancy
from overlay.timers import Timers

DEBOUNCE = 0.02  # seconds from a change of links to a look at them; a storm of them is one look
REST = 10  # times what the last pass took, DEBOUNCE at most: a record is programmed at once, a storm as some
SETTLE = 0.1  # seconds from a change of the kernel by others to the full pass that mends it
LEAST_BETWEEN = 1.0  # seconds between two full passes that others caused
SAVE_AFTER = 1.0  # seconds; the snapshot is written at most so often
SAVE_SHARE = 0.02  # of the time that writing it may take: with 5,000 nodes it is every few seconds
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
        boot = read_boot_id()
        self.tenancy = Tenancy(settings, self.conditions, boot)
        self._pods_in = pods_in
        self._random = random or Random()
        self._inbox = Inbox()
        self._timers = Timers()
        opener = partial(open_configured, settings, boot, followed_table(settings))
        self._open = opener
        self._reader = Reader(opener, self._inbox, self._random)
        self._writer = Writer(opener, self._inbox, self._random)
        self._arrivals: list[float] = []
        self._last_pass = 0.0
        self._rest_until = 0.0
        self._has_snapshot = False  # of the registry; what is remembered is none
        self._is_stopped = False
        self._has_left = False
        self._has_seen_all = False  # the registry, in this life of the agent; before that nothing is deleted
        self._save_pause = SAVE_AFTER
        self._claimed: NodeRecord | None = None

    @property
    def peers(self) -> Peers:
        """Return the other nodes; there are none before `run`."""
        return self._peers

    @property
    def is_ready(self) -> bool:
        """Tell whether pods may come: there is a lease, and the kernel is programmed."""
        return self.tenancy.standing is not None and self._last_pass > 0

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

    def leave(self, *, force: bool = False) -> None:
        """Give the lease back, take everything away, and end; from any thread but the loop's.

        Raises:
            Stolen: pods live on this node, unless `force`.
            StoreUnavailable, StoreRefused: the lease could not be given back; nothing has changed.
        """
        with self.lock:
            subnets, own = self.tenancy.subnets, self.tenancy.own
            if not force and subnets and (pods := self._pods_in(subnets)):
                raise Stolen(f"{pods} pods have addresses of this node's subnets; --force leaves them behind")
            self._writer.stop()
            registry = self._open()
            for record in (*self.tenancy.blocks, *((own,) if own else ())):
                with suppress(NoLease):  # somebody has released it for us
                    registry.release(record.key, force=True)
            registry.close()
            self._clear()
        self.stop()

    def run(self) -> None:
        """Serve until stopped."""
        self._netlink = Netlink()
        self._monitor = Monitor(OVERLAY_PROTOCOL)
        self._peers = Peers(self.settings, self._netlink, self.conditions)
        try:
            self._recall()
            self._reader.start()
            self._writer.start()
            self._loop()
        finally:
            self._reader.stop()
            self._writer.stop()
            with self.lock:
                if not self._has_left:
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
                    self._timers.set_if_unset("partial", max(now, self._rest_until))
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
            ("partial", self._refresh), ("drop", self._drop_old), ("passage", self._open_passage),
            ("save", self._save),
        ):  # fmt: skip
            if self._timers.is_due(name, now):
                try:
                    act()
                except (KernelError, MissingTool, Busy) as error:
                    self.conditions.tell("KernelRefuses", str(error), about=name)
                    self._timers.set_if_unset(name, now + RETRY)
                else:
                    self.conditions.tell("KernelRefuses", "", about=name)
        self._peers.dirty.update(self._peers.programmer.due(now))

    def _recall(self) -> None:
        """Begin with what is remembered: the kernel is right before the registry is there."""
        state, trouble = load_state(self.settings.folder)
        self.conditions.tell("StateDamaged", trouble)
        self.tenancy.recall(state)
        self._peers.set_all(state.records, ())
        if state.net_conf is not None and state.own is not None:
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
                is_other, self.tenancy.conf = letter != self.tenancy.conf, letter
                if is_other or self.tenancy.standing is None:
                    self._timers.set("place", 0.0)
            case Leased(record):
                log.info("this node's lease: %s", record.key)
                is_new = self.tenancy.take(record)
                self._peers.programmer.may_delete = self._has_seen_all
                self._timers.set("place" if is_new or self.tenancy.standing is None else "full", 0.0)
                self._timers.set("save", 0.0)
            case Grown(record):
                self.tenancy.add_block(record)
                self._timers.set("place", 0.0)
                self._timers.set("save", 0.0)
            case Nodes(records, refused, unpublished):
                self.tenancy.find_blocks(records)
                self._publish_again(unpublished)
                self._peers.set_all(records, refused)
                self._has_seen_all = True
                self._peers.programmer.may_delete = self.tenancy.is_leased
                self._timers.set("full", 0.0)
                self._after_news(now)
            case Changed(records, unpublished=unpublished):
                self._publish_again(unpublished)
                self._peers.change(records)
                self._arrivals.append(now)
                self._after_news(now)
            case Asked(what, seconds):
                self.figures.asked(what, seconds)

    def _after_news(self, now: float) -> None:
        self._timers.set_if_unset("save", now + self._save_pause)
        self._timers.set_if_unset("drop", now + GRACE)

    def _publish_again(self, unpublished: frozenset[str]) -> None:
        """Write our lease anew if somebody has revoked it: flannel's nodes have dropped us."""
        own = self.tenancy.own
        if own is not None and self.tenancy.is_leased and own.key in unpublished:
            log.warning("lease %s was revoked or has ended while its node lives: it is renewed", own.key)
            self._writer.publish(own)

    def _place_again(self) -> None:
        """Look where the node stands; what has changed is made so, and told."""
        tenancy = self.tenancy
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
        standing, conf, guarding = self.tenancy.standing, self.tenancy.conf, self._peers.programmer.guarding
        if standing is not None and conf is not None:
            wanted = boundaries(conf, self.settings, standing.place)
            if wanted != guarding.boundaries:
                guarding.boundaries = wanted
                self._timers.set("full", 0.0)

    def _move_in(self) -> None:
        """Have everything follow the place where the node stands now."""
        standing = self.tenancy.standing
        assert standing is not None
        self._peers.set_place(standing.place)
        publics = {version: one.address for version, one in standing.place.uplinks.items()}
        tunnels = {one.version: one.address for one in standing.record.subnets}
        failed = self._peers.heartbeats.listen(
            tunnels if standing.place.tunnels else {}, publics if standing.place.is_direct else {}
        )
        self.conditions.tell("NoProbes", "; ".join(failed))
        self._reconcile()
        self._timers.set("drop", time.monotonic() + GRACE)

    def _begin_anew_if_empty(self) -> None:
        """Leave a subnet that is another's now, if no pod of ours lives on it."""
        own = self.tenancy.own
        if own is None or not own.subnets or self._pods_in(own.subnets):
            return
        log.warning("lease %s is another's now and no pod lives on it: a new one is claimed", own.key)
        self.tenancy.abandon()
        self._claimed = None
        self._timers.set("place", 0.0)

    def _refresh(self) -> None:
        if self.tenancy.standing is None:
            return
        began = time.monotonic()
        self.figures.changes += self._peers.refresh(began)
        done = time.monotonic()
        self._rest_until = done + min(DEBOUNCE, REST * (done - began))
        self._note_pass("partial")

    def _reconcile(self) -> None:
        now = time.monotonic()
        self._timers.put_off("resync", now + self.settings.resync_interval * self._random.uniform(0.9, 1.1))
        if self.tenancy.standing is None:
            return
        self._timers.set_if_unset("passage", now)
        self.figures.changes += self._peers.reconcile(now)
        self._last_pass = time.monotonic()
        self._note_pass("full")

    def _note_pass(self, kind: str) -> None:
        """Count a pass; what our own work has caused is no news, but for what only others do."""
        self.figures.passes[kind] += 1
        done = time.monotonic()
        for arrived in self._arrivals:
            self.figures.convergence.add(done - arrived)
        self._arrivals.clear()
        if self._monitor.read() & (Kinds.LINK | Kinds.ADDRESS):
            self._timers.set_if_unset("place", done + DEBOUNCE)

    def _open_passage(self) -> None:
        from overlay.passage import open_passage  # other firewalls' tools: after the first pass

        if self.tenancy.conf is not None:
            self.conditions.tell("ForwardBlocked", "; ".join(open_passage(self.tenancy.conf.networks)))

    def _drop_old(self) -> None:
        """End a change of mode, port or VNI: what nobody uses any more goes."""
        own = self.tenancy.end_of_change(self._peers.others())
        if own is None or self.tenancy.standing is None:
            return
        if own == self.tenancy.own:
            drop_old_devices(self._netlink, self.tenancy.standing.place)
            return
        self.tenancy.own = own
        self._writer.publish(own)
        self._timers.set("place", time.monotonic() + GRACE)
        self._timers.set("drop", time.monotonic() + 2 * GRACE)

    def _save(self) -> None:
        started = time.monotonic()
        try:
            save_state(self.settings.folder, self.tenancy.state(self._peers.records.values()))
        except OSError as error:
            self.conditions.tell("NotSaved", f"{self.settings.state}: {error.strerror}")
        else:
            self.conditions.tell("NotSaved", "")
        self._save_pause = max(SAVE_AFTER, (time.monotonic() - started) / SAVE_SHARE)

    def _clear(self) -> None:
        """Take away what was made in the kernel and in files."""
        self._has_left = True
        programmer = self._peers.programmer
        self._peers.set_all((), ())
        self._peers.set_place(UNPLACED)
        programmer.may_delete, programmer.guarding.boundaries = True, None
        self._peers.reconcile(time.monotonic())
        programmer.guarding.guard.remove()
        remove_devices(self._netlink, ())
        if self.tenancy.conf is not None:
            from overlay.passage import close_passage

            close_passage(self.tenancy.conf.networks)
        self.tenancy.forget_files()
        self.tenancy.abandon()
        self.conditions.tell("Left", "this node has left the network; the agent joins again when it starts")

    def _targets(self) -> list[str]:
        """Return addresses that lie where the other nodes do: the way to a few is the way to all."""
        own, found = self.tenancy.own, registry_hosts(self.settings)
        for record in self._peers.records.values():
            if own is None or record.node != own.node:
                found += [one for one in (record.public4, record.public6) if one]
            if len(found) >= 6:
                break
        return found

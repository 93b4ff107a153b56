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

from cluster_store.conditions import Conditions
from linuxnet.monitor import Changed as Kinds
from linuxnet.monitor import Monitor
from linuxnet.netlink import Netlink
from linuxnet.numbers import OVERLAY_PROTOCOL
from overlay.correspondents import Reader, Writer
from overlay.errors import NoLease, Stolen
from overlay.figures import Figures
from overlay.inbox import Asked, Grown, Inbox, Leased, Letter, Trouble
from overlay.net_conf import NetConf
from overlay.offers import GRACE
from overlay.opening import followed_table, open_configured, read_boot_id
from overlay.peers import Peers
from overlay.registry import Changed, Nodes
from overlay.settings import OverlaySettings
from overlay.subnet import Subnet
from overlay.tenancy import Tenancy
from overlay.timers import Timers
from overlay.upkeep import DEBOUNCE, Upkeep

SETTLE = 0.1  # seconds from a change of the kernel by others to the full pass that mends it
LEAST_BETWEEN = 1.0  # seconds between two full passes that others caused
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
        self.conditions = Conditions(logger="podwire.overlay")
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
        self._is_stopped = False
        self._has_left = False
        self._has_seen_all = False  # the registry, in this life of the agent; before that nothing is deleted

    @property
    def peers(self) -> Peers:
        """Return the other nodes; there are none before `run`."""
        return self._upkeep.peers

    @property
    def is_ready(self) -> bool:
        """Tell whether pods may come: there is a lease, and the kernel is programmed."""
        return self.tenancy.standing is not None and self._upkeep.last_pass > 0

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
            self._has_left = True
            self._upkeep.clear()
        self.stop()

    def run(self) -> None:
        """Serve until stopped."""
        self._netlink = Netlink()
        self._monitor = Monitor(OVERLAY_PROTOCOL)
        self._upkeep = Upkeep(
            self.settings, self.conditions, self.figures, self.tenancy, netlink=self._netlink,
            monitor=self._monitor, reader=self._reader, writer=self._writer, timers=self._timers,
            random=self._random, pods_in=self._pods_in,
        )  # fmt: skip
        try:
            with self.lock:
                self._upkeep.recall()
            self._reader.start()
            self._writer.start()
            self._loop()
        finally:
            self._reader.stop()
            self._writer.stop()
            with self.lock:
                if not self._has_left:
                    self._upkeep.save()
                self._upkeep.peers.close()
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
                    self._upkeep.peers.heartbeats.read(version, now, is_trial=is_trial)
                self._heed(self._monitor.read(), now)
                for letter in self._inbox.take():
                    self._take(letter, now)
                self._upkeep.peers.heartbeats.tick(now)
                for seconds in self._upkeep.peers.heartbeats.take_round_trips():
                    self.figures.round_trips.add(seconds)
                if self._upkeep.peers.dirty:
                    self._timers.set_if_unset("partial", max(now, self._upkeep.rest_until))
                self._upkeep.work(time.monotonic())
                self.changed.notify_all()

    def _wait(self) -> list[tuple[int, bool]]:
        """Wait for whatever comes first; return the heartbeats' sockets that have something."""
        beats = self._upkeep.peers.heartbeats
        with selectors.DefaultSelector() as selector:
            selector.register(self._inbox, selectors.EVENT_READ)
            selector.register(self._monitor, selectors.EVENT_READ)
            for is_trial, sockets in ((False, beats.sockets), (True, beats.trial_sockets)):
                for version, sock in sockets.items():
                    selector.register(sock, selectors.EVENT_READ, (version, is_trial))
            now = time.monotonic()
            timeout = min(WAIT, self._timers.next() - now, beats.next_due(now))
            return [key.data for key, _ in selector.select(max(0.0, timeout)) if key.data]

    def _heed(self, changed: Kinds, now: float) -> None:
        """Take what others changed in the kernel."""
        if changed & (Kinds.LINK | Kinds.ADDRESS):
            self._timers.set_if_unset("place", now + DEBOUNCE)
        if changed & Kinds.ROUTE and self._upkeep.peers.place.is_direct:
            self._upkeep.peers.forget_routes()
        if changed & Kinds.ENTRY:
            self._timers.set_if_unset("full", max(now + SETTLE, self._upkeep.last_pass + LEAST_BETWEEN))

    def _take(self, letter: Letter, now: float) -> None:
        match letter:
            case Trouble(name, message):
                self.conditions.tell(name, message)
                if name == "Quarantined" and message:
                    self._upkeep.begin_anew_if_empty()
            case NetConf():
                is_other, self.tenancy.conf = letter != self.tenancy.conf, letter
                if is_other or self.tenancy.standing is None:
                    self._timers.set("place", 0.0)
            case Leased(record):
                log.info("this node's lease: %s", record.key)
                is_new = self.tenancy.take(record)
                self._upkeep.peers.programmer.may_delete = self._has_seen_all
                self._timers.set("place" if is_new or self.tenancy.standing is None else "full", 0.0)
                self._timers.set("save", 0.0)
            case Grown(record):
                self.tenancy.add_block(record)
                self._timers.set("place", 0.0)
                self._timers.set("save", 0.0)
            case Nodes(records, refused, unpublished):
                self.tenancy.find_blocks(records)
                self._publish_again(unpublished)
                self._upkeep.peers.set_all(records, refused)
                self._has_seen_all = True
                self._upkeep.peers.programmer.may_delete = self.tenancy.is_leased
                self._timers.set("full", 0.0)
                self._after_news(now)
            case Changed(records, unpublished=unpublished):
                self._publish_again(unpublished)
                self._upkeep.peers.change(records)
                self._upkeep.arrivals.append(now)
                self._after_news(now)
            case Asked(what, seconds):
                self.figures.asked(what, seconds)

    def _after_news(self, now: float) -> None:
        self._timers.set_if_unset("save", now + self._upkeep.save_pause)
        self._timers.set_if_unset("drop", now + GRACE)

    def _publish_again(self, unpublished: frozenset[str]) -> None:
        """Write our lease anew if somebody has revoked it: flannel's nodes have dropped us."""
        own = self.tenancy.own
        if own is not None and self.tenancy.is_leased and own.key in unpublished:
            log.warning("lease %s was revoked or has ended while its node lives: it is renewed", own.key)
            self._writer.publish(own)

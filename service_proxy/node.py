"""ServiceNode: the loop of one node. Events come in, what they touch is decided, what differs is written.

    source  ->  catalogue  ->  dirty services  ->  decisions  ->  programmer  ->  kernel
                    |                                  ^
                    `-> DNS, and whoever else listens  `-- somebody else at our table: everything is compared

Nothing is written before all kinds were listed once. Whatever happens around it is a condition, and it goes
on; when it ends, what is in the kernel stays, and connections with it.
"""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable
from contextlib import ExitStack
from threading import Condition, RLock

from cluster_store.conditions import Conditions
from linuxnet.errors import KernelError
from service_proxy.balancing.balancing import Balancing
from service_proxy.bell import Bell
from service_proxy.catalogue import Catalogue, Event
from service_proxy.connection_table import set_up
from service_proxy.deciding import Decided, Decider
from service_proxy.figures import Figures
from service_proxy.health import ProxyHealth
from service_proxy.memory import settle_memory, without_collections
from service_proxy.model import Address, ServiceName
from service_proxy.opening import open_balancing
from service_proxy.ports import Ports
from service_proxy.programmer import Programmer
from service_proxy.schedule import WAIT, Schedule
from service_proxy.settings import ProxySettings
from service_proxy.sources.source import Source

REFUSED = "NotProgrammed"
RETRY_EVERY = 10.0  # seconds; a port that was taken may be free
SWEEP_EVERY = 300.0  # seconds, at least; chains that nothing leads to cost a line of `nft list` each
MUCH = 10_000  # entries; what it took to decide them is given back

log = logging.getLogger("podwire.services")


class ServiceNode:
    """Services on one node, in the network namespace of the thread that calls `run`.

    `open_source` is called there, once. Without `programs` only those who listen to the catalogue work: a
    DNS server alone.
    """

    def __init__(
        self,
        settings: ProxySettings,
        open_source: Callable[[Conditions], Source],
        *,
        programs: bool = True,
        dns: tuple[Address, ...] = (),
    ) -> None:
        self.settings = settings
        self.conditions = Conditions(logger="podwire.services")
        self.figures = Figures()
        self.lock = RLock()  # held while the loop works; who asks for a status takes it
        self.changed = Condition(self.lock)  # told after each turn of the loop
        self.source = open_source(self.conditions)
        self.catalogue = Catalogue(settings.node_name, self.source.kinds)
        self.decider = Decider(settings, self.catalogue, self.conditions, dns)
        self.health = ProxyHealth()
        self.ports = Ports(settings, self.conditions, self.health)
        self.balancing: Balancing | None = None  # while it runs, where there are pools
        self.programmer: Programmer | None = None  # while it runs
        self.programs = programs
        self._bell = Bell()
        self._schedule = Schedule(settings.resync_interval)
        self._dirty: set[ServiceName] = set()
        self._since: float | None = None  # when the first change came that is not in the kernel yet
        self._retry_at = 0.0
        self._sweep_at = time.monotonic() + SWEEP_EVERY
        self._is_stopped = False

    @property
    def is_synced(self) -> bool:
        """Tell whether the kernel has had everything once."""
        return self.figures.last_sync > 0

    def stop(self) -> None:
        """End the loop; from any thread, or a signal handler. What is in the kernel stays."""
        self._is_stopped = True
        self._bell.ring()

    def resync(self) -> None:
        """Have everything compared with the kernel; from any thread."""
        self._schedule.compare(0.0)
        self._bell.ring()

    def run(self) -> None:
        """Serve until stopped."""
        with ExitStack() as stack:
            stack.callback(self._bell.close)
            stack.callback(self.source.close)
            if self.programs:
                self._open(stack)
            self.source.start()
            self._loop()

    def _open(self, stack: ExitStack) -> None:
        """Open what writes, and what answers; `stack` closes it, also where the next cannot be opened."""
        self.programmer = Programmer(self.figures)
        stack.callback(self.programmer.close)
        self.conditions.tell("ConnectionTable", set_up(self.settings.conntrack))
        self.ports.open()
        stack.callback(self.ports.close)
        self.balancing = open_balancing(self.settings, self.catalogue, self.conditions)
        if self.balancing is not None:
            self.balancing.start()
            stack.callback(self.balancing.stop)

    def _loop(self) -> None:
        with selectors.DefaultSelector() as selector:
            for one in (self.source, self._bell, *((self.programmer.watch,) if self.programmer else ())):
                selector.register(one, selectors.EVENT_READ)
            while not self._is_stopped:
                selector.select(self._patience())
                self._bell.hush()
                with self.lock:
                    self._take(self.source.next(0.0))
                    if self.programmer is not None and self.catalogue.is_complete:
                        self._program(self.programmer)
                    self.changed.notify_all()

    def _patience(self) -> float:
        """Return how long to wait for what may come; what is due cannot be done before all is known."""
        if self.programmer is None or not self.catalogue.is_complete:
            return WAIT
        return self._schedule.wait(time.monotonic(), is_dirty=bool(self._dirty))

    def _take(self, events: list[Event]) -> None:
        now = time.monotonic()
        for event in events:
            touched = self.catalogue.take(event)
            if not touched:
                continue
            self.figures.changes[event.kind.value] += 1
            if not self.programs:  # nobody would ever take out what is noted
                continue
            self.figures.pending[event.kind.value] += 1
            self._dirty |= self.decider.touched(touched)
            if touched.is_everything:
                self._schedule.compare(now)
            if self._since is None:
                self._since = now
                self.health.queued()
                self.figures.last_change = time.time()
        node = self.catalogue.own_node
        self.health.is_leaving = node is not None and node.is_leaving

    def _program(self, programmer: Programmer) -> None:
        """Do what is due."""
        now = time.monotonic()
        if now >= self._retry_at:
            self._retry_at = now + RETRY_EVERY
            self.ports.retry()
        if programmer.is_touched_by_others():
            log.warning("somebody else has changed our table: it is compared with what it should be")
            self._schedule.touched_by_others(now)
        if not (self._schedule.is_compare_due(now) or (self._dirty and self._schedule.may_change(now))):
            return
        try:
            if self._schedule.is_compare_due(now):
                self._compare(programmer)
            else:
                self._change(programmer)
        except KernelError as error:
            self._note_failure(programmer, error)
        else:
            self._note_success()

    def _compare(self, programmer: Programmer) -> None:
        """Make everything so as it should be, by what the kernel has."""
        is_first, started = not self.is_synced, time.monotonic()
        self._dirty.clear()
        self.decider.look_at_node()
        with without_collections():
            there = programmer.load(self.decider.rules())
            if is_first:
                self.decider.adopt(there)
            wanted = self._noted(self.decider.decide_all())
            differing = programmer.reconcile(there, self.decider.node_entries(), wanted)
        self.figures.syncs["full"].add(time.monotonic() - started)
        self._schedule.compared(time.monotonic())
        if not is_first and started >= self._sweep_at:
            self._sweep_at = started + SWEEP_EVERY
            programmer.table.sweep()
        if is_first:
            log.info("%d services, %d entries written", len(self.catalogue.services), differing)
        elif differing:
            log.info("compared with the kernel: %d entries were not as they should be", differing)
        if len(there) + differing > MUCH:
            del there
            settle_memory()

    def _change(self, programmer: Programmer) -> None:
        started = time.monotonic()
        names, self._dirty = self._dirty, set()
        programmer.change(self._noted(self.decider.decide(names)))
        self.figures.syncs["partial"].add(time.monotonic() - started)

    def _noted(self, decided: Decided) -> Decided:
        """Pass decisions on, and what of them is not the kernel's to do."""
        for name, wanted in decided:
            self.ports.note(name, wanted)
            yield name, wanted

    def _note_failure(self, programmer: Programmer, error: KernelError) -> None:
        """Have everything compared; what is refused then again is whose it is, and waits alone."""
        self.figures.failures += 1
        self.conditions.tell(REFUSED, str(error))
        if self._schedule.has_failed:
            for name in programmer.owners_of(error.asked):
                self.decider.set_aside(name, str(error))
        self._schedule.failed(time.monotonic())

    def _note_success(self) -> None:
        now = time.monotonic()
        self._schedule.changed(now)
        self.conditions.tell(REFUSED, "")
        self.figures.last_sync = time.time()
        self.health.updated()
        if self._since is not None and not self._dirty:
            self.figures.programming.add(now - self._since)
            self._since = None
        if not self._dirty:
            self.figures.pending.clear()

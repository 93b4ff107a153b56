"""ServiceNode: the loop of one node. Events come in, what they touch is decided anew, what differs is written.

    source  ->  catalogue  ->  dirty services  ->  decisions  ->  programmer  ->  kernel
                    |                                  ^
                    `-> DNS, and whoever else listens  `-- somebody else at our table: everything is compared

Nothing is written before all kinds were listed once. Whatever happens around it is a condition, and it goes
on; when it ends, what is in the kernel stays, and connections with it.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import selectors
import time
from collections.abc import Callable, Sequence
from threading import Condition, RLock

from linuxnet.errors import KernelError
from linuxnet.service_changes import ServiceChanges
from service_proxy.catalogue import Catalogue, Event, Touched
from service_proxy.conditions import Conditions
from service_proxy.connection_table import set_up
from service_proxy.deciding import Decider
from service_proxy.figures import Figures
from service_proxy.programmer import Programmer
from service_proxy.settings import ProxySettings
from service_proxy.sources.source import Source

WAIT = 5.0  # seconds; the loop looks around at least so often
TOGETHER = 0.001  # seconds between two transactions: changes that come faster share one
SETTLE = 0.05  # seconds from somebody else's change of our table to the look at all of it
LEAST_BETWEEN = 0.4  # seconds between two such looks
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0  # seconds from a refused transaction to the next trial
SWEEP_EVERY = 600.0  # seconds; chains that nothing leads to cost nothing but a line of `nft list`

log = logging.getLogger("podwire.services")


class ServiceNode:
    """Services on one node, in the network namespace of the thread that calls `run`.

    `open_source` is called there, once. Without `programs` only those who listen to the catalogue work: a
    DNS server alone.
    """

    def __init__(
        self, settings: ProxySettings, open_source: Callable[[], Source], *, programs: bool = True
    ) -> None:
        self.settings = settings
        self.conditions = Conditions()
        self.figures = Figures()
        self.lock = RLock()  # held while the loop works; who asks for a status takes it
        self.changed = Condition(self.lock)  # told after each turn of the loop
        self.source = open_source()
        self.catalogue = Catalogue(settings.node_name, self.source.kinds)
        self.decider = Decider(settings, self.catalogue, self.conditions)
        self.programmer: Programmer | None = None  # while it runs
        self._programs = programs
        self._bell = Bell()
        self._schedule = Schedule()
        self._dirty: set[ServiceName] = set()
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
        if self._programs:
            self.programmer = Programmer(self.figures)
            self.conditions.tell("ConnectionTable", set_up(self.settings.conntrack))
        try:
            self.source.start()
            self._loop()
        finally:
            self.source.close()
            self.source.release()
            if self.programmer is not None:
                self.programmer.close()
            self._bell.close()

    def _loop(self) -> None:
        with selectors.DefaultSelector() as selector:
            for one in (self.source, self._bell, *self._watched()):
                selector.register(one, selectors.EVENT_READ)
            while not self._is_stopped:
                selector.select(self._schedule.wait(time.monotonic(), is_dirty=bool(self._dirty)))
                self._bell.hush()
                with self.lock:
                    self._take(self.source.next(0.0))
                    self._heed()
                    self._work()
                    self.changed.notify_all()

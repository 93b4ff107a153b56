"""DNS on a node: sockets, processes that answer, and the thread that tells them what changes.

For whoever has a catalogue: the agent, `podwire dns`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Thread

from service_proxy.catalogue import Catalogue
from service_proxy.dns.counting import Snapshot
from service_proxy.dns.feed import Feed
from service_proxy.dns.sockets import Pair, open_pair
from service_proxy.dns.updates import OpenResolver, Setup
from service_proxy.dns.workers import Workers
from service_proxy.dns.zone import DEFAULTS, ZoneOptions
from service_proxy.model import Address

PORT = 53
TEND = 0.5  # seconds between looks at the processes


@dataclass(frozen=True)
class DnsOptions:
    """What may be chosen."""

    addresses: Sequence[Address] = (bytes((127, 0, 0, 1)),)
    port: int = PORT
    processes: int = 1  # each does a core's worth, 100,000 answers a second and more
    zone: ZoneOptions = field(default=DEFAULTS)
    names_pods: bool = False  # an endpoint without a hostname is named after its pod
    linger: float = 0.0  # seconds that the processes outlive an agent that was killed; 0: not at all
    open_resolver: OpenResolver | None = None  # called in each process; None: names of others are refused


class NodeDns:
    """The DNS server of a node."""

    def __init__(self, catalogue: Catalogue, options: DnsOptions) -> None:
        """Listen, in the thread's network namespace, and start the processes.

        Raises:
            OSError: it cannot be listened at an address.
        """
        self._pairs = _open(options)
        setup = Setup(options.zone, int(time.time()), options.open_resolver, options.linger)
        self.workers = Workers(self._pairs, setup)
        # a catalogue never forgets who listens: nobody who could not begin may be among them
        self._feed = Feed(catalogue, prefers_near=options.zone.prefers_near, names_pods=options.names_pods)
        self._is_over = False
        self._thread = Thread(target=self._run, name="dns feed", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened at, where 0 was asked for."""
        number: int = self._pairs[0][0].udp.getsockname()[1]
        return number

    def start(self) -> None:
        """Begin to tell the processes what there is."""
        self._thread.start()

    def count(self) -> Snapshot:
        """Return what was asked and answered."""
        return self.workers.count()

    def close(self) -> None:
        """End the processes and listen no more."""
        self._is_over = True
        self._feed.news.set()
        if self._thread.is_alive():
            self._thread.join()
        self.workers.end()
        for pair in (pair for pairs in self._pairs for pair in pairs):
            pair.close()

    def _run(self) -> None:
        while not self._is_over:
            if self.workers.tend():
                for one in self.workers:
                    one.is_new = False
                self.workers.tell(self._feed.everything())
            self._feed.news.wait(TEND)
            if not self._is_over:
                self.workers.tell(self._feed.changes())


def _open(options: DnsOptions) -> list[list[Pair]]:
    """Return the sockets of each process; the second process' have the port that the first ones got."""
    port = options.port
    processes: list[list[Pair]] = []
    for _ in range(max(1, options.processes)):
        pairs: list[Pair] = []
        for address in options.addresses:
            pairs.append(open_pair(address, port))
            port = pairs[0].udp.getsockname()[1]
        processes.append(pairs)
    return processes

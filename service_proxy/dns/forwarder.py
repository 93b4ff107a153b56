"""The resolver behind the server: names of the configuration, the cache, and else a loop that asks upstreams.

`resolve` runs in the server's thread and answers what is at hand; everything else goes through an inbox to
one thread with one epoll. A hundred slow upstream questions are a hundred sockets there and hold nobody up.
"""

from __future__ import annotations

import random
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from service_proxy.bell import Bell
from service_proxy.dns.cache import Cache
from service_proxy.dns.departures import Departures
from service_proxy.dns.exchange import Exchange
from service_proxy.dns.flight import TCP_LIMIT, Crowd, Flight, Waiter
from service_proxy.dns.forward_figures import ForwardFigures, Sample
from service_proxy.dns.forward_settings import ForwardSettings, Server, Tell
from service_proxy.dns.hosts import Hosts
from service_proxy.dns.message import ANY, Malformed, Question, read_question
from service_proxy.dns.probing import Probing
from service_proxy.dns.resolver import FORMERR, QR, REFUSED, SERVFAIL, TC, Address, Answer
from service_proxy.dns.upstreams import make_upstreams

REFUSED_TYPES = range(249, 255)  # TKEY, TSIG, zone transfers, MAILB, MAILA: nothing a resolver passes on
CLASS_IN = b"\0\1"
IDLE = 3600.0  # seconds; the loop is woken for everything

Happened = Callable[[], None]


class EpollWatch:
    """The sockets of a loop and what to call for each."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self._all: dict[int, tuple[Exchange, Happened]] = {}

    def add(self, exchange: Exchange, happened: Happened) -> None:
        """Call when the exchange's socket has something."""
        fd = exchange.socket.fileno()
        self._all[fd] = exchange, happened
        self.epoll.register(fd, exchange.events)

    def change(self, exchange: Exchange) -> None:
        """Look at `exchange.events` again."""
        self.epoll.modify(exchange.socket.fileno(), exchange.events)

    def happened(self, fd: int) -> None:
        """Call who waits for a socket; nobody if it was closed by what happened before in the same round."""
        exchange, happened = self._all[fd]
        if exchange.socket.fileno() == fd:
            happened()


class Forwarder:
    """Asks others. `servers`: whom, where no stub domain says otherwise. It runs from `start` to `close`."""

    def __init__(self, settings: ForwardSettings, servers: Iterable[Server], tell: Tell) -> None:
        """Raises Malformed: a stub domain or a host that is no domain name."""
        self.figures = ForwardFigures()
        self.cache = Cache(settings.cache, self.figures.cache, self._refresh)
        self._settings = settings
        self._hosts = Hosts(settings.hosts)
        self._upstreams = make_upstreams(servers, settings, self.figures, None)
        self._inbox: deque[Waiter | Question | tuple[Server, ...]] = deque()
        self._bell = Bell()
        self._watch = EpollWatch()
        self._watch.epoll.register(self._bell, select.EPOLLIN)
        dice = random.SystemRandom().randrange
        self._departures = Departures(settings, self.cache, self.figures, self._watch, dice)
        self._probing = Probing(settings, self._watch, tell)
        self._crowd = Crowd(settings.max_concurrent, settings.max_by_client)
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="dns-forward", daemon=True)

    def start(self) -> None:
        """Begin to ask, in the network namespace of the calling thread."""
        self._thread.start()

    def close(self) -> None:
        """Tell all who wait SERVFAIL, end the thread, give the sockets back."""
        self._is_closing = True
        self._bell.ring()
        if self._thread.ident is not None:
            self._thread.join()
        self._watch.epoll.close()
        self._bell.close()

    def set_servers(self, servers: Iterable[Server]) -> None:
        """Ask others from now on; callable from any thread."""
        self._inbox.append(tuple(servers))
        self._bell.ring()

    @property
    def is_alive(self) -> bool:
        """Tell whether the loop runs."""
        return self._thread.is_alive()

    def samples(self) -> list[Sample]:
        """Return the figures of now."""
        return self.figures.samples(len(self.cache))

    def at_hand(self, query: bytes, is_tcp: bool) -> bytes | None:
        """Return the cache's answer to a query as most are (`resolver.Quick`)."""
        return self.cache.plain(query, is_tcp, time.monotonic())

    def resolve(self, query: bytes, client: Address, is_tcp: bool, answer: Answer) -> None:
        """Have a query answered (`Resolver.resolve`)."""
        found = self.cache.plain(query, is_tcp, time.monotonic())
        if found is not None:
            answer(found)
            return
        try:
            question = read_question(query)
        except Malformed:
            answer(query[:2] + (QR | FORMERR).to_bytes(2) + bytes(8))
            return
        limit = TCP_LIMIT if is_tcp else min(question.size, max(self._settings.largest_udp, 512))
        self._resolve(Waiter(query[:2], question, client, is_tcp, limit, answer))

    def _resolve(self, waiter: Waiter) -> None:
        """Answer what is at hand, hand over the rest."""
        question = waiter.question
        found = self.cache.get(waiter.query_id, question, waiter.limit, time.monotonic())
        if found is not None:
            waiter.answer(found)
        elif (body := self._hosts.get(question)) is not None:
            waiter.take(body)
        elif question.type in REFUSED_TYPES or question.wire[-2:] != CLASS_IN:
            waiter.deny(REFUSED)
        elif question.type == ANY and not waiter.is_tcp:
            waiter.deny(TC)  # a forged sender gets no more than it has sent (RFC 8482)
        elif len(self._inbox) >= self._settings.max_concurrent or self._is_closing:
            self._reject(waiter)
        else:
            self._inbox.append(waiter)
            self._bell.ring()

    def _reject(self, waiter: Waiter) -> None:
        self.figures.rejected += 1
        waiter.deny(REFUSED)

    def _refresh(self, question: Question) -> None:
        """Have a popular answer asked for again; the cache calls it."""
        if len(self._inbox) < self._settings.max_concurrent:
            self._inbox.append(question)
            self._bell.ring()

    # ---- the loop's thread

    def _run(self) -> None:
        departures, timeout = self._departures, IDLE
        while not self._is_closing:
            events = self._watch.epoll.poll(max(timeout, 0.0))
            departures.now = time.monotonic()
            for fd, _ in events:
                if fd == self._bell.fileno():
                    self._bell.hush()
                else:
                    self._watch.happened(fd)
            self._take_inbox()
            departures.look()
            probe_at = self._probing.look(self._upstreams, departures.now)
            times = [one for one in (departures.next_time, probe_at) if one is not None]
            timeout = min(times, default=departures.now + IDLE) - departures.now
        self._end()

    def _take_inbox(self) -> None:
        while self._inbox:
            one = self._inbox.popleft()
            if isinstance(one, Waiter):
                self._take(one)
            elif isinstance(one, Question):
                self._begin(one, [])
            else:
                self._upstreams = make_upstreams(one, self._settings, self.figures, self._upstreams)

    def _take(self, waiter: Waiter) -> None:
        """Let a client wait for its answer, if it must."""
        question, now = waiter.question, self._departures.now
        found = self.cache.get(waiter.query_id, question, waiter.limit, now)  # it may have come meanwhile
        if found is None and self._upstreams.of(question.name).is_down:
            found = self.cache.stale(waiter.query_id, question, waiter.limit, now)
            if found is not None:
                self._begin(question, [])  # nobody waits for it
        if found is not None:
            waiter.answer(found)
        elif self.cache.has_failed(question.key, now):
            waiter.deny(SERVFAIL)
        elif not self._crowd.enter(waiter.client):
            self._reject(waiter)
        else:
            self.figures.cache.misses += 1
            self._begin(question, [waiter])

    def _begin(self, question: Question, waiters: list[Waiter]) -> None:
        flight = self._departures.flights.get(question.key)
        if flight is not None:
            self.figures.joined += len(waiters)
            flight.waiters += waiters
            return
        if not waiters and len(self._departures.flights) >= self._settings.max_concurrent:
            return
        group = self._upstreams.of(question.name)
        self._departures.begin(Flight(question, group, self._departures.now, self._crowd, waiters))

    def _end(self) -> None:
        for flight in list(self._departures.flights.values()):
            flight.close()
        self._probing.close()
        while self._inbox:
            one = self._inbox.popleft()
            if isinstance(one, Waiter):
                one.deny(SERVFAIL)

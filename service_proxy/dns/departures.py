"""How a question is asked: at whom, by which transport, when again, and when it is given up.

The loop (`forwarder`) calls with what happened; the sockets that it is to watch are handed to it.
"""

from __future__ import annotations

import errno
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

from service_proxy.dns.body import Body
from service_proxy.dns.cache import Cache
from service_proxy.dns.exchange import AskByTcp, Exchange, TcpExchange, UdpExchange, Unanswered
from service_proxy.dns.flight import Flight
from service_proxy.dns.forward_figures import ForwardFigures
from service_proxy.dns.forward_settings import ForwardSettings
from service_proxy.dns.message import Malformed, read_answer
from service_proxy.dns.resolver import FORMERR, NOTIMP, NXDOMAIN
from service_proxy.dns.upstreams import Dice, Upstream

ANSWERS = (0, NXDOMAIN)  # the codes that say something of the name; all others of the server
NO_EDNS = (FORMERR, NOTIMP)  # what a server says that does not know EDNS (RFC 6891 section 7)
TIMES_KEPT = 1000
OWN_TROUBLES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # of which no upstream is to blame


class Watch(Protocol):
    """What wakes the loop."""

    def add(self, exchange: Exchange, happened: Callable[[], None]) -> None:
        """Call when the exchange's socket has something."""

    def change(self, exchange: Exchange) -> None:
        """Look at `exchange.events` again."""


class Departures:
    """The questions on their way, and when each is to be looked at next."""

    def __init__(
        self, settings: ForwardSettings, cache: Cache, figures: ForwardFigures, watch: Watch, dice: Dice
    ) -> None:
        self.flights: dict[bytes, Flight] = {}  # by Question.key
        self._settings = settings
        self._cache = cache
        self._figures = figures
        self._watch = watch
        self._dice = dice
        self._times: list[tuple[float, int, Flight]] = []
        self._order = itertools.count()
        self.now = 0.0  # the loop's, set before each call

    @property
    def next_time(self) -> float | None:
        """Return when a flight is to be looked at, None if there is none."""
        return self._times[0][0] if self._times else None

    def begin(self, flight: Flight) -> None:
        """Ask for the first time."""
        self.flights[flight.question.key] = flight
        if flight.group.is_down:
            self._figures.all_down += 1
        if self._cache.has_stale(flight.question, self.now):
            self._look_again(flight, flight.began + self._settings.stale_after)
        self._look_again(flight, flight.began + self._settings.deadline)
        self._ask(flight)

    def look(self) -> None:
        """Look at the flights whose time has come."""
        while self._times and self._times[0][0] <= self.now:
            _, _, flight = heapq.heappop(self._times)
            if flight.is_over:
                continue
            age = self.now - flight.began
            if age >= self._settings.deadline:
                self._give_up(flight)
                continue
            if age >= self._settings.stale_after:
                self._tell_stale(flight)
            last = flight.exchanges[-1]
            if self.now - last.asked_at >= self._settings.patience:
                last.upstream.failed(self.now, self._settings)
                self._ask(flight)

    def _look_again(self, flight: Flight, at: float) -> None:
        heapq.heappush(self._times, (at, next(self._order), flight))

    def _tell_stale(self, flight: Flight) -> None:
        """Answer those who have waited long with what was true yesterday; go on asking."""
        flight.console(lambda one: self._cache.stale(one.query_id, one.question, one.limit, self.now))

    def _ask(self, flight: Flight) -> None:
        """Ask one more upstream, the next if its socket cannot be opened."""
        while len(flight.tried) < flight.group.tries:
            upstream = flight.group.choose(flight.tried, self._dice)
            if upstream is None:
                break
            flight.tried.append(upstream)
            if self._depart(flight, upstream, flight.wants_tcp):
                return
        if not flight.exchanges:
            self._give_up(flight)

    def _depart(self, flight: Flight, upstream: Upstream, is_tcp: bool, has_edns: bool = True) -> bool:
        """Ask one upstream; False if it cannot be asked from here."""
        kind = TcpExchange if is_tcp else UdpExchange
        try:
            exchange = kind(upstream, flight.question, self.now, has_edns)
        except OSError as error:  # no way to it, its port closed: another may do
            if error.errno not in OWN_TROUBLES:
                upstream.failed(self.now, self._settings)
            return False
        flight.exchanges.append(exchange)
        self._watch.add(exchange, lambda: self._happened(flight, exchange))
        self._look_again(flight, self.now + self._settings.patience)
        return True

    def _happened(self, flight: Flight, exchange: Exchange) -> None:
        """Take what a socket has."""
        before = exchange.events
        try:
            message = exchange.take()
            if message is not None:
                self._answered(flight, exchange, read_answer(message))
            elif exchange.events != before:
                self._watch.change(exchange)
        except AskByTcp:
            self._replace(flight, exchange)
            if not self._depart(flight, exchange.upstream, is_tcp=True):
                self._ask(flight)
        except (Unanswered, Malformed):
            exchange.upstream.failed(self.now, self._settings)
            self._replace(flight, exchange)
            self._ask(flight)

    def _replace(self, flight: Flight, exchange: Exchange) -> None:
        flight.exchanges.remove(exchange)
        exchange.close()

    def _answered(self, flight: Flight, exchange: Exchange, body: Body) -> None:
        upstream = exchange.upstream
        upstream.succeeded()
        upstream.figures.answered(body.code, self.now - exchange.asked_at)
        if body.code in ANSWERS:
            self._cache.put(flight.question, body, self.now)
            self._land(flight, body)
        elif body.code in NO_EDNS and exchange.has_edns:
            self._replace(flight, exchange)
            if not self._depart(flight, upstream, exchange.is_tcp, has_edns=False):
                self._ask(flight)
        else:
            flight.poor = body
            self._replace(flight, exchange)
            if flight.group.has_untried(flight.tried):
                self._ask(flight)
            elif not flight.exchanges:
                self._give_up(flight)

    def _land(self, flight: Flight, body: Body) -> None:
        self._forget(flight)
        flight.land(body)

    def _give_up(self, flight: Flight) -> None:
        """Tell all what was true yesterday, or that nobody answers."""
        self._cache.fail(flight.question.key, self.now)
        self._tell_stale(flight)
        self._figures.failed += bool(flight.waiters)
        self._forget(flight)
        flight.crash()

    def _forget(self, flight: Flight) -> None:
        self.flights.pop(flight.question.key, None)
        if len(self._times) > TIMES_KEPT + 8 * len(self.flights):  # most are of flights that are over
            self._times = [one for one in self._times if not one[2].is_over]
            heapq.heapify(self._times)

"""One question on its way: who waits for it, where it has been asked, what came.

Clients that ask the same meanwhile wait for the same flight. So even a server that sends our own questions
back to us makes no storm: the question that comes back joins the flight that sent it, and both end in time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from service_proxy.dns.body import Body
from service_proxy.dns.exchange import Exchange
from service_proxy.dns.message import Question, compose, short
from service_proxy.dns.resolver import REFUSED, SERVFAIL, Address, Answer
from service_proxy.dns.upstreams import Group, Upstream

TCP_LIMIT = 65535  # bytes


class Crowd:
    """Who waits: how many, and how many for one client. Only the loop's thread counts."""

    def __init__(self, limit: int, limit_by_client: int) -> None:
        self._limit = limit
        self._limit_by_client = limit_by_client
        self._total = 0
        self._by_client: dict[Address, int] = {}

    def enter(self, client: Address) -> bool:
        """Let one in; False if there are too many."""
        mine = self._by_client.get(client, 0)
        if self._total >= self._limit or mine >= self._limit_by_client:
            return False
        self._total += 1
        self._by_client[client] = mine + 1
        return True

    def leave(self, client: Address) -> None:
        """Let one out."""
        self._total -= 1
        left = self._by_client.pop(client) - 1
        if left:
            self._by_client[client] = left


class Waiter(NamedTuple):
    """One client that waits. `limit`: bytes of its answer at most."""

    query_id: bytes
    question: Question
    client: Address
    is_tcp: bool
    limit: int
    answer: Answer

    def take(self, body: Body) -> None:
        """Answer with what came."""
        self.answer(compose(self.query_id, self.question, body, body.records, self.limit))

    def deny(self, flags: int) -> None:
        """Answer without records: TC or a code."""
        self.answer(short(self.query_id, self.question, flags))


@dataclass(eq=False)
class Flight:
    """All that is known of one question. Times are of the loop's clock, in seconds."""

    question: Question
    group: Group
    began: float
    crowd: Crowd
    waiters: list[Waiter] = field(default_factory=list)
    exchanges: list[Exchange] = field(
        default_factory=list
    )  # late answers count: none is closed before the end
    tried: list[Upstream] = field(default_factory=list)
    poor: Body | None = None  # what a server said that could not answer
    is_over: bool = False

    @property
    def wants_tcp(self) -> bool:
        """Tell whether to ask by TCP from the start: whoever came first did."""
        return bool(self.waiters) and self.waiters[0].is_tcp

    def land(self, body: Body) -> None:
        """Answer all who wait."""
        for waiter in self._everybody():
            waiter.take(body)
        self.close()

    def crash(self) -> None:
        """Tell all who wait that nobody could answer, in the words of whoever said so."""
        code = REFUSED if self.poor is not None and self.poor.code == REFUSED else SERVFAIL
        for waiter in self._everybody():
            waiter.deny(code)
        self.close()

    def console(self, old: Callable[[Waiter], bytes | None]) -> None:
        """Answer those for whom there is an old answer; the others wait on."""
        for waiter in self._everybody():
            if (found := old(waiter)) is not None:
                waiter.answer(found)
            else:
                self.crowd.enter(waiter.client)
                self.waiters.append(waiter)

    def _everybody(self) -> list[Waiter]:
        leaving, self.waiters = self.waiters, []
        for waiter in leaving:
            self.crowd.leave(waiter.client)
        return leaving

    def close(self) -> None:
        """Ask nobody any more."""
        self.is_over = True
        for waiter in self._everybody():
            waiter.deny(SERVFAIL)
        for exchange in self.exchanges:
            exchange.close()
        self.exchanges.clear()

"""What cannot be answered at once: names of others, aliases that lead there, all before the first snapshot.

A server that has just begun knows nothing, and must not deny what is there: the zone's names wait until
everything was told once, but not for ever (5 s, as
CoreDNS'), then they are a failure of the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import NamedTuple

from service_proxy.dns.answers import Answers
from service_proxy.dns.counting import OTHER, Tally
from service_proxy.dns.findings import Absence, Found
from service_proxy.dns.joining import alias_query, join
from service_proxy.dns.lookup import find
from service_proxy.dns.messages import Query, read, refuse
from service_proxy.dns.resolver import Answer, Quick, Resolver, Searcher
from service_proxy.dns.wire import NXDOMAIN, REFUSED, SERVFAIL
from service_proxy.model import Address

WAITING_MAX = 4096  # queries of at most 64 kB by TCP, 512 bytes as a rule


class Asked(NamedTuple):
    """A query and who asked it."""

    message: bytes
    client: Address
    is_stream: bool
    tally: Tally
    answer: Answer


class Later:
    """What is asked of others, and what waits."""

    def __init__(
        self, answers: Answers, resolver: Resolver | None = None, searcher: Searcher | None = None
    ) -> None:
        self._answers = answers
        self._resolver = resolver
        self._searcher = searcher
        if searcher is not None:
            answers.offer_denials()
        if isinstance(resolver, Quick):
            answers.at_hand = resolver.at_hand
        self._waiting: list[Asked] = []
        self._deadline = monotonic() + answers.zone.options.patience

    def take(self, asked: Asked) -> None:
        """Have a query answered that `Answers.answer` left."""
        if self._searcher is not None:
            denial = self._answers.answer(
                asked.message, asked.tally, is_stream=asked.is_stream, is_final=True
            )
            if denial is not None:
                self._search(self._searcher, denial, asked)
                return
        query = read(asked.message)
        if isinstance(query, bytes):
            asked.answer(query)
        elif not self._answers.is_ours(query.name):
            self._forward(query, asked)
        elif not self._answers.is_complete:
            self._wait(query, asked)
        else:
            self._continue(query, asked)

    def wake(self) -> None:
        """Answer what waits, if that is possible now or will not be in time; to be called now and then."""
        if self._waiting and (self._answers.is_complete or monotonic() > self._deadline):
            waiting, self._waiting = self._waiting, []
            for asked in waiting:
                self._again(asked)

    def _again(self, asked: Asked) -> None:
        reply = self._answers.answer(asked.message, asked.tally, is_stream=asked.is_stream)
        if reply is None:
            self.take(asked)
        else:
            asked.answer(reply)

    def _wait(self, query: Query, asked: Asked) -> None:
        if monotonic() > self._deadline or len(self._waiting) >= WAITING_MAX:
            _counted(query, asked)(refuse(query, SERVFAIL))
        else:
            self._waiting.append(asked)

    def _continue(self, query: Query, asked: Asked) -> None:
        found = find(self._answers.zone, query.name, query.type)
        if found is Absence.NOT_OURS:
            self._forward(query, asked, SERVFAIL)
        elif isinstance(found, Found) and found.beyond:
            self._follow(query, found, asked)
        else:  # it was not there when `Answers` looked, and others' threads change nothing
            _counted(query, asked)(refuse(query, SERVFAIL))

    def _search(self, searcher: Searcher, denial: bytes, asked: Asked) -> None:
        """Offer what is denied; it is counted as denied already."""
        give = partial(_give_instead, asked.tally.codes, asked.answer)
        if not searcher.search(asked.message, asked.client, asked.is_stream, give, denial):
            asked.answer(denial)

    def _follow(self, query: Query, found: Found, asked: Asked) -> None:
        """Ask others where an alias leads: a C library's resolver wants the addresses in the same answer."""
        alone = self._answers.preparer.prepare(found)
        if self._resolver is None:
            _counted(query, asked)(self._answers.render(query, alone, is_stream=asked.is_stream))
            return
        chain = self._answers.render(query, alone, is_stream=True)
        give = _counted(query, asked)
        self._resolver.resolve(
            alias_query(query, found.beyond),
            asked.client,
            asked.is_stream,
            lambda reply: give(join(query, chain, reply, is_stream=asked.is_stream)),
        )

    def _forward(self, query: Query, asked: Asked, code: int = REFUSED) -> None:
        if self._resolver is None:
            _counted(query, asked, is_foreign=code == REFUSED)(refuse(query, code))
        else:
            give = _counted(query, asked, is_foreign=True)
            self._resolver.resolve(asked.message, asked.client, asked.is_stream, give)


def _counted(query: Query, asked: Asked, *, is_foreign: bool = False) -> Callable[[bytes], None]:
    tally = asked.tally
    types = tally.foreign_types if is_foreign else tally.types
    codes = tally.foreign_codes if is_foreign else tally.codes
    types[query.type if query.type < 256 else OTHER] += 1
    return partial(_give, codes, asked.answer)


def _give(codes: list[int], answer: Answer, reply: bytes) -> None:
    if len(reply) > 3:
        codes[reply[3] & 0x0F] += 1
    answer(reply)


def _give_instead(codes: list[int], answer: Answer, reply: bytes) -> None:
    """Give what was found for what is denied, and count it so."""
    codes[NXDOMAIN] -= 1
    _give(codes, answer, reply)

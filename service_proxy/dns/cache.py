"""Answers of others, kept for as long as they hold, and longer for when nobody answers.

A hit costs one look-up: the answer lies there in wire form with the TTLs of this second. A second later the
TTLs are written anew, by the places noted when it came. The server's thread looks, the forwarder's puts:
each step is one dictionary operation, and a race between two of them loses a count at most.
"""

from __future__ import annotations

from collections.abc import Callable

from service_proxy.dns.body import Body, find_run, with_ttls
from service_proxy.dns.forward_figures import CacheFigures
from service_proxy.dns.forward_settings import CacheSettings
from service_proxy.dns.message import (
    HEADER,
    LARGEST_UDP,
    NO_RECORDS,
    OPT_HEAD,
    PLAIN_SIZE,
    Question,
    compose,
    opt_record,
)
from service_proxy.dns.resolver import AD, NXDOMAIN, QR, RA, RD

_QUESTION_ONLY, _WITH_OPT = b"\0\1" + NO_RECORDS, b"\0\1" + NO_RECORDS[:5] + b"\1"
FORMS = {  # the header's end of nearly all queries: RD, perhaps AD, one question -> whether there is an OPT
    flags + counts: counts is _WITH_OPT
    for flags in (b"\x01\0", b"\x01\x20")
    for counts in (_QUESTION_ONLY, _WITH_OPT)
}
OPT_SIZE = 11  # bytes, without options
PLAIN_OPT_END = bytes(6)  # version 0, no flags, no options
OWN_OPT = opt_record(LARGEST_UDP, has_do=False)
FAILURE_TTL = 1  # seconds that a failure is remembered (RFC 9520 section 3.2: at least one)
ENTRY_COST = 900  # bytes that Python needs for an entry and its two keys, beside their bytes
CHANCES = 8  # entries that an eviction passes over because they were asked for
PREFETCH_AT = 0.9  # of an entry's life (CoreDNS's cache: the last 10 %)

Refresh = Callable[[Question], None]


class Entry:
    """One answer. Times are of one monotonic clock, in seconds."""

    __slots__ = (
        "body", "ends", "head", "head_with_opt", "hits", "is_asked_again", "is_negative", "kind", "question",
        "records", "run", "shown_until", "stored", "ttls",
    )  # fmt: skip

    def __init__(self, question: Question, body: Body, ttls: tuple[int, ...], now: float, ends: float):
        self.question = question
        self.body = body
        self.ttls = ttls
        self.stored = now
        self.ends = ends
        self.hits = 0
        self.is_asked_again = False
        self.is_negative = is_negative(body)
        self.kind = question.wire[-4:]  # type and class, which have no letter case
        flags = QR | RA | RD | body.code
        counts = b"".join(one.to_bytes(2) for one in body.counts)
        self.head = flags.to_bytes(2) + b"\0\1" + counts
        self.head_with_opt = self.head[:-2] + (body.counts[2] + 1).to_bytes(2)
        self.records = body.records
        self.run = find_run(body)
        self.shown_until = now  # nothing is shown yet

    @property
    def size(self) -> int:
        """Return what the entry takes, in bytes, about."""
        return ENTRY_COST + 2 * len(self.body.records) + 3 * len(self.question.wire)

    def show(self, now: float) -> None:
        """Write the TTLs of this second, and put another address first: many clients take the first."""
        age = int(now - self.stored)
        records = with_ttls(self.body, tuple(max(ttl - age, 0) for ttl in self.ttls))
        self.records = self.run.turned(records, age) if self.run is not None else records
        self.shown_until = min(self.stored + age + 1, self.ends)


class Cache:
    """The answers of one process. `refresh` is called for a popular one that ends soon."""

    def __init__(self, settings: CacheSettings, figures: CacheFigures, refresh: Refresh) -> None:
        self.settings = settings
        self.figures = figures
        self._refresh = refresh
        self._entries: dict[bytes, Entry] = {}  # by Question.key, the oldest first
        self._plain: dict[bytes, Entry] = {}  # those without EDNS flags, by the question in lower case
        self._size = 0
        self._failures: dict[bytes, float] = {}  # key -> until when

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Return what all entries take, in bytes, about."""
        return self._size

    def plain(self, query: bytes, is_tcp: bool, now: float) -> bytes | None:
        """Return the answer to a query as most are, None if it is not here or the query not so plain."""
        has_opt = FORMS.get(query[2:HEADER])
        question, limit = query[HEADER:], PLAIN_SIZE
        if has_opt:
            if query[-OPT_SIZE:-8] != OPT_HEAD or query[-6:] != PLAIN_OPT_END:
                return None
            question = query[HEADER:-OPT_SIZE]
            limit = max(min(int.from_bytes(query[-8:-6]), LARGEST_UDP), PLAIN_SIZE)
        entry = self._plain.get(question.lower())
        if entry is None or has_opt is None or not question.endswith(entry.kind):
            return None
        if now >= entry.shown_until and not self._renew(entry, now):
            return None
        if has_opt:
            answer = query[:2] + entry.head_with_opt + question + entry.records + OWN_OPT
        else:
            answer = query[:2] + entry.head + question + entry.records
        if len(answer) > limit and not is_tcp:
            return None
        entry.hits += 1
        self.figures.hits[entry.is_negative] += 1
        return answer

    def get(self, query_id: bytes, question: Question, limit: int, now: float) -> bytes | None:
        """Return the answer to any question that still holds, at most `limit` bytes."""
        entry = self._entries.get(question.key)
        if entry is None or (now >= entry.shown_until and not self._renew(entry, now)):
            return None
        entry.hits += 1
        self.figures.hits[entry.is_negative] += 1
        return compose(query_id, question, entry.body, entry.records, limit)

    def stale(self, query_id: bytes, question: Question, limit: int, now: float) -> bytes | None:
        """Return an answer that has ended, with a short TTL (RFC 8767)."""
        entry = self._entries.get(question.key)
        if entry is None or not self.has_stale(question, now):
            return None
        self.figures.stale += 1
        records = with_ttls(entry.body, (self.settings.stale_ttl,) * len(entry.ttls))
        return compose(query_id, question, entry.body, records, limit)

    def has_stale(self, question: Question, now: float) -> bool:
        """Tell whether there is an answer, be it one that has ended."""
        entry = self._entries.get(question.key)
        return entry is not None and now < entry.ends + self.settings.stale

    def _renew(self, entry: Entry, now: float) -> bool:
        """Show an entry's TTLs of now; False: it has ended."""
        if now >= entry.ends:
            return False
        entry.show(now)
        popular = self.settings.popular
        is_late = now >= entry.stored + PREFETCH_AT * (entry.ends - entry.stored)
        if popular and is_late and entry.hits >= popular and not entry.is_asked_again:
            entry.is_asked_again = True
            self.figures.prefetches += 1
            self._refresh(entry.question)
        return True

    def put(self, question: Question, body: Body, now: float) -> None:
        """Keep an answer, if it may be kept."""
        ttls = self._kept(body)
        if ttls is None:
            return
        entry = Entry(question, body, ttls, now, now + min(ttls))
        self.remove(question.key)
        self._entries[question.key] = entry
        self._size += entry.size
        if (plain := _plain_key(question)) is not None and not body.flags & AD:
            self._plain[plain] = entry
        while len(self._entries) > self.settings.entries or self._size > self.settings.size:
            self._evict()

    def remove(self, key: bytes) -> None:
        """Forget an answer, known or not."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._size -= entry.size
        if (plain := _plain_key(entry.question)) is not None:
            self._plain.pop(plain, None)

    def fail(self, key: bytes, now: float) -> None:
        """Remember for a moment that nobody could answer."""
        if len(self._failures) >= self.settings.entries:
            self._failures.clear()
        self._failures[key] = now + FAILURE_TTL

    def has_failed(self, key: bytes, now: float) -> bool:
        """Tell whether nobody could answer a moment ago."""
        until = self._failures.get(key)
        if until is None:
            return False
        if now >= until:
            self._failures.pop(key, None)
        return now < until

    def _kept(self, body: Body) -> tuple[int, ...] | None:
        """Return the TTLs under which an answer is kept, None if it is not (RFC 2308 section 5)."""
        settings = self.settings
        negative = is_negative(body)
        if body.code not in (0, NXDOMAIN) or (negative and body.soa_minimum < 0):
            return None
        longest = min(settings.longest_negative, body.soa_minimum) if negative else settings.longest
        ttls = tuple(min(ttl, longest) for _, ttl in body.ttls)
        return ttls if ttls and min(ttls) > 0 else None

    def _evict(self) -> None:
        """Forget the oldest that nobody has asked for since it was looked at last."""
        for _ in range(CHANCES):
            key = next(iter(self._entries))
            entry = self._entries[key]
            if not entry.hits:
                break
            entry.hits = 0
            del self._entries[key]
            self._entries[key] = entry
        self.remove(next(iter(self._entries)))
        self.figures.evictions += 1


def is_negative(body: Body) -> bool:
    """Tell whether an answer is a "no": no such name, or nothing of that type."""
    return body.code == NXDOMAIN or body.soa_minimum >= 0 or not body.counts[0]


def _plain_key(question: Question) -> bytes | None:
    """Return the key of `Cache.plain`; None for answers that only some clients may have."""
    return question.wire.lower() if question.key[len(question.wire) :] == b"\0" else None

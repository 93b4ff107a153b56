"""A pod's search list, walked here instead of by the pod.

With `ndots:5` a pod asks for example.com as example.com.NAMESPACE.svc.ZONE first, then with each other domain
of its list, and at last as it is: five questions and their answers, twice. That it is a pod's first question
we see by its name, and that the pod is of that namespace by its address; so it can be told at once that its
name is an alias of the one that is there, as CoreDNS's autopath does.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from service_proxy.dns.answers import Answers
from service_proxy.dns.body import Body
from service_proxy.dns.cache import Cache
from service_proxy.dns.findings import Absence
from service_proxy.dns.flight import TCP_LIMIT, Waiter
from service_proxy.dns.forward_figures import CacheFigures, ForwardFigures
from service_proxy.dns.forward_settings import CacheSettings
from service_proxy.dns.lookup import find
from service_proxy.dns.message import (
    LARGEST_UDP,
    NAME_LIMIT,
    Malformed,
    Question,
    opt_record,
    read_question,
    wire_name,
)
from service_proxy.dns.messages import read
from service_proxy.dns.pod_resolv_conf import search_list
from service_proxy.dns.renaming import AAAA, A, under_alias
from service_proxy.dns.resolver import NXDOMAIN, RD, SERVFAIL, TC, Address, Answer, Resolver
from service_proxy.dns.zone import Zone

SERIAL = 1  # of an SOA that says how long a "no" holds, and no more

NamespaceOf = Callable[[Address], str | None]  # of a client's address; None: not a pod we know
Look = Callable[[bytes], bytes | None]  # the zone's answer to a query; None: others must be asked


class Autopath:
    """The searcher of one server (`resolver.Searcher`). `host`: the node's search list, after the zone's."""

    def __init__(
        self,
        look: Look,
        resolver: Resolver,
        namespace_of: NamespaceOf,
        figures: ForwardFigures,
        *,
        domain: str = "cluster.local",
        host: tuple[str, ...] = (),
    ) -> None:
        """Raises Malformed: a domain that is none."""
        self._look = look
        self._resolver = resolver
        self._namespace_of = namespace_of
        self._figures = figures
        self._services = wire_name(f"svc.{domain}")
        self._domains = [wire_name(one) for one in (*search_list("-", domain, host)[1:], ".")]
        self._cache = Cache(CacheSettings(popular=0, stale=0), CacheFigures(), lambda question: None)

    def search(self, query: bytes, client: Address, is_tcp: bool, answer: Answer, denial: bytes) -> bool:
        """Take a query over that the zone denies (`Searcher.search`)."""
        try:
            question = read_question(query)
        except Malformed:
            return False
        base = self._base(question, client)
        if base is None:
            return False
        limit = TCP_LIMIT if is_tcp else min(question.size, LARGEST_UDP)
        known = self._cache.get(query[:2], question, limit, time.monotonic())
        if known is not None:
            answer(known)
            return True
        waiter = Waiter(query[:2], question, client, is_tcp, limit, answer)
        names = [base + domain for domain in self._domains if len(base + domain) <= NAME_LIMIT]
        Search(self._look, self._resolver, waiter, names, denial, self._found).begin()
        return True

    def _found(self, question: Question, body: Body) -> None:
        self._figures.searched += 1
        self._cache.put(question, body, time.monotonic())

    def _base(self, question: Question, client: Address) -> bytes | None:
        """Return the labels before the client's own namespace; None where it is no pod's first question."""
        name = question.name
        if question.type not in (A, AAAA) or not question.flags & RD or not name.endswith(self._services):
            return None
        namespace = self._namespace_of(client)
        if namespace is None:
            return None
        try:
            first = wire_name(namespace)[:-1] + self._services
        except Malformed:  # nobody's namespace
            return None
        at = 0
        while len(name) - at > len(first):
            at += name[at] + 1
        return name[:at] if at and name[at:] == first else None


class Search:
    """One walk through a search list. After `begin` it goes on in the thread that each answer comes in."""

    def __init__(
        self,
        look: Look,
        resolver: Resolver,
        waiter: Waiter,
        names: list[bytes],
        denial: bytes,
        found: Callable[[Question, Body], None],
    ) -> None:
        self._look = look
        self._resolver = resolver
        self._waiter = waiter
        self._names = names
        self._denial = denial
        self._found = found
        self._has_failed = False

    def begin(self) -> None:
        """Look into the zone for as long as the names are its own, which only the server's thread may."""
        while self._names:
            reply = self._look(self._query(self._names[0]))
            if reply is None:
                break
            name = self._names.pop(0)
            if reply[3] & 15 != NXDOMAIN:
                self._take(name, reply)
                return
        self._ask()

    def _ask(self) -> None:
        """Ask others for the next name."""
        if not self._names:
            self._end()
            return
        name = self._names.pop(0)
        waiter = self._waiter
        query = self._query(name)
        self._resolver.resolve(query, waiter.client, waiter.is_tcp, lambda reply: self._came(name, reply))

    def _came(self, name: bytes, reply: bytes) -> None:
        code = reply[3] & 15
        if code == 0:
            self._take(name, reply)
        else:  # as libresolv: a server that cannot answer for one domain does not end the search
            self._has_failed |= code != NXDOMAIN
            self._ask()

    def _take(self, name: bytes, reply: bytes) -> None:
        if reply[2] & TC >> 8:
            self._waiter.deny(TC)  # the client comes again by TCP
            return
        try:
            body = under_alias(self._waiter.question, name, reply)
        except Malformed:
            self._waiter.deny(SERVFAIL)
            return
        self._found(self._waiter.question, body)
        self._waiter.take(body)

    def _end(self) -> None:
        if self._has_failed:
            self._waiter.deny(SERVFAIL)
        else:
            self._waiter.answer(self._denial)

    def _query(self, name: bytes) -> bytes:
        head = self._waiter.query_id + RD.to_bytes(2) + b"\0\1\0\0\0\0\0\1"
        return head + name + self._waiter.question.wire[-4:] + opt_record(LARGEST_UDP, has_do=False)


def look_into(zone: Zone) -> Look:
    """Return what looks into a server's zone, in the server's own thread."""
    answers = Answers(zone, SERIAL)

    def look(message: bytes) -> bytes | None:
        query = read(message)
        if isinstance(query, bytes):
            return None
        found = find(zone, query.name, query.type)
        if found is Absence.NOT_OURS or (not isinstance(found, Absence) and found.beyond):
            return None
        return answers.render(query, answers.preparer.prepare(found), is_stream=True)

    return look

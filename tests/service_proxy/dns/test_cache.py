"""What is kept of others' answers, for how long, and how it is told."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.rrset
import pytest

from service_proxy.dns.body import find_run
from service_proxy.dns.cache import Cache
from service_proxy.dns.forward_figures import CacheFigures
from service_proxy.dns.forward_settings import CacheSettings
from service_proxy.dns.message import Question, read_answer, read_question
from tests.service_proxy.dns.faulty_server import denial, records


class World:
    """A cache, and what it wants to be asked for again. `query` and `told` speak of one name."""

    def __init__(self, **settings: int) -> None:
        self.figures = CacheFigures()
        self.refreshed: list[Question] = []
        self.cache = Cache(CacheSettings(**settings), self.figures, self.refreshed.append)

    def put(self, answer: dns.message.Message, query: dns.message.Message, now: float = 0.0) -> None:
        self.cache.put(read_question(query.to_wire()), read_answer(answer.to_wire()), now)

    def get(self, query: dns.message.Message, now: float, limit: int = 1232) -> dns.message.Message | None:
        wire = query.to_wire()
        plain = self.cache.plain(wire, False, now)
        found = self.cache.get(wire[:2], read_question(wire), limit, now)
        if plain is not None:
            assert plain == found
        return dns.message.from_wire(found) if found is not None else None

    def stale(self, query: dns.message.Message, now: float) -> dns.message.Message | None:
        wire = query.to_wire()
        found = self.cache.stale(wire[:2], read_question(wire), 1232, now)
        return dns.message.from_wire(found) if found is not None else None


A = dns.message.make_query("www.example", "A")


def test_ttls_fall_by_the_second_and_the_answer_ends_with_the_first() -> None:
    world = World()
    answer = records(A, "192.0.2.1", ttl=100)
    answer.additional.append(dns.rrset.from_text("ns.example.", 50, "IN", "A", "192.0.2.53"))
    world.put(answer, A, now=10.0)
    for now, ttls in ((10.0, (100, 50)), (10.9, (100, 50)), (11.0, (99, 49)), (59.9, (51, 1))):
        found = world.get(A, now)
        assert found is not None and (found.answer[0].ttl, found.additional[0].ttl) == ttls
    assert world.get(A, 60.0) is None


@pytest.mark.parametrize("nodata", [False, True])
@pytest.mark.parametrize(("minimum", "longest", "holds"), [(20, 30, 20), (500, 30, 30), (500, 400, 300)])
def test_a_no_holds_as_long_as_its_soa_says(nodata: bool, minimum: int, longest: int, holds: int) -> None:
    world = World(longest_negative=longest)
    world.put(denial(A, minimum, nodata=nodata), A)
    found = world.get(A, holds - 0.5)
    assert found is not None and found.rcode() == (0 if nodata else 3) and found.authority[0].ttl == 1
    assert world.get(A, holds) is None


def test_an_answer_is_not_kept_for_longer_than_allowed() -> None:
    world = World(longest=3600)
    world.put(records(A, "192.0.2.1", ttl=1 << 30), A)
    found = world.get(A, 0.0)
    assert found is not None and found.answer[0].ttl == 3600
    assert world.get(A, 3600.0) is None


@pytest.mark.parametrize(
    "answer",
    [records(A), records(A, code=3), records(A, code=2), records(A, "192.0.2.1", ttl=0), denial(A, 0)],
    ids=["no SOA", "no name, no SOA", "SERVFAIL", "TTL 0", "minimum 0"],
)
def test_what_may_not_be_kept_is_not(answer: dns.message.Message) -> None:
    world = World()
    world.put(answer, A)
    assert len(world.cache) == 0 and world.cache.size == 0


def test_letter_case_is_the_askers() -> None:
    world = World()
    world.put(records(A, "192.0.2.1"), A)
    found = world.get(dns.message.make_query("wWw.eXample", "A"), 1.0)
    assert found is not None and str(found.question[0].name) == "wWw.eXample." == str(found.answer[0].name)


def test_a_type_that_is_a_letter_of_another_is_another() -> None:
    world = World()
    lower = dns.message.make_query("www.example", "TYPE97")  # 0x61, "a"; HTTPS is 65, "A"
    world.put(denial(lower, nodata=True), lower)
    assert world.get(lower, 0.0) is not None
    assert world.get(dns.message.make_query("www.example", "HTTPS"), 0.0) is None


def test_who_wants_signatures_has_answers_of_its_own() -> None:
    world = World()
    signed = dns.message.make_query("www.example", "A", want_dnssec=True)
    world.put(records(A, "192.0.2.1"), A)
    assert world.get(signed, 0.0) is None
    world.put(records(signed, "192.0.2.2"), signed)
    found = world.get(signed, 0.0)
    assert found is not None and found.ednsflags and found.answer[0][0].to_text() == "192.0.2.2"
    plain = world.get(A, 0.0)
    assert plain is not None and plain.edns == -1 and plain.answer[0][0].to_text() == "192.0.2.1"


def test_another_subnet_is_another_question() -> None:
    world = World()
    near, far = (
        dns.message.make_query("www.example", "A", use_edns=0, options=[dns.edns.ECSOption(one, 24)])
        for one in ("192.0.2.0", "198.51.100.0")
    )
    world.put(records(near, "192.0.2.1"), near)
    assert world.get(near, 0.0) is not None and world.get(far, 0.0) is None and world.get(A, 0.0) is None


def test_the_dead_are_told_for_a_day_with_a_short_ttl() -> None:
    world = World(stale=86400, stale_ttl=30)
    world.put(records(A, "192.0.2.1", ttl=60), A)
    assert world.get(A, 61.0) is None
    found = world.stale(A, 80000.0)
    assert found is not None and found.answer[0].ttl == 30
    assert world.stale(A, 60.0 + 86400) is None


def test_a_popular_name_is_asked_for_again_before_it_ends_but_once() -> None:
    world = World(popular=3)
    world.put(records(A, "192.0.2.1", ttl=100), A)
    for now in (1.0, 2.0, 89.0):
        world.get(A, now)
    assert not world.refreshed
    for now in (90.0, 91.0, 92.0):
        world.get(A, now)
    assert [one.name for one in world.refreshed] == [b"\3www\7example\0"]
    assert world.figures.prefetches == 1


def test_it_is_never_larger_than_it_may_be_and_what_is_asked_for_stays() -> None:
    world = World(entries=100)
    world.put(records(A, "192.0.2.1"), A)
    for number in range(1000):
        query = dns.message.make_query(f"n{number}.example", "A")
        world.put(records(query, "192.0.2.1"), query)
        world.get(A, 1.0)
    assert len(world.cache) == 100 and world.get(A, 1.0) is not None
    assert world.figures.evictions == 901


def test_it_is_bounded_by_bytes_and_what_is_forgotten_is_not_counted() -> None:
    world = World(size=200_000)
    long = [f"192.0.{high}.{low}" for high in range(3) for low in range(100)]
    for number in range(100):
        query = dns.message.make_query(f"n{number}.example", "A")
        answer = records(query, *long).to_wire(max_size=65535)
        world.cache.put(read_question(query.to_wire()), read_answer(answer), 0.0)
        assert world.cache.size <= 200_000
    for number in range(100):
        world.cache.remove(read_question(dns.message.make_query(f"n{number}.example", "A").to_wire()).key)
    assert len(world.cache) == 0 == world.cache.size


@pytest.mark.parametrize("is_alias", [False, True])
def test_each_second_another_address_is_first(is_alias: bool) -> None:
    world = World()
    name = "real.example." if is_alias else "www.example."
    answer = records(A, name, kind="CNAME") if is_alias else records(A)
    answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", *(f"192.0.2.{one}" for one in range(4))))
    world.put(answer, A)
    orders = []
    for second in range(8):
        found = world.get(A, float(second))
        assert found is not None
        orders.append([one.to_text() for one in found.answer[-1]])
    assert {len(set(one)) for one in orders} == {4} and len({one[0] for one in orders}) == 4
    assert orders[0] == orders[4]


@pytest.mark.parametrize("kinds", [("A", "AAAA"), ("A", "TXT"), ("MX", "MX")])
def test_an_order_that_means_something_stays(kinds: tuple[str, str]) -> None:
    data = {"A": "192.0.2.1", "AAAA": "2001:db8::1", "TXT": "x", "MX": "10 mail.example."}
    answer = records(A)
    for number, kind in enumerate(kinds):
        owner = "www.example." if number == 0 else "other.example."
        answer.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, data[kind]))
    assert find_run(read_answer(answer.to_wire())) is None

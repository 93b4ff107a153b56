"""5,000 nodes' records, from text to what should be in the kernel: what an agent does when it starts."""

from __future__ import annotations

import itertools
import time

from linuxnet.forwarding_dumps import Seen
from overlay.admission import Admission
from overlay.difference import difference
from overlay.flannel_form import dump_lease, load_lease
from overlay.ways import NexthopNumbers, entries_of
from tests.overlay.records import node, place

NODES = 5000
GENEROUS = 3.0  # seconds; a tenth of that is what it should be


def test_5000_records_are_read_believed_and_planned_in_a_moment() -> None:
    made = [node(n, f"10.{n >> 8}.{n & 255}.0/24") for n in range(256, 256 + NODES)]
    values = [(one.key, dump_lease(one)) for one in made]
    where = place("10.200.0.0/24", networks=(place().networks[0]._replace(base=10 << 24, length=8),))
    times = [time.perf_counter()]
    records = [load_lease(key, value, created=n) for n, (key, value) in enumerate(values)]
    times.append(time.perf_counter())
    admission = Admission(where)
    for record in records:
        admission.offer(record)
    times.append(time.perf_counter())
    numbers = NexthopNumbers()
    planned = [one for record in admission.admitted.values() for one in entries_of(where, record, numbers)]
    wanted = {one.key: one for one in planned}
    found = difference(wanted, Seen())
    times.append(time.perf_counter())
    steps = [round(1000 * (after - before)) for before, after in itertools.pairwise(times)]
    print(f"{NODES} records: read {steps[0]} ms, believed {steps[1]} ms, planned {steps[2]} ms")
    assert len(admission.admitted) == NODES and len(found.added) == 4 * NODES
    assert times[-1] - times[0] < GENEROUS


def test_a_thousand_liars_cost_no_more_than_as_many_honest_nodes() -> None:
    honest = [node(n, f"10.244.{n % 250}.0/24", key=f"n{n}") for n in range(1, 250)]
    liars = [node(n, "10.244.0.0/18", created=10_000 + n, key=f"liar{n}") for n in range(1000, 6000)]
    started = time.perf_counter()
    admission = Admission(place())
    for record in [*liars, *honest, *liars]:
        admission.offer(record)
    for record in liars:
        admission.withdraw(record.key)
    assert not admission.refused and len(admission.admitted) == len(honest)
    assert time.perf_counter() - started < GENEROUS

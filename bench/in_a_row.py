"""Pods one after another on one host: what the thousandth costs beside the first, and what an agent keeps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.chains import chain
from bench.contenders import Host, Json, agent_host, agent_status, in_threads, plain_host, pods
from bench.report import Row
from linuxnet.netns import inside

HUNDRED, WARM_UP_PODS, WARM_UP_WAVES = 100, 20, 2
GROWTH_LIMIT, MEMORY_GROWTH_LIMIT, MEMORY_LIMIT = 1.15, 1.1, 80.0  # x, x, MiB
# chain, limit of its ADD's growth; the limited one's agent is looked at, too
CHAINS = (("ptp, ipMasq, portmap", GROWTH_LIMIT), ("ipMasq, portmap", None))


@dataclass(frozen=True)
class Run:
    """Milliseconds of each ADD and each DEL, the fewest pods first; and `look` before, amid and after."""

    times: dict[str, list[float]]
    looks: tuple[Json, Json, Json]

    def edges(self, verb: str) -> tuple[float, float]:
        """Return what a call takes with the fewest pods there and with the most: medians of a hundred."""
        times = self.times[verb]
        share = min(HUNDRED, len(times) // 2)
        return median(times[:share]), median(times[-share:])


def rows_of_pods(ours: Path, theirs: Path | None, number: int, say: Callable[[str], None]) -> list[Row]:
    """Measure each chain; the Go plugins too if their folder is given, which takes minutes."""
    rows = []
    for name, limit in CHAINS:
        say(f"{number} pods in a row: {name}")
        run = _attach_in_a_row(agent_host(ours), agent_status, name, number)
        peer = None
        if theirs is not None:
            say(f"{number} pods in a row: {name}, Go plugins")
            peer = _attach_in_a_row(plain_host("peer", theirs), lambda _: {}, name, number)
        for verb in ("ADD", "DEL"):
            rows += _growth(verb, name, run, peer, limit if verb == "ADD" else None)
        if limit is not None:
            rows += _footprint(number, *run.looks)
    return rows


def _attach_in_a_row(
    making: AbstractContextManager[Host], look: Callable[[Host], Json], name: str, number: int
) -> Run:
    names, warm_up = (
        [f"{kind}-{i}" for i in range(n)] for kind, n in (("row", number), ("warm", WARM_UP_PODS))
    )
    with making as host, inside(host.netns), pods([*warm_up, *names]):
        for act in (host.add, host.delete) * WARM_UP_WAVES:
            tasks = [partial(act, pod, chain(name, number + i)) for i, pod in enumerate(warm_up)]
            in_threads(host, WARM_UP_PODS, tasks)
        before = look(host)
        adds = [host.add(pod, chain(name, i)) for i, pod in enumerate(names)]
        full = look(host)
        deletes = [host.delete(pod, chain(name, i)) for i, pod in enumerate(names)]
        return Run({"ADD": adds, "DEL": deletes[::-1]}, (before, full, look(host)))


def _growth(verb: str, name: str, run: Run, peer: Run | None, limit: float | None) -> list[Row]:
    """Compare the edges as a ratio, and as the milliseconds that lie between them."""
    (first, last), theirs = run.edges(verb), peer.edges(verb) if peer else None
    share = min(HUNDRED, len(run.times[verb]) // 2)
    what = f"{verb}, last {share} of {len(run.times[verb])}"
    ratio, more = (theirs[1] / theirs[0], theirs[1] - theirs[0]) if theirs else (None, None)
    return [
        Row(f"{what} over first, {name}", "x", last / first, ratio, limit=limit, limited="ours"),
        Row(f"{what} less first, {name}", "ms", last - first, more),
    ]


def _footprint(number: int, before: Json, full: Json, after: Json) -> list[Row]:
    """Compare what an agent takes before, with all the pods, and after their DEL."""
    mebibytes = {"with": full["memory"] / (1 << 20), "after": after["memory"] / (1 << 20)}
    return [
        Row("agent's memory after/before", "x", after["memory"] / before["memory"],
            limit=MEMORY_GROWTH_LIMIT, limited="ours"),
        *(Row(f"agent's memory {when} {number} pods", "MiB", taken, limit=MEMORY_LIMIT, limited="ours")
          for when, taken in mebibytes.items()),
        Row("agent's descriptors after/before", "x", after["descriptors"] / before["descriptors"], limit=1.0,
            limited="ours"),
    ]  # fmt: skip

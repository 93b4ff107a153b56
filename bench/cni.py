"""Attaching and detaching pods: ours through the agent, ours in process, the Go plugins.

ours   the launcher and the agent; "in process" is the launcher without an agent: a whole Python a plugin
peer   the Go plugins (--cni-path), by exec
"executions" and "netlink sends" of ours are counted without an agent too, where both are in one process;
by the agent a plugin is one execution, of its launcher.
Pods in a row: the limit is on ptp. On one bridge the kernel itself gets slower with every port (it walks them
when one is added, and floods each newcomer's packets to all): docs/performance.md.
Same harness, same run, interleaved, each contender on a host (a network namespace) of its own. A chain's
time is that of its processes, from exec to exit; medians of --rounds rounds, in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from bench.chains import chain
from bench.contenders import (
    Host,
    Json,
    agent_host,
    agent_status,
    execute,
    in_threads,
    make_mounts_private,
    plain_host,
    pods,
    write_launchers,
)
from bench.plot import Bar, draw
from bench.report import RESULTS, Row
from bench.traces import count_calls
from linuxnet.netns import inside

# chain, limit of its ADD's ratio, of its DEL's
SINGLE = (
    ("plain", 0.75, None),
    ("ipMasq", 0.35, None),
    ("ipMasq, portmap", 0.2, 0.25),
    ("dual stack, ipMasq", 0.3, None),
    ("podman's chain", None, None),
)
CROWD, AT_ONCE = 100, 20
CROWD_LIMITS = {"ADD": 0.2, "DEL": 0.1}
ROW_OF_PODS, HUNDRED = 1000, 100
GROWTH_LIMIT, MEMORY_GROWTH_LIMIT, MEMORY_LIMIT = 1.15, 1.1, 80.0  # x, x, MiB
STARTS_LIMIT = 60  # bare interpreters
BUSY, POINT_TO_POINT = "ipMasq, portmap", "ptp, ipMasq, portmap"
WARM_UP = 2  # rounds


@dataclass
class Times:
    """What one host took, in milliseconds, by verb."""

    host: Host
    times: dict[str, list[float]] = field(default_factory=lambda: {"ADD": [], "DEL": []})

    def median(self, verb: str) -> float:
        """Return the median of a verb."""
        return median(self.times[verb])


def measure(arguments: list[str]) -> list[Row]:
    """Measure everything and return the rows; the plot is written beside the results."""
    parser = argparse.ArgumentParser(prog="bench cni")
    parser.add_argument(
        "--cni-path", type=Path, default=Path("/usr/lib/cni"), help="where the Go plugins are"
    )
    parser.add_argument("--rounds", type=int, default=25, help="pods of each kind")
    parser.add_argument("--pods", type=int, default=ROW_OF_PODS, help="pods in a row, for growth")
    parser.add_argument("--svg", type=Path, default=RESULTS / "cni.svg", help="where the plot goes")
    chosen = parser.parse_args(arguments)
    make_mounts_private()
    with tempfile.TemporaryDirectory(prefix="bench-cni-") as folder:
        ours = write_launchers(Path(folder, "bin"))
        rows, bars = [], []
        for name, add_limit, del_limit in SINGLE:
            found, bar = _single(name, ours, chosen.cni_path, chosen.rounds, (add_limit, del_limit))
            rows += found
            bars.append(bar)
        rows += _crowd(ours, chosen.cni_path)
        rows += _row_of_pods(ours, chosen.pods)
        rows += _costs(ours, chosen.cni_path)
    chosen.svg.parent.mkdir(exist_ok=True)
    chosen.svg.write_text(draw("ADD of one pod: milliseconds, median", bars), encoding="utf-8")
    return rows


def _single(
    name: str, ours: Path, theirs: Path, rounds: int, limits: tuple[float | None, float | None]
) -> tuple[list[Row], Bar]:
    """Measure one chain, a pod at a time; the row of the ADD in process comes third."""
    _say(f"single pods: {name}")
    with ExitStack() as stack:
        contenders = [
            Times(stack.enter_context(agent_host(ours))),
            Times(stack.enter_context(plain_host("peer", theirs))),
            Times(stack.enter_context(plain_host("in process", ours, {"PODWIRE_AGENT": "never"}))),
        ]
        names = [f"{i}-{number}" for i in range(3) for number in range(rounds + WARM_UP)]
        stack.enter_context(pods(names))
        for number in range(rounds + WARM_UP):
            for i, one in enumerate(contenders):
                if i < 2 or number % 3 == 0:  # a third of the rounds will do for what is slow
                    _round(one, f"{i}-{number}", chain(name, number), is_counted=number >= WARM_UP)
    by_agent, peer, alone = contenders
    rows = [
        Row(f"{verb}, {name}", "ms", by_agent.median(verb), peer.median(verb), limit=limit)
        for verb, limit in zip(("ADD", "DEL"), limits, strict=True)
    ]
    rows.append(Row(f"ADD in process, {name}", "ms", alone.median("ADD"), peer.median("ADD")))
    if name == "plain":
        bare = _bare_start(rounds)
        ratio = alone.median("ADD") / bare
        rows.append(
            Row("ADD in process over a bare python -I -S", "x", ratio, limit=STARTS_LIMIT, limited="ours")
        )
    return rows, Bar(name, peer.median("ADD"), alone.median("ADD"), by_agent.median("ADD"))


def _round(one: Times, pod: str, bodies: Sequence[Json], *, is_counted: bool) -> None:
    with inside(one.host.netns):
        took = {"ADD": one.host.add(pod, bodies), "DEL": one.host.delete(pod, bodies)}
    if is_counted:
        for verb, times in one.times.items():
            times.append(took[verb])


def _bare_start(rounds: int) -> float:
    command = [sys.executable, "-I", "-S", "-c", ""]
    return median(execute(command, {"PATH": os.environ["PATH"]}, {})[0] for _ in range(rounds))


def _crowd(ours: Path, theirs: Path) -> list[Row]:
    """Measure a hundred pods, twenty at a time: total times; twice each, the faster counts."""
    totals: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        hosts = [stack.enter_context(agent_host(ours)), stack.enter_context(plain_host("peer", theirs))]
        for turn in range(2):
            for host in hosts:
                _say(f"{CROWD} pods, {AT_ONCE} at a time: {host.name}")
                names = [f"{host.name}-{turn}-{number}" for number in range(CROWD)]
                with pods(names):
                    for verb, act in (("ADD", host.add), ("DEL", host.delete)):
                        tasks = [partial(act, pod, chain(BUSY, i)) for i, pod in enumerate(names)]
                        totals.setdefault((host.name, verb), []).append(in_threads(host, AT_ONCE, tasks))
    return [
        Row(f"{verb} of {CROWD} pods, {AT_ONCE} at a time", "ms", min(totals["ours", verb]),
            min(totals["peer", verb]), limit=limit)
        for verb, limit in CROWD_LIMITS.items()
    ]  # fmt: skip


def _row_of_pods(ours: Path, number: int) -> list[Row]:
    """Measure pods in a row through one agent: growth of time, memory and descriptors."""
    rows = []
    for name, limit in ((POINT_TO_POINT, GROWTH_LIMIT), (BUSY, None)):
        _say(f"{number} pods in a row: {name}")
        pod_names, warm_up = (
            [f"{kind}-{i}" for i in range(n)] for kind, n in (("row", number), ("warm", AT_ONCE))
        )
        with agent_host(ours) as host, inside(host.netns), pods([*warm_up, *pod_names]):
            for act in (host.add, host.delete) * WARM_UP:
                tasks = [partial(act, pod, chain(name, number + i)) for i, pod in enumerate(warm_up)]
                in_threads(host, AT_ONCE, tasks)
            before = agent_status(host)
            adds = [host.add(pod, chain(name, i)) for i, pod in enumerate(pod_names)]
            full = agent_status(host)
            deletes = [host.delete(pod, chain(name, i)) for i, pod in enumerate(pod_names)]
            after = agent_status(host)
        rows += [_growth("ADD", name, adds, limit), _growth("DEL", name, deletes[::-1], None)]
        if limit is not None:
            rows += _footprint(number, before, full, after)
    return rows


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


def _growth(verb: str, name: str, times: Sequence[float], limit: float | None) -> Row:
    """Compare the hundred with the most pods there to the hundred with the fewest."""
    share = min(HUNDRED, len(times) // 2)
    name = f"{verb}, last {share} of {len(times)} over first, {name}"
    return Row(name, "x", median(times[-share:]) / median(times[:share]), limit=limit, limited="ours")


def _costs(ours: Path, theirs: Path) -> list[Row]:
    """Count what an ADD makes the machine do, where strace is installed."""
    _say("executions and netlink messages")
    counts: dict[str, tuple[int, int]] = {}
    makers: tuple[tuple[str, Callable[[], object]], ...] = (
        ("ours", lambda: plain_host("ours", ours, {"PODWIRE_AGENT": "never"})),
        ("peer", lambda: plain_host("peer", theirs)),
    )
    for name, make in makers:
        with make() as host, inside(host.netns), pods([f"{name}-0", f"{name}-1"]):  # type: ignore[attr-defined]
            host.add(f"{name}-0", chain(BUSY, 0))
            counted = count_calls(host, f"{name}-1", chain(BUSY, 1))
            if counted is None:
                return []
            counts[name] = counted
    return [
        Row(f"executions, ADD, {BUSY}", "number", counts["ours"][0], counts["peer"][0]),
        Row(f"netlink sends, ADD, {BUSY}", "number", counts["ours"][1], counts["peer"][1]),
    ]


def _say(what: str) -> None:
    print(f"bench cni: {what}", file=sys.stderr, flush=True)

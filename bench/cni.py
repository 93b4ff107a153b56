"""Attaching and detaching pods: ours through the agent, ours in process, the Go plugins.

ours   the launcher and the agent; "in process" is the launcher without an agent: a whole Python a plugin
peer   the Go plugins (--cni-path), by exec
"executions" and "netlink sends" of ours are the launchers' and the agent's together.
Pods in a row: the limit is on ptp. On one bridge the kernel itself gets slower with every port (it walks them
when one is added, and floods each newcomer's packets to all): docs/performance.md. --all measures the Go
plugins in a row too: their "ms less first" is what the kernel asks of anybody.
Same harness, same run, interleaved, each contender on a host (a network namespace) of its own. A chain's
time is that of its processes, from exec to exit; medians of --rounds rounds, in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
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
from bench.in_a_row import rows_of_pods
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
CROWD, AT_ONCE, TURNS = 100, 20, 2
CROWD_LIMITS = {"ADD": 0.2, "DEL": 0.1}
ROUNDS, ROW_OF_PODS = 25, 1000
QUICK_ROUNDS, QUICK_ROW = 6, 200
STARTS_LIMIT = 60  # bare interpreters
BUSY = "ipMasq, portmap"
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
    chosen = _parse(arguments)
    make_mounts_private()
    with tempfile.TemporaryDirectory(prefix="bench-cni-") as folder:
        ours = write_launchers(Path(folder, "bin"))
        rows, bars = [], []
        for name, add_limit, del_limit in SINGLE:
            found, bar = _single(name, ours, chosen.cni_path, chosen.rounds, (add_limit, del_limit))
            rows += found
            bars.append(bar)
        rows += _crowd(ours, chosen.cni_path, 1 if chosen.quick else TURNS)
        rows += rows_of_pods(ours, chosen.cni_path if chosen.all else None, chosen.pods, _say)
        rows += _costs(ours, chosen.cni_path)
    chosen.svg.parent.mkdir(exist_ok=True)
    chosen.svg.write_text(draw("ADD of one pod: milliseconds, median", bars), encoding="utf-8")
    return rows


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench cni")
    options: tuple[tuple[str, type, object, str], ...] = (
        ("--cni-path", Path, Path("/usr/lib/cni"), "where the Go plugins are"),
        ("--rounds", int, None, f"pods of each kind ({ROUNDS})"),
        ("--pods", int, None, f"pods in a row, for growth ({ROW_OF_PODS})"),
        ("--svg", Path, RESULTS / "cni.svg", "where the plot goes"),
    )
    for name, kind, default, said in options:
        parser.add_argument(name, type=kind, default=default, help=said)
    parser.add_argument("--quick", action="store_true", help="few rounds: figures for a first look")
    parser.add_argument("--all", action="store_true", help="the Go plugins in a row, too: minutes more")
    chosen = parser.parse_args(arguments)
    chosen.rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else ROUNDS)
    chosen.pods = chosen.pods or (QUICK_ROW if chosen.quick else ROW_OF_PODS)
    return chosen


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


def _crowd(ours: Path, theirs: Path, turns: int) -> list[Row]:
    """Measure a hundred pods, twenty at a time: total times; of each one's turns the fastest counts."""
    totals: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        hosts = [stack.enter_context(agent_host(ours)), stack.enter_context(plain_host("peer", theirs))]
        for turn in range(turns):
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


def _costs(ours: Path, theirs: Path) -> list[Row]:
    """Count what an ADD makes the machine do, where strace is installed."""
    _say("executions and netlink messages")
    counts = {}
    for making in (agent_host(ours), plain_host("peer", theirs)):
        with making as host, inside(host.netns), pods(["warm", "counted"]):
            host.add("warm", chain(BUSY, 0))
            agent = agent_status(host)["pid"] if host.name == "ours" else None
            counted = count_calls(host, "counted", chain(BUSY, 1), agent)
            if counted is None:
                _say("there is no strace: executions and netlink sends are left out")
                return []
            counts[host.name] = counted
    return [
        Row(f"{what}, ADD, {BUSY}", "number", counts["ours"][i], counts["peer"][i])
        for i, what in enumerate(("executions", "netlink sends"))
    ]


def _say(what: str) -> None:
    print(f"bench cni: {what}", file=sys.stderr, flush=True)

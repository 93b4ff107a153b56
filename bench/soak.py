"""Thousands of pods added and deleted in waves through one agent: nothing may grow.

Figures are what there is after the last wave less what there was after the first, which is to warm up; for
memory the quotient, too. Pods are attached twenty at a time, by bridge with ipMasq and a host port each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.chains import chain
from bench.contenders import (
    Host,
    agent_host,
    agent_status,
    in_threads,
    make_mounts_private,
    pods,
    write_launchers,
)
from bench.in_a_row import MEMORY_GROWTH_LIMIT, MEMORY_LIMIT
from bench.report import Row
from linuxnet.netns import inside

PODS, WAVE, AT_ONCE = 10_000, 100, 20
AT_REST = 10  # seconds after which a descriptor that is still open counts as left behind
CHAIN = "ipMasq, portmap"

Census = dict[str, int]


def measure(arguments: list[str]) -> list[Row]:
    """Run the waves and return a row for each thing that could grow."""
    parser = argparse.ArgumentParser(prog="bench soak")
    parser.add_argument("--pods", type=int, default=PODS, help="pods in all")
    chosen = parser.parse_args(arguments)
    make_mounts_private()
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as folder:
        ours = write_launchers(Path(folder, "bin"))
        with agent_host(ours) as host:
            before, after = soak(host, chosen.pods, progress=_say)
    return _rows(before, after)


def _rows(before: Census, after: Census) -> list[Row]:
    memory, mebibytes = after["memory"] / before["memory"], after["memory"] / (1 << 20)
    counts = (name for name in before if name != "memory")
    return [
        Row("memory, after/before", "x", memory, limit=MEMORY_GROWTH_LIMIT, limited="ours"),
        Row("memory after", "MiB", mebibytes, limit=MEMORY_LIMIT, limited="ours"),
        *(Row(f"{one} more", "number", after[one] - before[one], limit=0, limited="ours") for one in counts),
    ]


def soak(
    host: Host, number: int, wave: int = WAVE, progress: Callable[[str], None] = lambda _: None
) -> tuple[Census, Census]:
    """Add and delete pods in waves, and one wave before; return what there was before and after."""
    names = [f"soak-{i}" for i in range(wave)]
    with pods(names):
        _wave(host, names)
        before = census(host)
        for i in range(max(1, number // wave)):
            _wave(host, names)
            if (i + 1) % 10 == 0:
                progress(f"{(i + 1) * wave} pods")
        return before, _census_at_rest(host, before)


def _census_at_rest(host: Host, before: Census) -> Census:
    """Count once the last connections have ended, which they do a moment after their answers."""
    deadline = time.monotonic() + AT_REST
    while True:
        found = census(host)
        if found["descriptors"] <= before["descriptors"] or time.monotonic() > deadline:
            return found
        time.sleep(0.05)  # between two looks: nobody tells when the agent has closed a connection


def census(host: Host) -> Census:
    """Count what an agent has open, and what is left on its host and in the folders."""
    status = agent_status(host)
    with inside(host.netns):
        links = len(_lines("ip", "-o", "link"))
        elements = sum(line.count("comment") for line in _lines("nft", "list", "ruleset"))
    files = sum(1 for path in Path("/var/lib/cni").rglob("*") if path.is_file())
    found = {name: status[name] for name in ("memory", "descriptors", "threads")}
    return found | {"links": links, "nft elements": elements, "files": files}


def _wave(host: Host, names: list[str]) -> None:
    for act in (host.add, host.delete):
        tasks = [partial(act, pod, chain(CHAIN, i)) for i, pod in enumerate(names)]
        in_threads(host, AT_ONCE, tasks)


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _say(what: str) -> None:
    print(f"bench soak: {what}", file=sys.stderr, flush=True)

"""Thousands of pods added and deleted in waves through one agent: nothing may grow.

"before" is after one wave to warm up, "after" is after the last; pods are attached twenty at a time, by
bridge with masquerading and a host port each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
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
from bench.report import Row
from linuxnet.netns import inside

PODS, WAVE, AT_ONCE = 10_000, 100, 20
CHAIN = "ipMasq, portmap"
MEMORY_LIMIT = 1.1  # after over before

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
    return [
        Row(name, "number" if name != "memory" else "bytes", after[name] / max(1, before[name]),
            limit=MEMORY_LIMIT if name == "memory" else 1.0, limited="ours")
        for name in before
    ]  # fmt: skip


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
        return before, census(host)


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

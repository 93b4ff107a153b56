"""host-local's ADD and DEL with 0 to 60,000 addresses in use, ours against the Go plugin.

Ours is the plugin as the agent calls it, a function in a warm process; the Go plugin is started for each
call, as runtimes do, and its start (some 2 ms) is part of its figures: they tell what a call costs, not
what an algorithm does. The rows with "over 0" tell that: a figure divided by the one at an empty pool.
Each has a directory of its own with the same files; they take turns, five containers of ours for one of
the peer's, because after its reading of the whole directory the first call of ours finds cold caches.
Medians. "first ADD ever" is the only time that ours reads every file too, to make its index.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from netaddr import IPAddress

from bench.report import Row
from cni_plugins.registry import load_plugin
from cni_plugins.skeleton import answer

SIZES = (0, 1_000, 20_000, 60_000)
FIRST = IPAddress("10.64.0.2")
SUBNET = "10.64.0.0/14"
GROWTH_LIMIT = 1.5  # at 20,000; a plugin that reads the directory is at 50
LIMITED_SIZE = 20_000
IN_A_ROW = 5  # containers of ours for one of the peer's

Call = Callable[[str, str], None]  # verb, container id


@dataclass
class Contender:
    """One plugin, its directory, and what its calls took in milliseconds."""

    folder: Path
    call: Call
    times: dict[str, list[float]] = field(default_factory=lambda: {"ADD": [], "DEL": []})

    def time(self, verb: str, container_id: str) -> float:
        """Make a call and return how long it took, in milliseconds."""
        start = time.perf_counter()
        self.call(verb, container_id)
        return (time.perf_counter() - start) * 1000

    def round(self, number: int) -> None:
        """Add and delete one container."""
        for verb, times in self.times.items():
            times.append(self.time(verb, f"probe-{number}"))


def measure(arguments: list[str]) -> list[Row]:
    """Measure every size and return the rows."""
    parser = argparse.ArgumentParser(prog="bench ipam")
    parser.add_argument("--cni-path", default="/usr/lib/cni", help="where the Go plugin is")
    parser.add_argument("--rounds", type=int, default=40, help="calls of each kind; a third of it at 60,000")
    chosen = parser.parse_args(arguments)
    found: dict[int, tuple[Contender, Contender, Row]] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="bench-ipam-") as folder:
            rounds = max(5, chosen.rounds // (3 if size > LIMITED_SIZE else 1))
            found[size] = _measure_size(size, Path(folder), Path(chosen.cni_path), rounds)
    return [*_absolute(found), *_growth(found), *(first for _, _, first in found.values())]


def _measure_size(size: int, folder: Path, cni_path: Path, rounds: int) -> tuple[Contender, Contender, Row]:
    ours = Contender(folder / "ours", _our_call(folder / "ours"))
    peer = Contender(folder / "peer", _go_call(folder / "peer", cni_path))
    for contender in (ours, peer):
        _fill(contender.folder / "net", size)
    name = f"first ADD ever, {size:,} there"
    first = Row(name, "ms", ours.time("ADD", "first"), peer.time("ADD", "first"))
    for number in range(rounds):
        for i in range(IN_A_ROW):
            ours.round(number * IN_A_ROW + i)
        peer.round(number)
    return ours, peer, first


def _fill(path: Path, size: int) -> None:
    path.mkdir(parents=True)
    for i in range(size):
        (path / str(FIRST + i)).write_text(f"container-{i}\r\neth0")
    if size:
        (path / "last_reserved_ip.0").write_text(str(FIRST + size - 1))


def _config(folder: Path) -> bytes:
    ipam = {"type": "host-local", "subnet": SUBNET, "dataDir": str(folder)}
    return json.dumps({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "ipam": ipam}).encode()


def _environment(verb: str, container_id: str, cni_path: str) -> dict[str, str]:
    return {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": container_id,
        "CNI_IFNAME": "eth0",
        "CNI_NETNS": "/run/netns/bench",
        "CNI_PATH": cni_path,
    }


def _our_call(folder: Path) -> Call:
    plugin, config = load_plugin("host-local"), _config(folder)

    def call(verb: str, container_id: str) -> None:
        given = answer(plugin, _environment(verb, container_id, ""), config, warn=print)
        if given.status != 0:
            raise RuntimeError(given.stdout)

    return call


def _go_call(folder: Path, cni_path: Path) -> Call:
    executable, config = cni_path / "host-local", _config(folder)

    def call(verb: str, container_id: str) -> None:
        environment = {**os.environ, **_environment(verb, container_id, str(cni_path))}
        subprocess.run([executable], input=config, env=environment, stdout=subprocess.PIPE, check=True)

    return call


def _absolute(found: dict[int, tuple[Contender, Contender, Row]]) -> list[Row]:
    return [
        Row(f"{verb}, {size:,} there", "ms", median(ours.times[verb]), median(peer.times[verb]), limit=1.0)
        for verb in ("ADD", "DEL")
        for size, (ours, peer, _) in found.items()
    ]


def _growth(found: dict[int, tuple[Contender, Contender, Row]]) -> list[Row]:
    rows = []
    for verb in ("ADD", "DEL"):
        base = [median(one.times[verb]) for one in found[0][:2]]
        for size in SIZES[1:]:
            ours, peer = (median(one.times[verb]) / base[i] for i, one in enumerate(found[size][:2]))
            limit = GROWTH_LIMIT if size == LIMITED_SIZE else None
            rows.append(Row(f"{verb}, {size:,} over 0", "x", ours, peer, limit=limit, limited="ours"))
    return rows

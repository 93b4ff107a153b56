"""Podman, ctr, runc and crun in a world: `python -m bench.runner_peers PEER ROUNDS MANY`.

Run inside a world by `bench.runner`, so that no door is timed. Prints JSON: milliseconds of each start (until
the container runs), of each command in it, and of each end (until nothing is left of it); of many at once all
starts and all ends, and what stays in memory with each, in bytes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from podwire.demo.busybox_image import BUSYBOX, find_busybox
from podwire.demo.containerd import SOCKET

FOREVER = ["/bin/sleep", "2147483647"]
NOTHING = ["/bin/true"]
BUNDLE = Path("/run/bundle")
COMPLAINTS = Path("/run/complaints")
AT_ONCE = 10  # calls of a person who starts many

Times = dict[str, list[float]]


@dataclass(frozen=True)
class Peer:
    """How containers are started, entered and ended. `kept`: how processes that stay for them are called."""

    start: Callable[[str], None]
    execute: Callable[[str], None]
    end: Callable[[str], None]
    kept: str = ""


def _run(*argv: str) -> None:
    """Run a program to its end; what it leaves running has its files, so none of them is a pipe."""
    done = subprocess.run(
        argv, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=COMPLAINTS.open("w")
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}: {COMPLAINTS.read_text().strip()}")


def _podman(network: str) -> Peer:
    return Peer(
        lambda name: _run("podman", "run", "-d", f"--name={name}", f"--network={network}", BUSYBOX, *FOREVER),
        lambda name: _run("podman", "exec", name, *NOTHING),
        lambda name: _run("podman", "rm", "--force", "--time=0", name),
        "conmon",
    )


def _ctr(*words: str) -> None:
    _run("ctr", f"--address={SOCKET}", *words)


def _end_by_ctr(name: str) -> None:
    _ctr("task", "delete", "--force", name)
    _ctr("container", "delete", name)


def _oci(runtime: str) -> Peer:
    return Peer(
        lambda name: _run(runtime, "run", "--detach", "--bundle", str(BUNDLE), name),
        lambda name: _run(runtime, "exec", name, *NOTHING),
        lambda name: _run(runtime, "delete", "--force", name),
    )


PEERS = {
    "podman": _podman("podman"),
    "podman-none": _podman("none"),
    "ctr": Peer(
        lambda name: _ctr("run", "--detach", BUSYBOX, name, *FOREVER),
        lambda name: _ctr("task", "exec", "--exec-id=true", name, *NOTHING),
        _end_by_ctr,
        "containerd",  # the daemon's growth, and its shims
    ),
    "runc": _oci("runc"),
    "crun": _oci("crun"),
}


def make_bundle() -> None:
    """Make what runc and crun run: runc's own example configuration, with busybox as its root."""
    (BUNDLE / "rootfs/bin").mkdir(parents=True, exist_ok=True)
    for applet in ("sleep", "true"):
        shutil.copy(find_busybox(), BUNDLE / "rootfs/bin" / applet)
    if not (file := BUNDLE / "config.json").exists():
        subprocess.run(["runc", "spec"], cwd=BUNDLE, check=True)
    body = json.loads(file.read_text())
    body["process"] |= {"terminal": False, "args": FOREVER, "rlimits": []}
    file.write_text(json.dumps(body))


def measure(peer: Peer, rounds: int, prefix: str = "one") -> Times:
    """Start, enter and end containers, one after the other; the first, when all is cold, does not count."""
    found: Times = {"start": [], "exec": [], "end": []}
    for number in range(rounds + 1):
        name = f"{prefix}{number}"
        found["start"].append(timed(partial(peer.start, name)))
        found["exec"].append(timed(partial(peer.execute, name)))
        found["end"].append(timed(partial(peer.end, name)))
    return {key: times[1:] for key, times in found.items()}


def measure_many(peer: Peer, number: int, memory: Callable[[], float], prefix: str = "many") -> Times:
    """Start so many at once and end them; `memory` tells what all that stays takes."""
    names = [f"{prefix}{one}" for one in range(number)]
    before = memory()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        start = timed(lambda: list(pool.map(peer.start, names)))
        kept = (memory() - before) / number
        end = timed(lambda: list(pool.map(peer.end, names)))
    return {"start all": [start], "end all": [end], "memory": [kept]}


def pss_of(name: str) -> int:
    """Return the proportional set size of all processes that are called so, in bytes (proc(5))."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/comm"):
        try:
            if status.read_text().startswith(name[:15]):  # TASK_COMM_LEN
                total += pss(status.with_name("smaps_rollup"))
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
    return total


def pss(rollup: Path) -> int:
    """Return the proportional set size of one process, in bytes."""
    line = next(line for line in rollup.read_text().splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) << 10


def timed(act: Callable[[], object]) -> float:
    """Return how long something takes, in milliseconds."""
    began = time.monotonic()
    act()
    return (time.monotonic() - began) * 1000


def main(name: str, rounds: int, many: int) -> None:
    """Measure one, and print it."""
    if name in ("runc", "crun"):
        make_bundle()
    peer = PEERS[name]
    found = measure(peer, rounds)
    if many:
        found |= measure_many(peer, many, partial(pss_of, peer.kept) if peer.kept else lambda: 0)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

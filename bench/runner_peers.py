"""Podman, ctr, runc and crun in a world, one call at a time: `python -m bench.runner_peers PEER ROUNDS`.

Run inside a world by `bench.runner`, so that no door is timed. Prints JSON: milliseconds of each start (until
the container runs) and of each end (until nothing is left of it), and with `memory` bytes for each idle one.
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
from pathlib import Path

from podwire.demo.busybox_image import BUSYBOX, find_busybox
from podwire.demo.containerd import SOCKET

FOREVER = ["/bin/sleep", "2147483647"]
BUNDLE = Path("/run/bundle")
COMPLAINTS = Path("/run/complaints")
AT_ONCE = 10  # calls of a person who starts many


@dataclass(frozen=True)
class Peer:
    """How containers are started and ended. `shim` is how processes that stay with each one are called."""

    start: Callable[[str], None]
    end: Callable[[str], None]
    shim: str = ""


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
        lambda name: _run(runtime, "delete", "--force", name),
    )


PEERS = {
    "podman": _podman("podman"),
    "podman-none": _podman("none"),
    "ctr": Peer(
        lambda name: _ctr("run", "--detach", BUSYBOX, name, *FOREVER), _end_by_ctr, "containerd-shim"
    ),
    "runc": _oci("runc"),
    "crun": _oci("crun"),
}


def make_bundle() -> None:
    """Make what runc and crun run: runc's own example configuration, with busybox as its root."""
    (BUNDLE / "rootfs/bin").mkdir(parents=True)
    shutil.copy(find_busybox(), BUNDLE / "rootfs/bin/sleep")
    subprocess.run(["runc", "spec"], cwd=BUNDLE, check=True)
    file = BUNDLE / "config.json"
    body = json.loads(file.read_text())
    body["process"] |= {"terminal": False, "args": FOREVER, "rlimits": []}
    file.write_text(json.dumps(body))


def measure(peer: Peer, rounds: int) -> dict[str, object]:
    """Start and end containers one after the other, then many at once."""
    starts, ends = [], []
    for number in range(rounds):
        name = f"one{number}"
        starts.append(_timed(lambda name=name: peer.start(name)))  # type: ignore[misc]  # mypy: a lambda's default
        ends.append(_timed(lambda name=name: peer.end(name)))  # type: ignore[misc]  # the same
    return {"start": starts, "end": ends}


def measure_many(peer: Peer, number: int) -> dict[str, object]:
    """Start so many at once and end them; seconds for all, and bytes that stay with each meanwhile."""
    names = [f"many{one}" for one in range(number)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        start = _timed(lambda: list(pool.map(peer.start, names)))
        memory = proportional(peer.shim) / number if peer.shim else 0
        end = _timed(lambda: list(pool.map(peer.end, names)))
    return {"start": start, "end": end, "memory": memory}


def proportional(name: str) -> int:
    """Return the proportional set size of all processes that are called so, in bytes (proc(5))."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/comm"):
        try:
            if status.read_text().startswith(name[:15]):  # TASK_COMM_LEN
                total += _pss(status.with_name("smaps_rollup"))
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
    return total


def _pss(rollup: Path) -> int:
    line = next(line for line in rollup.read_text().splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) << 10


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return (time.monotonic() - began) * 1000


def main(name: str, rounds: int, many: int) -> None:
    """Measure one, and print it."""
    if name in ("runc", "crun"):
        make_bundle()
    found = {"one": measure(PEERS[name], rounds)}
    if many:
        found["many"] = measure_many(PEERS[name], many)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

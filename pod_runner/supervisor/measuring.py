"""What a pod uses: of its cgroup and its containers', and what went through its interfaces."""

from __future__ import annotations

from pathlib import Path

from pod_runner.supervisor.lines import JsonObject
from pod_runner.supervisor.machine import Machine

COUNTERS = {
    "rxBytes": 0,
    "rxPackets": 1,
    "rxErrors": 2,
    "txBytes": 8,
    "txPackets": 9,
    "txErrors": 10,
}  # /proc/net/dev


def measure(machine: Machine) -> JsonObject:
    """Return {"pod": USAGE, "containers": {NAME: USAGE}, "network": {INTERFACE: COUNTERS}}; see `Usage`.

    "isCounted": there are cgroups; else the numbers of USAGE mean nothing.
    """
    shared = machine.shared
    pause = shared.sandbox.pid if shared.sandbox is not None else 0
    return {
        "pod": shared.cgroups.usage(shared.spec.cgroup)._asdict(),
        "containers": {
            life.name: shared.cgroups.usage(shared.cgroup_of(life.name))._asdict()
            for life in machine.all()
            if life.is_running
        },
        "isCounted": shared.cgroups.version is not None,
        "network": interfaces(pause) if pause else {},
    }


def interfaces(pid: int) -> dict[str, dict[str, int]]:
    """Return the counters of a process's interfaces but lo; none where it has gone."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    except OSError:  # it ended at this moment
        return {}
    found = {}
    for line in lines:
        name, _, numbers = line.partition(":")
        values = numbers.split()
        if name.strip() != "lo":
            found[name.strip()] = {key: int(values[place]) for key, place in COUNTERS.items()}
    return found

"""The show of many nodes: a lab whose pods reach each other by their own addresses, and what it survives.

Each node is a network and mount namespace with an agent of its own; the plugins, the registry and the traffic
are real. Everything that is claimed was looked at first.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations

from podwire.demo.application import ApplicationShow
from podwire.demo.dumps import Dump, difference, take_dump
from podwire.demo.errors import ShowError
from podwire.demo.plugin_folder import PODWIRE
from podwire.demo.report import Report
from podwire.demo.services import ServicesShow
from podwire.lab.blueprint import Blueprint, LabMode, RegistryKind
from podwire.lab.breaking import Breaker, Part
from podwire.lab.building import all_pods, build, found, take_down
from podwire.lab.folder import LabFolder
from podwire.lab.pods import Pod
from podwire.lab.reach import await_all
from podwire.lab.transfers import transfer

NAME = "demo"
SIZE = 10_000_000  # bytes; the transfer that every pod makes to every other
MOST_TRANSFERS = 12  # with ten nodes there would be ninety; each pod sends and receives one then
BREAKS = {Part.AGENT: "agent is killed", Part.REGISTRY: "registry is out of reach"}
PATIENCE = 20.0  # seconds for everybody to reach everybody


@dataclass(frozen=True)
class Nodes:
    """What the show is asked for."""

    number: int = 3
    registry: RegistryKind = RegistryKind.DIRECTORY
    mode: LabMode = LabMode.VXLAN


def show_nodes(report: Report, asked: Nodes) -> None:
    """Run the show.

    Raises:
        ShowError: something was not as claimed.
    """
    before = _look_at_machine()
    report.step(f"{asked.number} nodes on one machine; their leases in {_place(asked.registry)}")
    with _lab(report, asked) as folder:
        pods = all_pods(found(folder))
        _show_reach(report, pods)
        _show_transfers(report, pods)
        _show_survival(report, folder, pods)
        ServicesShow(report, folder, pods[0]).run()
        ApplicationShow(report, folder, pods[0]).run()
        report.step("The map: podwire lab status")
        report.shown(_run([*PODWIRE, "lab", "status", "--name", NAME]))
        report.step("What leads from node1 to the others")
        report.shown(_in_node("node1", "ip", "route", "show", "proto", "156"))
        report.shown(_in_node("node1", "podwire", "overlay", "peers"))
    if changes := difference(before, _look_at_machine()):
        raise ShowError("the lab has left something behind:\n" + "\n".join(changes))
    report.good("The lab is gone, and the machine is as it was.")


@contextmanager
def _lab(report: Report, asked: Nodes) -> Iterator[LabFolder]:
    blueprint = Blueprint(name=NAME, registry=asked.registry, mode=asked.mode)
    take_down(NAME)  # of a show that was killed
    started = time.monotonic()
    try:
        build(blueprint, asked.number, 1, lambda line: None)
        took = time.monotonic() - started
        report.good(f"Nodes, agents, leases, and a pod on each by the CNI plugins: {took:.1f} s.")
        yield LabFolder(NAME)
    finally:
        take_down(NAME)


def _show_reach(report: Report, pods: Sequence[Pod]) -> None:
    seen = await_all(lambda: pods, (4,), PATIENCE)
    if lost := [f"{one} -> {other}" for (one, other), answered in seen.items() if not answered]:
        raise ShowError(f"no answer: {', '.join(lost)}")
    report.good(f"Every pod pings every other by its own address: {len(seen)} of {len(seen)} pairs answer.")


def _show_transfers(report: Report, pods: Sequence[Pod]) -> None:
    pairs = list(permutations(pods, 2))
    if len(pairs) > MOST_TRANSFERS:
        pairs = list(zip(pods, [*pods[1:], pods[0]], strict=True))
    rates = []
    for sender, receiver in pairs:
        seen = transfer(sender, receiver, SIZE)
        if seen.size != SIZE:
            raise ShowError(f"{receiver} got {seen.size} of the {SIZE} bytes that {sender} sent")
        if seen.source != sender.address(4):
            raise ShowError(
                f"{receiver} saw {seen.source}, and {sender} is {sender.address(4)}: somebody translates"
            )
        rates.append(seen.size * 8 / seen.seconds / 1e9)
    rate = sorted(rates)[len(rates) // 2]
    report.good(f"10 MB by TCP, {len(pairs)} times: all bytes came, {rate:.1f} Gb/s (median).")
    report.good("Each receiver saw the sender's own address: there is no NAT between pods.")


def _show_survival(report: Report, folder: LabFolder, pods: Sequence[Pod]) -> None:
    there = found(folder)
    node = next(iter(there.nodes))
    breaker = Breaker(folder.read(), folder, there.lab, node, there.nodes[node])
    for part, said in BREAKS.items():
        breaker.break_part(part)
        seen = await_all(lambda: pods, (4,), PATIENCE)
        if not all(seen.values()):
            raise ShowError(f"{node}'s {said}, and pods do not reach each other any more")
        report.good(f"{node}'s {said}: traffic does not notice.")
        breaker.mend(part)


def _place(registry: RegistryKind) -> str:
    return "a folder" if registry is RegistryKind.DIRECTORY else "a real etcd"


def _in_node(node: str, *command: str) -> str:
    program = PODWIRE if command[0] == "podwire" else [command[0]]
    return _run([*PODWIRE, "lab", "exec", "--name", NAME, node, "--", *program, *command[1:]])


def _run(argv: Sequence[str]) -> str:
    return subprocess.run(argv, capture_output=True, check=True, text=True).stdout


def _look_at_machine() -> Dump:
    return take_dump(_run)

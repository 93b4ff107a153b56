"""A lab as it is now: its nodes and what is broken, its leases, its pods and who reaches whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cni_spec.json_input import JsonObject
from overlay.subnet_env import SubnetEnv
from podwire.lab.blueprint import Blueprint
from podwire.lab.breaking import Breaker, Part
from podwire.lab.building import all_pods, found
from podwire.lab.dying import dead_nodes
from podwire.lab.folder import LabFolder
from podwire.lab.leases import lease_of, said
from podwire.lab.nodes import agent_of
from podwire.lab.pods import Pod
from podwire.lab.reach import Map, look
from podwire.lab.transfers import Transfer, transfer

WHO_IS_ONE = "."  # in the map's diagonal


@dataclass(frozen=True)
class NodeView:
    """One node. `pid` and `agent` are processes, 0 where none runs."""

    name: str
    pid: int
    address: str
    agent: int
    lease: SubnetEnv | None
    broken: tuple[Part, ...]
    pods: tuple[Pod, ...]

    def to_json(self) -> JsonObject:
        """Return what a program is told."""
        return {
            "name": self.name,
            "pid": self.pid,
            "address": self.address,
            "agent": self.agent,
            "lease": [str(one) for one in self.lease.subnets] if self.lease else [],
            "mtu": self.lease.mtu if self.lease else None,
            "broken": list(self.broken),
            "pods": [{"name": pod.name, "addresses": list(pod.addresses)} for pod in self.pods],
        }


@dataclass(frozen=True)
class Transferred:
    """Bytes that one pod sent to another over TCP; `error` says why they did not come, "" if they did."""

    sender: Pod
    receiver: Pod
    version: int
    wanted: int
    seen: Transfer | None
    error: str

    @property
    def is_fine(self) -> bool:
        """Tell whether all came, and from the sender's own address."""
        return (
            self.seen is not None
            and self.seen.size == self.wanted
            and self.seen.source == self.sender.address(self.version)
        )

    def to_json(self) -> JsonObject:
        """Return what a program is told."""
        body: JsonObject = {"from": str(self.sender), "to": str(self.receiver), "family": self.version}
        if self.seen is None:
            return body | {"error": self.error}
        return body | {"bytes": self.seen.size, "seconds": self.seen.seconds, "source": self.seen.source}

    def __str__(self) -> str:
        said = f"{self.sender} to {self.receiver}, IPv{self.version}: "
        if self.seen is None:
            return f"{said}{self.error}"
        return f"{said}{self.seen.size} bytes of {self.wanted} came, from {self.seen.source}"


@dataclass(frozen=True)
class LabView:
    """The whole."""

    blueprint: Blueprint
    nodes: tuple[NodeView, ...]
    reached: Map
    transfers: tuple[Transferred, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Tell whether every pod reaches every other, and what was sent came, from the sender's address."""
        return all(self.reached.values()) and all(one.is_fine for one in self.transfers)

    @property
    def pods(self) -> list[Pod]:
        """Return all pods, in the order of their nodes."""
        return [pod for node in self.nodes for pod in node.pods]

    def to_json(self) -> JsonObject:
        """Return what a program is told."""
        reached: dict[str, dict[str, bool]] = {str(one): {} for one in self.pods}
        for (one, other), answered in self.reached.items():
            reached[str(one)][str(other)] = answered
        return self.blueprint.model_dump(mode="json") | {
            "nodes": [node.to_json() for node in self.nodes],
            "reached": reached,
            "transfers": [one.to_json() for one in self.transfers],
            "isWhole": self.is_whole,
        }


def view(folder: LabFolder, size: int = 0) -> LabView:
    """Look at a lab; takes about a second where a pod does not answer.

    With `size`, every pod also sends so many bytes to every other that it reaches.

    Raises:
        LabError: there is none.
    """
    blueprint = folder.read()
    there = found(folder)
    pods = all_pods(there)
    nodes = []
    for name, pid in there.nodes.items():
        broken = Breaker(blueprint, folder, there.lab, name, pid).broken()
        mine = tuple(pod for pod in pods if pod.node == name)
        nodes.append(
            NodeView(name, pid, blueprint.address(name), agent_of(pid), lease_of(pid), tuple(broken), mine)
        )
    for name in dead_nodes(folder, there):
        nodes.append(NodeView(name, 0, blueprint.address(name), 0, None, (Part.NODE,), ()))
    reached = look(pods, versions_of(blueprint))
    pairs = [pair for pair, answered in reached.items() if answered] if size else []
    transfers = [_send(*pair, version, size) for version in versions_of(blueprint) for pair in pairs]
    return LabView(blueprint, tuple(nodes), reached, tuple(transfers))


def _send(sender: Pod, receiver: Pod, version: int, size: int) -> Transferred:
    try:
        return Transferred(sender, receiver, version, size, transfer(sender, receiver, size, version), "")
    except OSError as error:
        return Transferred(sender, receiver, version, size, None, str(error))


def versions_of(blueprint: Blueprint) -> tuple[int, ...]:
    """Return the families that pods have addresses of."""
    return (4, 6) if blueprint.dual_stack else (4,)


def node_rows(seen: LabView) -> list[tuple[str, ...]]:
    """Return the nodes as lines of a table."""
    return [
        (
            one.name, one.address, said(one.lease), str(one.lease.mtu) if one.lease else "",
            str(one.agent or "none"), " ".join(one.broken),
            "  ".join(f"{pod.name} {' '.join(pod.addresses)}" for pod in one.pods),
        )
        for one in seen.nodes
    ]  # fmt: skip


def map_headings(seen: LabView) -> tuple[str, ...]:
    """Return the columns of the map: pods by their place, since names would not fit beside each other."""
    return ("FROM \\ TO", "", *(str(number) for number in range(1, len(seen.pods) + 1)))


def map_rows(seen: LabView) -> list[tuple[str, ...]]:
    """Return who reaches whom: a line is who asks, a column who answers."""
    pods = seen.pods
    return [
        (str(one), str(number), *(_cell(seen.reached, one, other) for other in pods))
        for number, one in enumerate(pods, 1)
    ]


def complaints(seen: LabView) -> Sequence[str]:
    """Return what is not as it should be between pods, as sentences."""
    silent = [
        f"{other} does not answer {one}" for (one, other), answered in seen.reached.items() if not answered
    ]
    return [*silent, *(str(one) for one in seen.transfers if not one.is_fine)]


def praise(seen: LabView) -> str:
    """Say what the transfers have shown, "" if there were none."""
    rates = sorted(one.seen.size * 8 / one.seen.seconds / 1e9 for one in seen.transfers if one.seen)
    if not rates or not seen.is_whole:
        return ""
    middle = rates[len(rates) // 2]
    return (
        f"{len(rates)} transfers of {seen.transfers[0].wanted / 1e6:g} MB came whole, each from the sender's "
        f"own address: {middle:.1f} Gb/s (median; {rates[0]:.1f} to {rates[-1]:.1f})"
    )


def _cell(reached: Map, one: Pod, other: Pod) -> str:
    if one == other:
        return WHO_IS_ONE
    return "yes" if reached[one, other] else "NO"

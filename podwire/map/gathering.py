"""A map of this node, or of all nodes of a lab."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cni_spec.config import validate
from podwire.lab.blueprint import AGENT_SOCKET
from podwire.lab.building import found
from podwire.lab.folder import LabFolder
from podwire.lab.inside import Work, root
from podwire.lab.pods import CACHE_DIR
from podwire.map.model import Map, Node, Service, Way
from podwire.map.node import look_at_node
from podwire.map.services import services_of


def map_of_node(socket: Path, cache: Path) -> Map:
    """Look at the node we are on: the network namespace of the calling thread."""
    node = look_at_node("", socket, cache)
    node = node if node.name else node.model_copy(update={"name": os.uname().nodename})
    services, more = services_of(socket) or ((), 0)
    return Map(title=node.name, nodes=(node,), services=services, more_services=more)


def map_of_lab(folder: LabFolder) -> Map:
    """Look at all nodes of a lab, side by side. Raises LabError: it is not there."""
    folder.read()
    there = found(folder)
    works = [
        Work(f"the map of {name}", pid, lambda name=name: _look(name))  # type: ignore[misc] # a loop's value
        for name, pid in there.nodes.items()
    ]
    nodes = tuple(validate(Node, work.result()) for work in works)
    services, more = _first_services(root(pid, AGENT_SOCKET) for pid in there.nodes.values())
    return Map(title=f"lab {folder.name}", nodes=tuple(named(nodes)), services=services, more_services=more)


def named(nodes: Iterable[Node]) -> Iterable[Node]:
    """Say whose the addresses are that ways lead to: the nodes' own links tell it better than any agent."""
    nodes = tuple(nodes)
    owners = {
        address.partition("/")[0]: node.name
        for node in nodes for link in node.links for address in link.addresses if not link.master
    }  # fmt: skip
    for node in nodes:
        ways = tuple(_owned(way, owners) for way in node.ways)
        yield node.model_copy(update={"ways": ways})


def _owned(way: Way, owners: dict[str, str]) -> Way:
    return way.model_copy(update={"node": owners.get(way.via, way.node)})


def _look(name: str) -> dict[str, object]:
    return look_at_node(name, Path(AGENT_SOCKET), CACHE_DIR).model_dump(mode="json")


def _first_services(places: Iterable[Path]) -> tuple[tuple[Service, ...], int]:
    """Return what the first agent serves that answers: services are the cluster's, not a node's."""
    return next((seen for seen in map(services_of, places) if seen is not None), ((), 0))

"""A whole node that dies: as by a power cut, nobody detaches its pods, its lease and its objects stay.

That it is dead is not written down: its log is there, and its process 1 is not.
"""

from __future__ import annotations

import shutil

from podwire.lab.blueprint import CGROUPS, PODS, Blueprint, RegistryKind
from podwire.lab.finding import Found, below, end, end_with_guests, namespaces_of
from podwire.lab.folder import LabFolder
from podwire.lab.ground import let_back
from podwire.lab.inside import root
from podwire.lab.nodes import unplug


def kill_node(blueprint: Blueprint, node: str, pid: int, lab: int) -> None:
    """Kill a node's process 1, and with it every process of the node and of its pods."""
    with end_with_guests(below([pid]), but=namespaces_of([lab])):
        end([pid])
    unplug(lab, node)
    if blueprint.registry is RegistryKind.ETCD:  # a folder that was kept away went with the node's mounts
        let_back(blueprint, node, lab)
    remove_cgroups(blueprint.cgroup(node))
    shutil.rmtree(root(lab, f"{PODS}/{node}"), ignore_errors=True)  # what is in /run ends with the machine


def dead_nodes(folder: LabFolder, there: Found) -> list[str]:
    """Return the nodes that have died and were not taken away."""
    known = {one.stem for one in folder.logs.glob("node*.log")}
    return sorted(known - there.nodes.keys(), key=lambda name: (len(name), name))


def remove_cgroups(path: str) -> None:
    """Remove the cgroups below a lab's own; whoever is in one is killed first. None there is fine."""
    from pod_runner.kernel.cgroups import Cgroups  # where somebody ends something

    cgroups = Cgroups.detect()
    cgroups.kill(path)
    cgroups.remove(path)
    cgroups.remove_empty(CGROUPS)

"""A lab from its ground to its pods, and away again. What can be done side by side is begun, then awaited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from podwire.lab.blueprint import UNDERLAY, Blueprint, RegistryKind, number_of
from podwire.lab.dying import dead_nodes, kill_node, remove_cgroups
from podwire.lab.errors import LabError
from podwire.lab.finding import Found, below, end, end_with_guests, find, machine_of
from podwire.lab.folder import LabFolder
from podwire.lab.ground import (
    await_registry,
    begin_ground,
    install_plugins,
    lay_segments,
    require_tools,
    start_etcd,
)
from podwire.lab.inside import await_furnished
from podwire.lab.leases import await_leases, give_lease_back
from podwire.lab.nodes import begin_node, configure, plug_in, start_agent
from podwire.lab.objects import (
    begin_leaving,
    object_name,
    put_nodes,
    put_pods,
    remove_node_object,
    remove_pod_object,
)
from podwire.lab.pods import Pod, Wish, begin_pod, begin_removal, next_name, pods_of
from podwire.lab.settling import await_left

Tell = Callable[[str], None]
NOTHING_MORE = Wish()
SEEN_DEADLINE = 5.0  # seconds from a node's last word to its being found in /proc: it is in execve(2)


def build(blueprint: Blueprint, nodes: int, pods: int, tell: Tell) -> None:
    """Make a lab: the ground, `nodes` nodes, `pods` pods on each; every node has its lease.

    Raises:
        CniError: it did not come up; what there is of it stays, to be looked at.
    """
    require_tools(blueprint)
    blueprint = blueprint.model_copy(update={"machine": machine_of()})
    folder = LabFolder(blueprint.name)
    with folder.held():
        _refuse_another(folder)
        folder.make(blueprint)
        with _left_standing(blueprint.name, tell):
            _make_ground(blueprint, folder)
            tell(f"the underlay of {blueprint.name} is there: {blueprint.topology}, MTU {blueprint.mtu}")
            add_nodes(blueprint, folder, [f"node{number}" for number in range(1, nodes + 1)], tell)
            add_pods(folder, dict.fromkeys(found(folder).nodes, pods), tell)


def _make_ground(blueprint: Blueprint, folder: LabFolder) -> None:
    await_furnished(begin_ground(folder), f'the lab "{blueprint.name}"')
    lab = found(folder).lab
    folder.give_name(blueprint, UNDERLAY, lab)
    lay_segments(blueprint, lab)
    if blueprint.registry is RegistryKind.ETCD:
        start_etcd(folder, lab)
    install_plugins(lab)


@contextmanager
def _left_standing(name: str, tell: Tell) -> Iterator[None]:
    """Say what becomes of a lab that did not come up."""
    is_up = False
    try:
        yield
        is_up = True
    finally:
        if not is_up:
            tell(f"what there is of it stays, to be looked at; podwire lab down --name {name} takes it away")


def add_nodes(blueprint: Blueprint, folder: LabFolder, names: Iterable[str], tell: Tell) -> None:
    """Make nodes, with their agents, and wait for their leases."""
    lab = found(folder).lab
    machines = {node: begin_node(blueprint, lab, node) for node in names}
    for node, machine in machines.items():
        await_furnished(machine, node)
    nodes = _await_nodes(folder, list(machines))
    for node, pid in nodes.items():
        folder.give_name(blueprint, node, pid)
        configure(blueprint, node, pid)
    plug_in(blueprint, lab, nodes)
    await_registry(blueprint, folder, lab)
    tell(f"made, and their agents start: {', '.join(nodes)}")
    if blueprint.services and not blueprint.runs_pods:  # else agents do
        put_nodes(blueprint, lab, nodes)
    for node, pid in nodes.items():
        start_agent(folder, node, pid)
    await_leases(nodes, folder, tell)


def _await_nodes(folder: LabFolder, names: list[str]) -> dict[str, int]:
    """Return the processes 1 of nodes that were just made, as soon as all can be seen."""
    deadline = time.monotonic() + SEEN_DEADLINE
    while missing := [name for name in names if name not in (there := found(folder)).nodes]:
        if time.monotonic() > deadline:
            raise LabError(f"{missing[0]} was made and is not there")
    return {name: there.nodes[name] for name in names}


def remove_node(
    blueprint: Blueprint, folder: LabFolder, node: str, tell: Tell, *, is_abrupt: bool = False
) -> None:
    """Let a node leave: its pods are detached, its lease is given back. `is_abrupt`: it dies.

    Raises:
        LabError: there is no such node, or a pod could not be detached.
    """
    there = found(folder)
    is_dead = node in dead_nodes(folder, there)
    pid = 0 if is_dead else pid_of(there, node)
    if not is_abrupt and not is_dead:
        for work in [begin_removal(node, pid, pod.name) for pod in pods_of(node, pid)]:
            work.result()
        if why := give_lease_back(pid):
            tell(f"the lease of {node} stays: {why}")
    if not is_dead:
        kill_node(blueprint, node, pid, there.lab)
    if blueprint.services and not is_abrupt:
        remove_node_object(blueprint, there.lab, node)
    folder.take_name(blueprint, node)
    (folder.logs / f"{node}.log").unlink(missing_ok=True)


def add_pods(
    folder: LabFolder, numbers: Mapping[str, int], tell: Tell, wish: Wish = NOTHING_MORE
) -> list[Pod]:
    """Attach so many new pods on nodes, the nodes side by side and each one's pods one by one.

    Raises:
        LabError: labels are wished for where no services are served.
    """
    blueprint, there = folder.read(), found(folder)
    nodes = there.nodes
    if wish.labels and not blueprint.services:
        raise LabError("labels are for services, and this lab serves none: lab up --services")
    wish = replace(wish, dns=blueprint.dns) if blueprint.services else wish
    names = {node: [pod.name for pod in pods_of(node, nodes[node])] for node in numbers}
    added = set()
    for round_number in range(max(numbers.values(), default=0)):
        works = []
        for node, number in numbers.items():
            if round_number < number:
                names[node].append(next_name(names[node]))
                added.add((node, names[node][-1]))
                works.append(begin_pod(node, nodes[node], names[node][-1], wish))
        for work in works:
            work.result()
    made = [pod for node in numbers for pod in pods_of(node, nodes[node]) if (node, pod.name) in added]
    if blueprint.services and (wish.labels or wish.port):
        put_pods(blueprint, there.lab, made, wish)
    for pod in made:
        tell(f"pod {pod} is {' '.join(pod.addresses)}")
    return made


def remove_pods(folder: LabFolder, node: str, names: Iterable[str]) -> None:
    """Detach pods of a node, and take their namespaces away.

    One that services lead to gets nothing new first, on all nodes; then its server ends.
    """
    blueprint, there = folder.read(), found(folder)
    pid = pid_of(there, node)
    asked = set(names)
    known = [
        pod
        for pod in pods_of(node, pid)
        if pod.name in asked and blueprint.services and begin_leaving(blueprint, there.lab, object_name(pod))
    ]
    await_left(there.nodes, [address for pod in known for address in pod.addresses])
    for work in [begin_removal(node, pid, name) for name in asked]:
        work.result()
    for pod in known:
        remove_pod_object(blueprint, there.lab, object_name(pod))


def take_down(name: str) -> bool:
    """Take everything away that there is of a lab, whole or not; tell whether there was anything.

    Who has entered one of its namespaces from outside, with ip-netns(8) for one, is ended too: the
    namespace would stay for it.
    """
    folder = LabFolder(name)
    was_there = folder.exists() or bool(folder.netns_names())
    with folder.held():
        there = find(name)
        firsts = [pid for pid in (there.lab, *there.nodes.values()) if pid]
        machines = {machine_of(), *map(machine_of, firsts)}
        with end_with_guests(below(firsts)):
            end(firsts)
        for machine in machines:
            remove_cgroups(Blueprint(name=name, machine=machine).cgroup())
        folder.remove()
    return was_there or bool(firsts)


def revive_node(blueprint: Blueprint, folder: LabFolder, node: str, tell: Tell) -> None:
    """Make a node that has died anew, under its name and address. Raises LabError if it has not died."""
    if node not in dead_nodes(folder, found(folder)):
        raise LabError(f"{node} is not dead")
    add_nodes(blueprint, folder, [node], tell)


def next_node(folder: LabFolder, there: Found) -> str:
    """Return the first name of a node that is not taken."""
    taken = {*there.nodes, *dead_nodes(folder, there)}
    return next(name for number in range(1, 1000) if (name := f"node{number}") not in taken)


def found(folder: LabFolder) -> Found:
    """Return what is alive of a lab. Raises LabError if its process 1 is not."""
    there = find(folder.name)
    if not there.lab:
        raise LabError(
            f'of the lab "{folder.name}" only remains are left: podwire lab down --name {folder.name}'
        )
    return there


def pid_of(there: Found, node: str) -> int:
    """Return a node's process 1. Raises LabError naming those that are there."""
    number_of(node)
    if node not in there.nodes:
        raise LabError(f"there is no {node}; the nodes are {', '.join(there.nodes) or 'none'}")
    return there.nodes[node]


def all_pods(there: Found) -> list[Pod]:
    """Return the pods of all nodes."""
    return [pod for node, pid in there.nodes.items() for pod in pods_of(node, pid)]


def _refuse_another(folder: LabFolder) -> None:
    if find(folder.name).lab:
        raise LabError(
            f'there is a lab "{folder.name}" already: podwire lab down --name {folder.name} ends it'
        )

"""Whether the cluster of the chaos campaign is as it is wanted, and what is left of pods that have gone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException

from linuxnet.netns import inside, open_netns
from pod_runner.cluster.bodies import member, number, rows, table, text
from pod_runner.cluster.kinds import DEPLOYMENT
from pod_runner.cluster.objects import Object
from tests.campaigns.chaos_apps import PORT
from tests.campaigns.chaos_dumps import lines_about, new_lines, node_dump, strangers
from tests.campaigns.chaos_lab import NODES, ChaosLab

PATIENCE = 60.0  # seconds for the wanted state to come back, on a machine busy with other tests
LOOK = 0.05  # seconds between two looks: there is nothing that tells of all of it
ANSWER_IN = 1.0  # seconds
TUNNEL = '"dev": "flannel.1"'
LAST_LINES = 12  # of each agent's log


class Watcher:
    """Looks at a lab; it knows what nodes were before their first pods, and which pods there have been."""

    def __init__(self, chaos: ChaosLab) -> None:
        self._chaos = chaos
        self._await(self._unacquainted)
        self._before = {node: self._dump(node) for node in chaos.nodes}
        self._uids: set[str] = set()
        self._addresses: set[str] = set()

    def await_wanted(self) -> None:
        """Wait until all is as it should be, and nothing is left of what was. Raises AssertionError."""
        self._await(self.trouble)
        self._await(self.leaked)

    def await_nothing(self) -> None:
        """Wait until there are no pods, and nodes are as they were before. Raises AssertionError."""
        self._await(self.trouble)
        self._await(lambda: "\n".join(self.leftovers()))

    def trouble(self) -> str:
        """Return what is not as it should be; all nodes must be whole."""
        pods = self._chaos.pods()
        apps = self._chaos.cluster.list(DEPLOYMENT)
        self._uids |= {one.uid for one in pods}
        self._addresses |= {address for one in pods if (address := _address(one))}
        if orphans := [one.name for one in pods if one.labels.get("app") not in {app.name for app in apps}]:
            return f"nobody wants {', '.join(orphans)}"
        for app in apps:
            wanted = number(app.body, "spec", "replicas")
            mine = [one for one in pods if one.labels.get("app") == app.name and not _is_over(one)]
            if len(mine) != wanted or not all(_is_ready(one) for one in mine):
                shown = ", ".join(f"{one.name} {text(one.body, 'status', 'phase')}" for one in mine)
                return f"{app.name}: {wanted} wanted, there are: {shown or 'none'}"
        alive = [one for one in pods if not _is_over(one)]
        for node in self._chaos.nodes:
            bound = {one.uid for one in alive if text(one.body, "spec", "nodeName") == node}
            if (there := {one.name for one in self._chaos.folders(node)}) != bound:
                return f"{node} has {sorted(there)}, and is to have {sorted(bound)}"
        return self._unanswered(alive)

    def leaked(self) -> str:
        """Return lines about pods that have gone."""
        pods = self._chaos.pods()
        gone = self._uids - {one.uid for one in pods}
        gone |= self._addresses - {_address(one) for one in pods}
        found = {node: lines_about(self._dump(node), gone) for node in self._chaos.nodes}
        return "\n".join(f"{node}: {line}" for node, lines in found.items() for line in lines)

    def leftovers(self) -> list[str]:
        """Return what nodes hold beyond what a node without pods has."""
        left = [
            f"{node}: {line}"
            for node in self._chaos.nodes
            for line in new_lines(self._before[node], self._dump(node))
        ]
        return left + strangers(self._chaos.lab, NODES)

    def told(self) -> list[str]:
        """Return what agents and pods say, for who must find out why something is not as it should be."""
        lines = []
        for node in self._chaos.nodes:
            log = (self._chaos.folder.logs / f"{node}.log").read_text().splitlines()
            lines += [f"{node}: {line}" for line in log[-LAST_LINES:]]
            for folder in self._chaos.folders(node):
                said = folder / "supervisor.log"
                if said.exists() and (why := said.read_text().strip()):
                    lines.append(f"{node}: {folder.name}: {why[-2000:]}")
        return lines + [_told(pod) for pod in self._chaos.pods()]

    def _unacquainted(self) -> str:
        """Return which nodes do not know the way to each other yet: that is no pod's."""
        ways = {
            node: sum(line.startswith("route: ") and TUNNEL in line for line in self._dump(node))
            for node in self._chaos.nodes
        }
        return "" if set(ways.values()) == {NODES - 1} else f"ways to other nodes: {ways}"

    def _await(self, look: Callable[[], str]) -> None:
        deadline = time.monotonic() + PATIENCE
        while trouble := look():
            assert time.monotonic() < deadline, trouble
            time.sleep(LOOK)

    def _unanswered(self, pods: list[Object]) -> str:
        """Ask every pod from a node."""
        if len(self._chaos.nodes) < NODES:
            return "a node is missing"
        netns = open_netns(f"/proc/{min(self._chaos.nodes.values())}/ns/net")
        try:
            for pod in pods:
                if (heard := _ask(netns, _address(pod))) != pod.name:
                    return f"{pod.name} at {_address(pod)} does not answer: {heard}"
        finally:
            os.close(netns)
        return ""

    def _dump(self, node: str) -> frozenset[str]:
        return node_dump(self._chaos.blueprint, node, self._chaos.nodes[node])


def _ask(netns: int, address: str) -> str:
    """Return what a web server says to somebody in a namespace, or why it says nothing."""
    client = HTTPConnection(address, PORT, timeout=ANSWER_IN)
    try:
        with inside(netns):
            client.connect()
        client.request("GET", "/")
        return client.getresponse().read().decode().strip()
    except (OSError, HTTPException) as error:
        return str(error)
    finally:
        client.close()


def _address(pod: Object) -> str:
    return text(pod.body, "status", "podIP")


def _told(pod: Object) -> str:
    status = table(pod.body, "status")
    said = {key: status[key] for key in ("phase", "reason", "message", "podwire") if key in status}
    states = {one["name"]: one["state"] for one in rows(status, "containerStatuses")}
    where = text(pod.body, "spec", "nodeName")
    end = " terminating" if pod.is_terminating else ""
    return f"{pod.name}{end} {pod.uid} on {where}, {_address(pod)}: {said} {states}"


def _is_over(pod: Object) -> bool:
    """Tell whether a node has refused it; a replica set keeps a few of those to be looked at."""
    return text(pod.body, "status", "phase") == "Failed" and not pod.is_terminating


def _is_ready(pod: Object) -> bool:
    conditions = member(pod.body, "status", "conditions")
    return (
        not pod.is_terminating
        and isinstance(conditions, list)
        and any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    )

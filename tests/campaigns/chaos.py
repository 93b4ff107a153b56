"""A lab with applications in it, and what can happen to it: everything that can be killed, filled or cut off.

The lab's store is a folder, which is looked at and written from here as a person with `podwire` would.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from cluster_store.opening import open_store
from pod_runner.cluster.bodies import member, number, text
from pod_runner.cluster.kinds import DEPLOYMENT, POD
from pod_runner.cluster.objects import Object
from pod_runner.cluster.store import ClusterStore
from pod_runner.supervisor.order import SOCKET
from podwire.lab.blueprint import PODS, SHARED, Blueprint
from podwire.lab.breaking import Breaker, Part
from podwire.lab.building import build, found, revive_node
from podwire.lab.clients import ask
from podwire.lab.dying import dead_nodes
from podwire.lab.finding import below
from podwire.lab.folder import LabFolder
from podwire.lab.inside import root, run_in
from podwire.lab.nodes import agent_of, kill_agent, start_agent

NAME = "chaos"
NODES = 3
DISK = "24m"  # of each node's pods, so that it can be filled
PATIENCE = 60.0  # seconds for the wanted state to come back, on a machine busy with other tests
LOOK = 0.05  # seconds between two looks
FILLER = "filler"
APPS = ("web", "db")
BUSYBOX = (
    "mkdir -p /tmp/www && echo $POD_NAME >/tmp/www/index.html && exec busybox httpd -f -p 8080 -h /tmp/www"
)


def deployment(name: str, replicas: int) -> dict[str, object]:
    """Return an application that serves its name."""
    labels = {"app": name}
    container = {
        "name": "web",
        "image": "host",
        "command": ["/bin/sh", "-c", BUSYBOX],
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


class Chaos:
    """The lab. Each method that is a step returns what it did."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.blueprint = Blueprint(name=NAME)
        self.folder = LabFolder(NAME)
        build(self.blueprint, NODES, 0, lambda _: None)
        self.lab = found(self.folder).lab
        self.cluster = ClusterStore(open_store(f"directory:{root(self.lab, SHARED)}/shared/services"))
        for node in self.nodes:
            self._give_disk(node)

    @property
    def nodes(self) -> dict[str, int]:
        """Return the processes 1 of nodes that live."""
        return found(self.folder).nodes

    def pods(self, app: str = "") -> list[Object]:
        """Return the pods of an application, or all."""
        return [one for one in self.cluster.list(POD) if app in ("", one.labels.get("app"))]

    def folders(self, node: str) -> list[Path]:
        """Return the folders of a node's pods."""
        place = root(self.nodes[node], f"{PODS}/{node}")
        return [one for one in place.iterdir() if (one / "order.json").exists()]

    # ---- steps

    def kill_agent(self) -> str:
        node = self._node()
        kill_agent(self.nodes[node])
        return f"the agent of {node} was killed"

    def kill_supervisor(self) -> str:
        node, folder = self._pod_folder()
        return f"{node}: {self._kill(node, 'supervisor', _supervisor_of(folder))}"

    def kill_pause(self) -> str:
        node, folder = self._pod_folder()
        return f"{node}: {self._kill(node, 'pause', _recorded(folder, 'pause'))}"

    def kill_container(self) -> str:
        node, folder = self._pod_folder()
        return f"{node}: {self._kill(node, 'container', _recorded(folder, 'containers'))}"

    def kill_spawner(self) -> str:
        node = self._node()
        for pid in below([self.nodes[node]]):
            if b"pod_runner.supervisor.spawner" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        return f"the spawner of {node} was killed"

    def kill_node(self) -> str:
        if len(self.nodes) < NODES:
            return "nothing: a node is dead already"
        node = self._node()
        self._breaker(node).break_part(Part.NODE)
        return f"{node} died"

    def lose_registry(self) -> str:
        node = self._node()
        self._breaker(node).break_part(Part.REGISTRY)
        return f"{node} lost its registry"

    def cut_link(self) -> str:
        node = self._node()
        self._breaker(node).break_part(Part.LINK)
        return f"{node} lost its link"

    def fill_disk(self) -> str:
        node = self._node()
        with suppress(OSError), root(self.nodes[node], f"{PODS}/{node}/{FILLER}").open("wb") as file:
            while True:  # until ENOSPC
                file.write(bytes(1 << 20))
        return f"the disk of {node} is full"

    def delete_pod(self) -> str:
        if not (pods := self.pods()):
            return "nothing: there are no pods"
        pod = self._random.choice(pods)
        self.cluster.begin_delete(pod, self._random.choice([0, None]))
        return f"{pod.name} was deleted"

    def scale(self) -> str:
        app, replicas = self._random.choice(APPS), self._random.randint(0, 6)
        self._edit(app, lambda spec: spec | {"replicas": replicas})
        return f"{app} is to have {replicas}"

    def roll(self) -> str:
        app, stamp = self._random.choice(APPS), str(self._random.random())

        def edit(spec: dict[str, object]) -> dict[str, object]:
            template = spec["template"]
            assert isinstance(template, dict)
            metadata = template["metadata"] | {"annotations": {"rolled": stamp}}
            return spec | {"template": template | {"metadata": metadata}}

        self._edit(app, edit)
        return f"{app} is rolled"

    def mend(self) -> str:
        """Mend all that is broken; agents are started as their supervisors, systemd or kubelet, would."""
        for node in dead_nodes(self.folder, found(self.folder)):
            revive_node(self.blueprint, self.folder, node, lambda _: None)
            self._give_disk(node)
        for node, pid in self.nodes.items():
            root(pid, f"{PODS}/{node}/{FILLER}").unlink(missing_ok=True)
            breaker = self._breaker(node)
            for part in breaker.broken():
                breaker.mend(part)
        return "all was mended"

    # ---- looking

    def await_wanted(self) -> None:
        """Wait until all is as it should be. Raises AssertionError with what is not."""
        deadline = time.monotonic() + PATIENCE
        while trouble := self.trouble():
            assert time.monotonic() < deadline, trouble
            time.sleep(LOOK)

    def trouble(self) -> str:
        """Return what is not as it should be; all nodes must be whole."""
        pods = self.pods()
        apps = self.cluster.list(DEPLOYMENT)
        if orphans := [one.name for one in pods if one.labels.get("app") not in {app.name for app in apps}]:
            return f"nobody wants {', '.join(orphans)}"
        for app in apps:
            wanted = number(app.body, "spec", "replicas")
            mine = [one for one in pods if one.labels.get("app") == app.name]
            if len(mine) != wanted or not all(_is_ready(one) for one in mine):
                shown = ", ".join(f"{one.name} {text(one.body, 'status', 'phase')}" for one in mine)
                return f"{app.name}: {wanted} wanted, there are: {shown or 'none'}"
        for node in self.nodes:
            bound = {one.uid for one in pods if text(one.body, "spec", "nodeName") == node}
            if (there := {one.name for one in self.folders(node)}) != bound:
                return f"{node} has {sorted(there)}, and is to have {sorted(bound)}"
        return self._unanswered(pods)

    def _unanswered(self, pods: list[Object]) -> str:
        for pod in pods:
            address = text(pod.body, "status", "podIP")
            heard = ask(next(iter(self.nodes.values())), address, 8080, 1)
            if heard.failed or set(heard.answers) != {pod.name}:
                return f"{pod.name} at {address} does not answer: {heard.failures or dict(heard.answers)}"
        return ""

    def leftovers(self) -> list[str]:
        """Return what nodes hold beyond what a node without pods has."""
        left = []
        for node, pid in self.nodes.items():
            links = json.loads(run_in(pid, ["ip", "-j", "link", "show", "type", "veth"]))
            left += [f"{node}: link {one['ifname']}" for one in links if one["ifname"] != "eth0"]
            left += [f"{node}: folder {one}" for one in self.folders(node)]
            left += [f"{node}: {one}" for one in run_in(pid, ["sh", "-c", RESERVED]).split()]
            left += [f"{node}: cgroup {one}" for one in self._cgroups(node)]
            left += [f"{node}: process {one}" for one in _strangers(pid)]
        return left

    def _cgroups(self, node: str) -> list[str]:
        return sorted(
            {str(one) for one in Path("/sys/fs/cgroup").glob(f"*{self.blueprint.cgroup(node)}/pod*")}
        )

    # ---- doing

    def _node(self) -> str:
        return self._random.choice(sorted(self.nodes))

    def _pod_folder(self) -> tuple[str, Path]:
        choices = [(node, folder) for node in sorted(self.nodes) for folder in sorted(self.folders(node))]
        return self._random.choice(choices) if choices else (self._node(), Path("/nowhere"))

    def _kill(self, node: str, what: str, pid: int) -> str:
        if not pid:
            return f"no {what} to be killed"
        if what == "supervisor":
            os.kill(pid, signal.SIGKILL)
        else:  # a number of the node's own
            run_in(self.nodes[node], ["sh", "-c", f"kill -9 {pid} || :"])
        return f"a {what} was killed"

    def _breaker(self, node: str) -> Breaker:
        return Breaker(self.blueprint, self.folder, self.lab, node, self.nodes[node])

    def _give_disk(self, node: str) -> None:
        """Put a small file system of the node's own where its pods are, while it has none."""
        pid, place = self.nodes[node], f"{PODS}/{node}"
        kill_agent(pid)
        run_in(pid, ["sh", "-c", f"mkdir -p {place} && mount -t tmpfs -o size={DISK} tmpfs {place}"])
        start_agent(self.folder, node, pid)

    def _edit(self, app: str, edit: Callable[[dict[str, object]], dict[str, object]]) -> None:
        def change(body: dict[str, object]) -> dict[str, object]:
            spec = member(body, "spec")
            assert isinstance(spec, dict)
            return body | {"spec": edit(spec)}

        self.cluster.change(DEPLOYMENT, "default", app, change)


RESERVED = (  # addresses of host-local, results of libcni
    "find /var/lib/cni/networks /var/lib/cni/results -type f -name '*[0-9.:]*' ! -name 'last_reserved*'"
    " ! -path '*/.podwire/*'"
    " 2>/dev/null | head"
)


def _supervisor_of(folder: Path) -> int:
    """Return the process that answers for a pod, as this process sees it (unix(7), SO_PEERCRED)."""
    import socket
    import struct

    with socket.socket(socket.AF_UNIX) as caller, suppress(OSError):
        caller.settimeout(1.0)
        caller.connect(str(folder / SOCKET))
        return int(struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
    return 0


def _recorded(folder: Path, what: str) -> int:
    """Return the pid of a pod's pause process or of its container, by its supervisor's record."""
    with suppress(OSError, ValueError):
        body = json.loads((folder / "state.json").read_text())
        found_ = body[what]
        return int(found_) if what == "pause" else max((one["pid"] for one in found_.values()), default=0)
    return 0


def _is_ready(pod: Object) -> bool:
    conditions = member(pod.body, "status", "conditions")
    return (
        not pod.is_terminating
        and isinstance(conditions, list)
        and any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    )


def _strangers(first: int) -> list[str]:
    """Return the command lines of processes of a node that belong to no agent."""
    agent = agent_of(first)
    found_ = []
    for pid in below([first]):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if pid not in (first, agent) and "spawner" not in words and "dns" not in words:
                found_.append(words)
    return found_

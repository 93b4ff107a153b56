"""A lab with applications in it, and what can happen to it: all that can be killed, stopped, filled, cut off.

The lab's store is looked at and written from here, as a person with `podwire` would.
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
from threading import Timer

from cluster_store.opening import open_store
from cni_plugins.registry import PLUGIN_TYPES
from pod_runner.cluster.bodies import JsonObject, table
from pod_runner.cluster.kinds import DEPLOYMENT, POD, SERVICE
from pod_runner.cluster.objects import Object
from pod_runner.cluster.store import ClusterStore
from pod_runner.supervisor import client
from pod_runner.supervisor.order import ORDER, SOCKET
from podwire.lab.blueprint import PODS, SHARED, Blueprint, RegistryKind
from podwire.lab.breaking import Breaker, Part
from podwire.lab.building import build, found, revive_node
from podwire.lab.dying import dead_nodes
from podwire.lab.finding import below, end, is_in
from podwire.lab.folder import LabFolder
from podwire.lab.ground import ETCD, await_registry, run_etcd
from podwire.lab.inside import root, run_in
from podwire.lab.nodes import agent_of, kill_agent, start_agent
from tests.campaigns.chaos_apps import APPS, MOST, TERMINAL, objects

NODES = 3
DISK = "24m"  # of each node's pods, so that it can be filled
FILLER = "filler"
STILL = 2.0  # seconds for which a process is stopped
IN_THE_MIDDLE = 1.5  # seconds to meet a plugin at work
BACK_OFF = "back_off = 0.5\nlongest_back_off = 2\n"  # a container may be killed often, and is waited for
SPAWNER, SUPERVISOR = b"pod_runner.supervisor.spawner", "podwire-pod"  # arguments; a name by prctl(2)
Step = Callable[[], str]


class Chaos:
    """The lab. Each method that is a step returns what it did."""

    def __init__(self, name: str, registry: RegistryKind, random: Random) -> None:
        self._random = random
        self.blueprint = Blueprint(name=name, registry=registry)
        self.folder = LabFolder(name)
        build(self.blueprint, NODES, 0, lambda _: None)
        self.lab = found(self.folder).lab
        self.cluster = ClusterStore(open_store(self._url()))
        self._attached: list[tuple[client.Running, list[int]]] = []
        self._stopped: list[Timer] = []
        for node in self.nodes:
            self._give_disk(node)

    def _url(self) -> str:
        if self.blueprint.registry is RegistryKind.ETCD:
            return self.blueprint.services_url
        return f"directory:{root(self.lab, SHARED)}/shared/services"

    @property
    def nodes(self) -> dict[str, int]:
        """Return the processes 1 of nodes that live."""
        return found(self.folder).nodes

    @property
    def steps(self) -> list[Step]:
        """Return what can be done."""
        steps: list[Step] = [
            self.kill_agent, self.kill_supervisor, self.kill_pause, self.kill_container, self.kill_spawner,
            self.kill_supervisors,
            self.kill_pod, self.kill_plugin, self.kill_node, self.stop_agent, self.stop_supervisor,
            self.lose_registry, self.cut_link, self.fill_disk, self.delete_pod, self.scale, self.roll,
            self.attach, self.execute,
        ]  # fmt: skip
        return [*steps, self.kill_etcd] if self.blueprint.registry is RegistryKind.ETCD else steps

    def pods(self) -> list[Object]:
        """Return all pods."""
        return self.cluster.list(POD)

    def folders(self, node: str) -> list[Path]:
        """Return the folders of a node's pods."""
        place = root(self.nodes[node], f"{PODS}/{node}")
        return [one for one in place.iterdir() if (one / "order.json").exists()]

    def begin(self) -> None:
        """Apply the applications."""
        for app in APPS:
            for body in objects(app):
                self.cluster.create(body)

    def end(self) -> None:
        """Delete them."""
        for app in APPS:
            for kind in (DEPLOYMENT, SERVICE):
                self.cluster.delete(kind, "default", app)

    # ---- steps: killed

    def kill_agent(self) -> str:
        node = self._node()
        kill_agent(self.nodes[node])
        return f"the agent of {node} was killed"

    def kill_supervisor(self) -> str:
        node, folder = self._pod_folder()
        return f"{node}: {self._kill(node, 'supervisor', _supervisor_of(folder))}"

    def kill_pause(self) -> str:
        node, folder = self._pod_folder()
        return f"{node}: {self._kill(node, 'pause', _pause_of(folder))}"

    def kill_container(self) -> str:
        node, folder = self._pod_folder()
        pids = _containers_of(folder)
        return f"{node}: {self._kill(node, 'container', self._random.choice(pids) if pids else 0)}"

    def kill_pod(self) -> str:
        node, folder = self._pod_folder()
        killed = [self._kill(node, "supervisor", _supervisor_of(folder))]
        killed += [self._kill(node, "pause", _pause_of(folder))]
        killed += [self._kill(node, "container", pid) for pid in _containers_of(folder)]
        return f"{node}: {', '.join(killed)}"

    def kill_spawner(self) -> str:
        node = self._node()
        self._kill_forked(node, lambda name: name != SUPERVISOR)
        return f"the spawner of {node} was killed"

    def kill_supervisors(self) -> str:
        node = self._node()
        self._kill_forked(node, lambda name: name == SUPERVISOR)
        return f"all supervisors of {node} were killed, with what they were about"

    def kill_plugin(self) -> str:
        """Delete a pod, and kill the first plugin that is then seen at work, on whatever node."""
        firsts = list(self.nodes.values())
        known = set(_pids())
        said = self.delete_pod()
        deadline = time.monotonic() + IN_THE_MIDDLE
        while time.monotonic() < deadline:
            for pid in (now := set(_pids())) - known:
                if (name := _plugin(pid)) and any(is_in(pid, first) for first in firsts):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        return f"{said}, and {name} was killed at work"
            known = now
        return f"{said}; no plugin was seen"

    def kill_node(self) -> str:
        if len(self.nodes) < NODES:
            return "nothing: a node is dead already"
        node = self._node()
        self._breaker(node).break_part(Part.NODE)
        return f"{node} died"

    def kill_etcd(self) -> str:
        end([pid for pid in below([self.lab]) if _comm(pid) == ETCD])
        return "etcd was killed"

    # ---- steps: stopped, cut off, filled

    def stop_agent(self) -> str:
        node = self._node()
        self._stop(agent_of(self.nodes[node]))
        return f"the agent of {node} stands still for {STILL:g} s"

    def stop_supervisor(self) -> str:
        node, folder = self._pod_folder()
        self._stop(_supervisor_of(folder))
        return f"{node}: a supervisor stands still for {STILL:g} s"

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

    # ---- steps: wanted otherwise

    def delete_pod(self) -> str:
        self._await_registry()
        if not (pods := self.pods()):
            return "nothing: there are no pods"
        pod = self._random.choice(pods)
        grace = self._random.choice([0, None])
        self.cluster.begin_delete(pod, grace)
        return f"{pod.name} was deleted{'' if grace is None else ' by force'}"

    def scale(self) -> str:
        app = self._random.choice(sorted(APPS))
        replicas = self._random.randint(0, MOST[app])
        self._edit(app, lambda spec: spec | {"replicas": replicas})
        return f"{app} is to have {replicas}"

    def roll(self) -> str:
        app, stamp = self._random.choice(sorted(APPS)), str(self._random.random())

        def edit(spec: JsonObject) -> JsonObject:
            template = table(spec, "template")
            metadata = table(template, "metadata")
            annotations = table(metadata, "annotations") | {"rolled": stamp}
            return spec | {"template": template | {"metadata": metadata | {"annotations": annotations}}}

        self._edit(app, edit)
        return f"{app} is rolled"

    # ---- steps: used

    def attach(self) -> str:
        return self._use(TERMINAL, "attached to", lambda path, pipes: client.attach(path, TERMINAL, pipes))

    def execute(self) -> str:
        argv = ["sleep", "1000"]
        return self._use("web", "a command in", lambda path, pipes: client.execute(path, "web", argv, pipes))

    def mend(self) -> None:
        """Mend all that is broken; agents are started as their supervisors, systemd or kubelet, would."""
        for timer in self._stopped:
            timer.join()
        self._stopped.clear()
        self._hang_up()
        self._await_registry()
        for node in dead_nodes(self.folder, found(self.folder)):
            revive_node(self.blueprint, self.folder, node, lambda _: None)
            self._give_disk(node)
        for node, pid in self.nodes.items():
            root(pid, f"{PODS}/{node}/{FILLER}").unlink(missing_ok=True)
            breaker = self._breaker(node)
            for part in breaker.broken():
                breaker.mend(part)

    # ---- doing

    def _node(self) -> str:
        return self._random.choice(sorted(self.nodes))

    def _pod_folder(self, container: str = "") -> tuple[str, Path]:
        """Choose a pod, one that has a container of that name if one is named."""
        choices = [
            (node, folder)
            for node in sorted(self.nodes)
            for folder in sorted(self.folders(node))
            if not container or _has(folder, container)
        ]
        return self._random.choice(choices) if choices else (self._node(), Path("/nowhere"))

    def _kill(self, node: str, what: str, pid: int) -> str:
        if not pid:
            return f"no {what} to be killed"
        if what == "supervisor":
            with suppress(ProcessLookupError):  # it has ended
                os.kill(pid, signal.SIGKILL)
        else:  # a number of the node's own
            run_in(self.nodes[node], ["sh", "-c", f"kill -9 {pid} 2>/dev/null || :"])
        return f"a {what} was killed"

    def _kill_forked(self, node: str, is_meant: Callable[[str], bool]) -> None:
        """Kill the spawner, or those it forked: they have its arguments, and names of their own."""
        for pid in below([self.nodes[node]]):
            with suppress(OSError):  # it has ended
                if SPAWNER in Path(f"/proc/{pid}/cmdline").read_bytes() and is_meant(_comm(pid)):
                    os.kill(pid, signal.SIGKILL)

    def _stop(self, pid: int) -> None:
        """Stop a process for a while; it may be killed meanwhile."""
        if not pid:
            return
        descriptor = os.pidfd_open(pid)
        signal.pidfd_send_signal(descriptor, signal.SIGSTOP)

        def go_on() -> None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGCONT)
            os.close(descriptor)

        timer = Timer(STILL, go_on)
        timer.start()
        self._stopped.append(timer)

    def _use(self, container: str, what: str, begin: Callable[[Path, list[int]], client.Running]) -> str:
        """Begin a conversation with a container, which `mend` ends by hanging up."""
        node, folder = self._pod_folder(container)
        if not _supervisor_of(folder):
            return "nothing: no supervisor answers"
        pipes = [*os.pipe(), *os.pipe()]  # what it reads, what it writes
        reader, ours, our_reader, writer = pipes
        try:
            running = begin(folder / SOCKET, [reader, writer, writer])
        except (OSError, client.ControlError) as error:
            for one in pipes:
                os.close(one)
            return f"{node}: {what} {folder.name} was not to be had: {error}"
        for one in (reader, writer):
            os.close(one)
        self._attached.append((running, [ours, our_reader]))
        return f"{node}: {what} {folder.name}"

    def _hang_up(self) -> None:
        for running, pipes in self._attached:
            running.close()
            for one in pipes:
                os.close(one)
        self._attached.clear()

    def _await_registry(self) -> None:
        """Have etcd run."""
        if self.blueprint.registry is RegistryKind.ETCD:
            names = [_comm(pid) for pid in below([self.lab])]
            if ETCD not in names:
                run_etcd(self.folder, self.lab)
            await_registry(self.blueprint, self.folder, self.lab)

    def _breaker(self, node: str) -> Breaker:
        return Breaker(self.blueprint, self.folder, self.lab, node, self.nodes[node])

    def _give_disk(self, node: str) -> None:
        """Put a small file system of the node's own where its pods are, while it has none."""
        pid, place = self.nodes[node], f"{PODS}/{node}"
        kill_agent(pid)
        run_in(pid, ["sh", "-c", f"mkdir -p {place} && mount -t tmpfs -o size={DISK} tmpfs {place}"])
        with root(pid, "/etc/podwire/agent.toml").open("a") as file:
            file.write(BACK_OFF)  # [runner] is its last section
        start_agent(self.folder, node, pid)

    def _edit(self, app: str, edit: Callable[[JsonObject], JsonObject]) -> None:
        self._await_registry()
        self.cluster.change(
            DEPLOYMENT, "default", app, lambda body: body | {"spec": edit(table(body, "spec"))}
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


def _has(folder: Path, container: str) -> bool:
    try:
        return f'"{container}"' in (folder / ORDER).read_text()
    except FileNotFoundError:  # the pod has just gone
        return False


def _state(folder: Path) -> JsonObject:
    with suppress(OSError, ValueError):
        body = json.loads((folder / "state.json").read_text())
        return body if isinstance(body, dict) else {}
    return {}


def _pause_of(folder: Path) -> int:
    """Return the pid of a pod's pause process in its node, by its supervisor's record."""
    pid = _state(folder).get("pause", 0)
    assert isinstance(pid, int)
    return pid


def _containers_of(folder: Path) -> list[int]:
    found_ = table(_state(folder), "containers")
    return [pid for one in found_.values() if isinstance(one, dict) and (pid := one.get("pid"))]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # it is asked often


def _comm(pid: int) -> str:
    """Return a process's name, "" if it has ended; the machine's init may take its time to reap it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    name, _, rest = stat.partition("(")[2].rpartition(") ")
    return "" if rest.startswith(("Z", "X")) else name


def _plugin(pid: int) -> str:
    """Return which plugin a process is, "" if none: the launcher, or the Python that follows it."""
    if (name := _comm(pid)) in PLUGIN_TYPES:
        return name
    with suppress(OSError):
        if b"cni_plugins" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return "a plugin's Python"
    return ""

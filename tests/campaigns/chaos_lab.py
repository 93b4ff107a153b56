"""The lab of the chaos campaign: what it is made of, how things are broken in it, and mended again.

The lab's store is looked at and written from here, as a person with `podwire` would.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Timer

from cluster_store.opening import open_store
from pod_runner.cluster.bodies import JsonObject, table
from pod_runner.cluster.kinds import DEPLOYMENT, POD, SERVICE
from pod_runner.cluster.objects import Object
from pod_runner.cluster.store import ClusterStore
from pod_runner.supervisor import client
from pod_runner.supervisor.order import SOCKET
from podwire.lab.blueprint import PODS, SHARED, Blueprint, RegistryKind
from podwire.lab.breaking import Breaker
from podwire.lab.building import build, found, revive_node
from podwire.lab.dying import dead_nodes
from podwire.lab.finding import below
from podwire.lab.folder import LabFolder
from podwire.lab.ground import ETCD, await_registry, run_etcd
from podwire.lab.inside import root, run_in
from podwire.lab.nodes import kill_agent, start_agent
from tests.campaigns.chaos_apps import APPS, objects
from tests.campaigns.chaos_processes import SPAWNER, has_container, name_of, supervisor_of

NODES = 3
DISK = "24m"  # of each node's pods, so that it can be filled
FILLER = "filler"
STILL = 2.0  # seconds for which a process is stopped
# A container may be killed often, and is waited for; workers are to come and go
SETTINGS = "back_off = 0.5\nlongest_back_off = 2\nrest_after = 0.5\n"


class ChaosLab:
    """The lab, and what steps are made with."""

    def __init__(self, name: str, registry: RegistryKind, random: Random) -> None:
        self._random = random
        self.folder = LabFolder(name)
        build(Blueprint(name=name, registry=registry), NODES, 0, lambda _: None)
        self.blueprint = self.folder.read()
        self.lab, self.nodes = found(self.folder).lab, found(self.folder).nodes  # that live
        self.cluster = ClusterStore(open_store(self._url()))
        self._attached: list[tuple[client.Running, list[int]]] = []
        self._stopped: list[Timer] = []
        for node in self.nodes:
            self._give_disk(node)

    def _url(self) -> str:
        if self.blueprint.registry is RegistryKind.ETCD:
            return self.blueprint.services_url
        return f"directory:{root(self.lab, SHARED)}/shared/services"

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

    def mend(self) -> None:
        """Mend all that is broken; agents are started as their supervisors, systemd or kubelet, would."""
        for timer in self._stopped:
            timer.join()
        self._stopped.clear()
        self._hang_up()
        self._await_registry()
        for node in dead_nodes(self.folder, found(self.folder)):
            revive_node(self.blueprint, self.folder, node, lambda _: None)
            self.nodes = found(self.folder).nodes
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
            if not container or has_container(folder, container)
        ]
        return self._random.choice(choices) if choices else (self._node(), Path("/nowhere"))

    def _kill(self, node: str, what: str, pid: int) -> str:
        if not pid:
            return f"no {what} to be killed"
        if what in ("supervisor", "worker"):
            with suppress(ProcessLookupError):  # it has ended
                os.kill(pid, signal.SIGKILL)
        else:  # a number of the node's own
            run_in(self.nodes[node], ["sh", "-c", f"kill -9 {pid} 2>/dev/null || :"])
        return f"a {what} was killed"

    def _kill_forked(self, node: str, is_meant: Callable[[str], bool]) -> None:
        """Kill the spawner, or those it forked: they have its arguments, and names of their own."""
        for pid in below([self.nodes[node]]):
            with suppress(OSError):  # it has ended
                if SPAWNER in Path(f"/proc/{pid}/cmdline").read_bytes() and is_meant(name_of(pid)):
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
        if not supervisor_of(folder):
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
            names = [name_of(pid) for pid in below([self.lab])]
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
            file.write(SETTINGS)  # [runner] is its last section
        start_agent(self.folder, node, pid)

    def _edit(self, app: str, edit: Callable[[JsonObject], JsonObject]) -> None:
        self._await_registry()
        self.cluster.change(
            DEPLOYMENT, "default", app, lambda body: body | {"spec": edit(table(body, "spec"))}
        )

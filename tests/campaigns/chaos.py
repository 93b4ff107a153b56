"""What can happen to a lab with applications in it: all that can be killed, stopped, filled, cut off."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from pod_runner.cluster.bodies import JsonObject, table
from pod_runner.supervisor import client
from podwire.lab.blueprint import PODS, RegistryKind
from podwire.lab.breaking import Part
from podwire.lab.finding import below, end, is_in
from podwire.lab.ground import ETCD
from podwire.lab.inside import root
from podwire.lab.nodes import agent_of, kill_agent
from tests.campaigns.chaos_apps import APPS, MOST, TERMINAL
from tests.campaigns.chaos_lab import FILLER, NODES, STILL, ChaosLab
from tests.campaigns.chaos_processes import (
    SUPERVISOR,
    containers_of,
    name_of,
    pause_of,
    pids,
    plugin_of,
    supervisor_of,
    worker_of,
)

IN_THE_MIDDLE = 1.5  # seconds to meet a plugin at work
Step = Callable[[], str]


class Chaos(ChaosLab):
    """Each method that is a step returns what it did."""

    @property
    def steps(self) -> list[Step]:
        """Return what can be done."""
        steps: list[Step] = [
            self.kill_agent, self.kill_supervisor, self.kill_pause, self.kill_container, self.kill_spawner,
            self.kill_supervisors, self.kill_worker,
            self.kill_pod, self.kill_plugin, self.kill_node, self.stop_agent, self.stop_supervisor,
            self.lose_registry, self.cut_link, self.fill_disk, self.delete_pod, self.scale, self.roll,
            self.attach, self.execute,
        ]  # fmt: skip
        return [*steps, self.kill_etcd] if self.blueprint.registry is RegistryKind.ETCD else steps

    # ---- steps: killed

    def kill_agent(self) -> str:
        node = self._node()
        kill_agent(self.nodes[node])
        return f"the agent of {node} was killed"

    def kill_supervisor(self) -> str:
        node, folder = self._pod_folder()
        return f"{node}: {self._kill(node, 'supervisor', supervisor_of(folder))}"

    def kill_worker(self) -> str:
        node, folder = self._pod_folder()
        return f"{node}: {self._kill(node, 'worker', worker_of(supervisor_of(folder)))}"

    def kill_pause(self) -> str:
        node, folder = self._pod_folder()
        return f"{node}: {self._kill(node, 'pause', pause_of(folder))}"

    def kill_container(self) -> str:
        node, folder = self._pod_folder()
        pids = containers_of(folder)
        return f"{node}: {self._kill(node, 'container', self._random.choice(pids) if pids else 0)}"

    def kill_pod(self) -> str:
        node, folder = self._pod_folder()
        killed = [self._kill(node, "supervisor", supervisor_of(folder))]
        killed += [self._kill(node, "pause", pause_of(folder))]
        killed += [self._kill(node, "container", pid) for pid in containers_of(folder)]
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
        known = set(pids())
        said = self.delete_pod()
        deadline = time.monotonic() + IN_THE_MIDDLE
        while time.monotonic() < deadline:
            for pid in (now := set(pids())) - known:
                if (name := plugin_of(pid)) and any(is_in(pid, first) for first in firsts):
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
        del self.nodes[node]
        return f"{node} died"

    def kill_etcd(self) -> str:
        end([pid for pid in below([self.lab]) if name_of(pid) == ETCD])
        return "etcd was killed"

    # ---- steps: stopped, cut off, filled

    def stop_agent(self) -> str:
        node = self._node()
        self._stop(agent_of(self.nodes[node]))
        return f"the agent of {node} stands still for {STILL:g} s"

    def stop_supervisor(self) -> str:
        node, folder = self._pod_folder()
        keeper = supervisor_of(folder)
        what, pid = self._random.choice([("keeper", keeper), ("worker", worker_of(keeper))])
        self._stop(pid)
        return f"{node}: a {what} stands still for {STILL:g} s"

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

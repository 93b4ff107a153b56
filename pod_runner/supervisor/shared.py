"""What the parts of one supervisor share: the pod, its record, the loop, what was prepared."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pod_runner.container.process import Stdio, start_exec
from pod_runner.container.sandbox import Sandbox
from pod_runner.container.spec import ContainerError, ContainerSpec, SandboxSpec
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.fields import Facts
from pod_runner.supervisor.keeping import Inheritance
from pod_runner.supervisor.loop import Loop
from pod_runner.supervisor.order import PodOrder
from pod_runner.supervisor.restarts import BackOff
from pod_runner.supervisor.state import PodRecord
from pod_runner.volumes.preparing import Volumes

LOOPBACK = "127.0.0.1"


@dataclass
class Shared:
    """One pod's things. `changed` is to be called after all that its status or its next step depends on."""

    loop: Loop
    folder: Path
    order: PodOrder
    pod: Pod
    record: PodRecord
    cgroups: Cgroups
    spec: SandboxSpec
    changed: Callable[[], None]
    inherited: Inheritance
    sandbox: Sandbox | None = None
    volumes: Volumes = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """Return limits and labels that this machine could not apply."""
        return self.record.notes

    @property
    def troubles(self) -> dict[str, str]:
        """Return what went wrong, by what it is about; a timer tries again what can be."""
        return self.record.troubles

    @property
    def back_off(self) -> BackOff:
        """Return how long to wait before a container is started again."""
        return BackOff(self.order.node.back_off, self.order.node.longest_back_off)

    @property
    def address(self) -> str:
        """Return where probes find the pod, from inside it."""
        return self.record.addresses[0] if self.record.addresses else LOOPBACK

    @property
    def is_stopping(self) -> bool:
        """Tell whether the pod is to end."""
        return self.record.stop_by is not None

    @property
    def said_name(self) -> str:
        """Return the pod as sentences name it."""
        metadata = self.pod.metadata
        return f"{metadata.name}_{metadata.namespace}({metadata.uid})"

    def hear(self) -> None:
        """Have what the keeper has reaped told to whoever waits for it."""
        for pid, status in self.inherited.hear():
            self.loop.ended(pid, status)

    def cgroup_of(self, container: str) -> str:
        """Return the path of a container's cgroup."""
        return f"{self.spec.cgroup}/{container}"

    def facts(self) -> Facts:
        """Return what variables may be taken from."""
        return facts_of(self.order, self.pod, self.spec.hostname, self.record.addresses)

    def execute(
        self, pid: int, spec: ContainerSpec, argv: tuple[str, ...], stdio: Stdio, *,
        terminal: bool = False, env: dict[str, str] | None = None,
    ) -> int:  # fmt: skip
        """Start a command in a container whose process 1 is `pid`. Raises ContainerError."""
        if self.sandbox is None:
            raise ContainerError("the pod has no sandbox at this moment")
        variables = {**spec.env, **(env or {})}
        return start_exec(self.sandbox, pid, spec, argv, variables, stdio, terminal=terminal)

    def signal_cgroup(self, path: str) -> None:
        """Send SIGKILL to everything in a cgroup, and do not wait.

        Process 1 of a pid namespace ends when all others in it were reaped (pid_namespaces(7)), and what was
        executed in a container is this process's child: who waits here for the end would wait in vain.
        """
        self.cgroups.signal(path)

    def kill_cgroup(self, path: str) -> None:
        """End everything in a cgroup, if there is one, and wait for that: no container of ours is in it."""
        try:
            self.cgroups.kill(path)
        except ContainerError as error:
            self.trouble("cgroup", str(error))
        else:
            self.trouble("cgroup", "")

    def remove_cgroup(self, path: str) -> None:
        """Remove a cgroup, if there is one; what cannot be removed is left to `podwire pod gc`."""
        try:
            self.cgroups.remove(path)
        except ContainerError as error:
            self.trouble("cgroup", str(error))

    def note(self, sentence: str) -> None:
        """Say once what this machine could not give the pod."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def trouble(self, about: str, sentence: str) -> None:
        """Say what went wrong; "" where it is right again."""
        if sentence:
            self.troubles[about] = sentence
        else:
            self.troubles.pop(about, None)


def facts_of(order: PodOrder, pod: Pod, hostname: str, addresses: tuple[str, ...]) -> Facts:
    """Return what variables of a pod on this node may be taken from."""
    node = order.node
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Facts(pod, hostname, addresses, node.address, node.name, os.cpu_count() or 1, memory)

"""A sandbox: the namespaces that a pod's containers share, held by a process that sleeps."""

from __future__ import annotations

from dataclasses import dataclass

from pod_runner.container.spec import SandboxSpec


@dataclass(frozen=True)
class Sandbox:
    """A pause process. `started`: clock ticks after boot (proc(5), field 22 of stat): which process it is."""

    pid: int
    started: int
    spec: SandboxSpec

    @property
    def netns(self) -> str:
        """Return the path of the pod's network namespace."""
        return f"/proc/{self.pid}/ns/net"


def start_sandbox(spec: SandboxSpec, notes: list[str] | None = None) -> Sandbox:
    """Make a pod's cgroup and namespaces, and the process that holds them; its parent is the caller.

    `notes` gets a sentence for each limit that this machine could not apply.

    Raises:
        ContainerError: what could not be made.
    """
    raise NotImplementedError


def is_alive(pid: int, started: int) -> bool:
    """Tell whether a process runs, and is the one that started then."""
    raise NotImplementedError

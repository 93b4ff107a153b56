"""A pod as the commands that its programs stand for: what the runner really does, in its order.

Nothing is started. A root is built at /sys, in a mount namespace of its own, before it becomes the root.
"""

from __future__ import annotations

from itertools import groupby

from pod_runner.container.container_program import container_program
from pod_runner.container.identity import identity
from pod_runner.container.process import surroundings
from pod_runner.container.sandbox_program import sandbox_program
from pod_runner.container.spec import ContainerSpec, SandboxSpec
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.kernel.program import Program

DROP = "capsh --drop="


def explain_sandbox(spec: SandboxSpec) -> list[str]:
    """List what a pause process does before it sleeps. Raises ContainerError as starting it would."""
    cgroups = Cgroups.detect()
    has_cgroup = cgroups.entry_folder(spec.cgroup) is not None
    return _commands(sandbox_program(spec, cgroups.entry_files(spec.cgroup), has_cgroup=has_cgroup))


def explain_container(pod: SandboxSpec, spec: ContainerSpec) -> list[str]:
    """List what a container's process does before its program runs. Raises ContainerError likewise."""
    around = surroundings(pod, Cgroups.detect(), f"{pod.cgroup}/{spec.cgroup}")
    who = identity(spec.security, is_user=around.is_mapped, notes=[])
    return _commands(container_program(around, spec, who, (0, 1, 2)))


def _commands(program: Program) -> list[str]:
    """Say once what several calls in a row are, and leave out what only opens things."""
    said = [meaning for meaning, _ in groupby(program.meanings) if not meaning.startswith("open ")]
    commands: list[str] = []
    for is_drop, some in groupby(said, key=lambda meaning: meaning.startswith(DROP)):
        names = list(some)
        commands += [DROP + ",".join(name.removeprefix(DROP) for name in names)] if is_drop else names
    return commands

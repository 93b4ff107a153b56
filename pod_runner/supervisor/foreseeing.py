"""What a supervisor would do for a pod, as commands, without doing it: `podwire pod explain`.

The plans are those of a real start: the same functions make them, for the same specs. Files are written into
a folder that is taken away again, and said with the paths that they would have. An image is fetched, and
a folder that a hostPath volume asks to be made is made.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pod_runner.container.given import CGROUP_FD, PROCESS_FD
from pod_runner.container.process import Stdio, plan_container
from pod_runner.container.sandbox import PAUSE_CGROUP, plan_sandbox
from pod_runner.container.spec import Resources, SandboxSpec
from pod_runner.images.image import HOST
from pod_runner.images.store import ImageStore
from pod_runner.kernel import cgroup_listing, devices, listing
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.kernel.steps import Step
from pod_runner.manifests.container import Container
from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.assembling import assemble_for
from pod_runner.supervisor.order import PodOrder
from pod_runner.supervisor.plan import sandbox_spec
from pod_runner.supervisor.shared import facts_of
from pod_runner.volumes.etc_files import hostname_of, write_etc
from pod_runner.volumes.preparing import Volumes, memory_volumes, prepare_volumes

FOLDERS = "The pod's own folder: what its containers write, its volumes, its files of /etc."
MEMORY = "A volume in memory, in a mount namespace that only the pod's supervisor has."
MOST_TEXT = 2000  # bytes of a file that are shown


@dataclass(frozen=True)
class Section:
    """A part of it: one shell's commands, in order. `shell`: whether they change the shell that runs them."""

    title: str
    steps: tuple[Step, ...]
    is_own_shell: bool = False


def foresee(order: PodOrder, addresses: tuple[str, ...]) -> list[Section]:
    """Return the sections: files, the pod's cgroup, the pause process, and two for each container.

    `addresses` are those that the plugins would give; the network comes after the pause process.

    Raises:
        ContainerError: something that the pod names is not there, or may not be.
    """
    cgroups = Cgroups.detect()
    with TemporaryDirectory(prefix="podwire-") as away:
        tried = replace(order, node=replace(order.node, pods=away), pod=_without_memory(order.pod))
        pod = Pod.model_validate(tried.pod)
        spec = sandbox_spec(tried, pod, hostname_of(pod))
        volumes = prepare_volumes(tried, pod)
        write_etc(tried, pod, addresses)
        containers = [
            section
            for one in (*pod.spec.init_containers, *pod.spec.containers)
            for section in _container(tried, one, spec, volumes, addresses, cgroups)
        ]
        files = [*_files(Path(away), order.node.pods), *_memory(order)]
        sections = [Section("Files", tuple(files)), *_sandbox(spec, cgroups), *containers]
        return [replace(one, steps=_moved(one.steps, away, order.node.pods)) for one in sections]


def _sandbox(spec: SandboxSpec, cgroups: Cgroups) -> list[Section]:
    steps = list(cgroup_listing.commands(cgroups, spec.cgroup, spec.resources))
    known: dict[int, str] = {}
    if (folder := cgroups.entry_folder(spec.cgroup)) is not None:
        steps += cgroup_listing.commands(cgroups, f"{spec.cgroup}/{PAUSE_CGROUP}", Resources())
        known[CGROUP_FD] = str(folder / PAUSE_CGROUP)
    program = plan_sandbox(spec, cgroups)
    return [
        Section("The pod's cgroup", tuple(steps)),
        Section("The pause process", listing.commands(program, known), is_own_shell=True),
    ]


def _container(
    order: PodOrder,
    container: Container,
    pod: SandboxSpec,
    volumes: Volumes,
    addresses: tuple[str, ...],
    cgroups: Cgroups,
) -> Iterator[Section]:
    store = ImageStore(Path(order.node.images))
    fetched = store.ensure(container.image or HOST, container.image_pull_policy)
    image = replace(fetched, store=None)  # nobody has to keep its layers for this root
    facts = facts_of(order, Pod.model_validate(order.pod), pod.hostname, addresses)
    spec = assemble_for(order, container, image, facts, volumes)
    path = f"{pod.cgroup}/{spec.cgroup}"
    rules = () if spec.security.privileged else devices.CONTAINERS
    yield Section(
        f"The cgroup of container {spec.name}", cgroup_listing.commands(cgroups, path, spec.resources, rules)
    )
    known = {PROCESS_FD: "$PAUSE"}
    if (folder := cgroups.entry_folder(path)) is not None:
        known[CGROUP_FD] = str(folder)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        program = plan_container(pod, spec, cgroups, Stdio(null, null, null), [])
    finally:
        os.close(null)
    yield Section(f"Container {spec.name}", listing.commands(program, known), is_own_shell=True)


def _files(folder: Path, pods: str) -> Iterator[Step]:
    """Give what makes the folders and files that were made."""
    for path in sorted(folder.rglob("*")):
        shown = shlex.quote(str(path).replace(str(folder), pods, 1))
        if path.is_symlink():
            yield Step(f"ln -s {shlex.quote(str(path.readlink()))} {shown}", FOLDERS)
        elif path.is_file():
            text = path.read_text(errors="replace")[:MOST_TEXT]
            yield Step(
                f"cat > {shown} <<'END'\n{text}{'' if text.endswith(chr(10)) else chr(10)}END", FOLDERS
            )
        elif all(one.is_file() for one in path.iterdir()) or any(one.is_file() for one in path.iterdir()):
            yield Step(f"mkdir -p {shown}", FOLDERS)


def _memory(order: PodOrder) -> Iterator[Step]:
    pod = Pod.model_validate(order.pod)
    for one in memory_volumes(order, pod):
        yield Step(f"mount -t tmpfs -o {one.options} tmpfs {shlex.quote(str(one.path))}", MEMORY)


def _without_memory(body: dict[str, object]) -> dict[str, object]:
    """Return a pod whose volumes in memory are plain folders: nothing is mounted to explain it."""
    spec = body["spec"]
    assert isinstance(spec, dict)
    volumes = [
        {**one, "emptyDir": {**one["emptyDir"], "medium": ""}} if one.get("emptyDir") else one
        for one in spec.get("volumes") or []
    ]
    return {**body, "spec": {**spec, "volumes": volumes}}


def _moved(steps: Sequence[Step], away: str, pods: str) -> tuple[Step, ...]:
    return tuple(replace(one, command=one.command.replace(away, pods)) for one in steps)

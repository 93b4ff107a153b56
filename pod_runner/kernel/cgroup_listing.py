"""What `Cgroups.make` does, as commands: a folder in each hierarchy, and its limits. Pure."""

from __future__ import annotations

from pathlib import PurePath

from pod_runner.container.spec import Resources
from pod_runner.kernel import cgroups_v1, cgroups_v2
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.kernel.cgroups_v1 import CgroupsV1
from pod_runner.kernel.cgroups_v2 import CgroupsV2
from pod_runner.kernel.devices import Rule
from pod_runner.kernel.steps import Step, echo, quoted, remark

FOLDER = "A folder in each hierarchy is a cgroup: what is in it is counted, limited and ended together."
CPUSET = "A cgroup of version 1 takes no process before it has CPUs and memory: its parent's."
PASS_ON = "A cgroup of version 2 has the controllers that the one above it passes on."
LIMITS = "The limits."
DEVICES = "Which devices may be opened, whatever nodes are made in the container."


def commands(
    cgroups: Cgroups, path: str, resources: Resources, devices: tuple[Rule, ...] = ()
) -> tuple[Step, ...]:
    """Return what makes a cgroup; `devices`: the rules of the devices controller, for a container."""
    match cgroups.version:
        case None:
            return ()
        case CgroupsV1() as version:
            return _first(version, path, resources, devices)
        case CgroupsV2() as version:
            return _second(version, path, resources, devices)


def _first(
    version: CgroupsV1, path: str, resources: Resources, devices: tuple[Rule, ...]
) -> tuple[Step, ...]:
    steps = [Step(f"mkdir -p {quoted(str(folder))}", FOLDER) for folder in version.places(path)]
    if cpuset := version.folders.get("cpuset"):
        for folder in _below(cpuset, path):
            for name in ("cpuset.cpus", "cpuset.mems"):
                steps.append(Step(f"cat {folder.parent / name} > {folder / name}", CPUSET))
    for controller, name, value in [
        *cgroups_v1.limits(resources), *cgroups_v1.memory_limits(resources)
    ]:  # fmt: skip
        if (root := version.folders.get(controller)) is not None:
            steps.append(Step(echo(value, str(root / path.lstrip("/") / name)), LIMITS))
    if devices and (root := version.folders.get("devices")) is not None:
        folder = root / path.lstrip("/")
        steps.append(Step(echo("a", str(folder / "devices.deny")), DEVICES))
        steps += [Step(echo(str(rule), str(folder / "devices.allow")), DEVICES) for rule in devices]
    return tuple(steps)


def _second(
    version: CgroupsV2, path: str, resources: Resources, devices: tuple[Rule, ...]
) -> tuple[Step, ...]:
    folder = version.entry_folder(path)
    words = " ".join(f"+{one}" for one in cgroups_v2.CONTROLLERS)
    steps = [Step(f"mkdir -p {quoted(str(folder))}", FOLDER)]
    for above in (version.root, *_below(version.root, path)[:-1]):
        steps.append(Step(echo(words, str(above / "cgroup.subtree_control")), PASS_ON))
    steps += [Step(echo(value, str(folder / name)), LIMITS) for name, value in cgroups_v2.limits(resources)]
    if devices:
        said = ", ".join(map(str, devices))
        steps.append(remark(f"bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE on {folder}: {said}", DEVICES))
    return tuple(steps)


def _below(root: PurePath, path: str) -> list[PurePath]:
    """Return a cgroup's folder and those above it, below the hierarchy's root, the outermost first."""
    parts = path.strip("/").split("/")
    return [root.joinpath(*parts[: depth + 1]) for depth in range(len(parts))]

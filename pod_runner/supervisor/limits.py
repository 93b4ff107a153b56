"""Requests and limits -> Resources of cgroups, as kubelet reckons them (cm/helpers_linux.go). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pod_runner.container.spec import Resources
from pod_runner.manifests.container import Container, ResourceRequirements

LEAST_SHARES, MOST_SHARES = 2, 262_144  # of cgroup v1; what v2's weights 1 and 10,000 mean
PIDS_LIMIT = (
    32_768  # a pod's; a fork bomb ends here. kubelet's podPidsLimit is unset, containerd's is the system's
)


def container_resources(container: Container) -> Resources:
    """Return one container's limits; where nothing is requested, the limit is."""
    asked = container.resources
    return Resources(
        cpu_weight=weight(_cpu_request(asked)),
        cpu_quota=asked.cpu_limit,
        memory_limit=asked.memory_limit,
        memory_swap=0 if asked.memory_limit is not None else None,  # kubelet's NoSwap
    )


def pod_resources(containers: Sequence[Container], init_containers: Sequence[Container] = ()) -> Resources:
    """Return a pod's limits: requests add up; limits do too, if every container has one.

    Init containers run one after the other: the largest counts; those that go on running add to the sum.
    """
    lasting = [*containers, *(one for one in init_containers if one.is_sidecar)]
    passing = [one for one in init_containers if not one.is_sidecar]
    cpu = max(
        [sum(_cpu_request(one.resources) for one in lasting)]
        + [_cpu_request(one.resources) for one in passing]
    )
    quotas = _limit(
        [one.resources.cpu_limit for one in lasting], [one.resources.cpu_limit for one in passing]
    )
    sizes = _limit(
        [one.resources.memory_limit for one in lasting], [one.resources.memory_limit for one in passing]
    )
    return Resources(
        cpu_weight=weight(cpu),
        cpu_quota=quotas,
        memory_limit=None if sizes is None else int(sizes),
        memory_swap=None if sizes is None else 0,
        pids_limit=PIDS_LIMIT,
    )


def weight(cores: float) -> int:
    """Return cpu.weight for a request (KEP 2254: shares of v1, 1024 a core, mapped to 1 to 10,000)."""
    shares = min(max(int(cores * 1024), LEAST_SHARES), MOST_SHARES)
    return 1 + (shares - LEAST_SHARES) * 9999 // (MOST_SHARES - LEAST_SHARES)


def _cpu_request(asked: ResourceRequirements) -> float:
    return asked.cpu_request if "cpu" in asked.requests else (asked.cpu_limit or 0.0)


def _limit(lasting: Sequence[float | None], passing: Sequence[float | None]) -> float | None:
    """Return the sum, or the largest of the passing ones if that is more; None if somebody has no limit."""
    known = [one for one in lasting if one is not None]
    largest = [one for one in passing if one is not None]
    if len(known) < len(lasting) or len(largest) < len(passing):
        return None
    return max([sum(known), *largest])

"""A Pod -> SandboxSpec and ContainerSpecs. Pure; what was looked up comes as values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pod_runner.container.spec import (
    ContainerSpec,
    IdMapping,
    Mount,
    Network,
    RootFs,
    SandboxSpec,
    Tmpfs,
    UserNamespace,
)
from pod_runner.images.image import Image
from pod_runner.images.users import Ids
from pod_runner.manifests.container import Container
from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.environment import command_line
from pod_runner.supervisor.limits import container_resources, pod_resources
from pod_runner.supervisor.order import PodOrder
from pod_runner.supervisor.security import security_of

NETWORK_ANNOTATION = "podwire.io/network"  # "none": a namespace with lo alone
ID_BLOCK = 65_536  # ids of a pod's user namespace (kubelet's size)
FIRST_BLOCK, BLOCKS = 16, 30_000  # of 65,536 ids each: above all that systemd and subuid files use by default


@dataclass(frozen=True)
class Found:
    """What was looked up for a container before it can be planned."""

    image: Image
    ids: Ids
    root: RootFs
    mounts: tuple[Mount | Tmpfs, ...]
    env: Mapping[str, str]


def pod_cgroup(order: PodOrder) -> str:
    """Return the path of the pod's cgroup, below each hierarchy's root."""
    return f"{order.node.cgroup_parent}/pod{order.uid}"


def network_of(pod: Pod) -> Network:
    """Return where a pod's interfaces come from."""
    if pod.spec.host_network:
        return Network.HOST
    return Network.NONE if pod.metadata.annotations.get(NETWORK_ANNOTATION) == "none" else Network.CNI


def sandbox_spec(order: PodOrder, pod: Pod, hostname: str) -> SandboxSpec:
    """Return the sandbox."""
    spec = pod.spec
    return SandboxSpec(
        pod_id=order.uid,
        hostname=hostname,
        cgroup=pod_cgroup(order),
        network=network_of(pod),
        resources=pod_resources(spec.containers, spec.init_containers),
        host_pid=spec.host_pid,
        host_ipc=spec.host_ipc,
        share_pid=spec.share_process_namespace,
        user_namespace=None if spec.host_users else user_namespace(order.uid),
        sysctls={one.name: one.value for one in spec.security_context.sysctls},
    )


def container_spec(pod: Pod, container: Container, found: Found) -> ContainerSpec:
    """Return a container.

    Raises:
        ContainerError: there is no program to run, or the user may not be root.
    """
    return ContainerSpec(
        name=container.name,
        argv=command_line(container, found.image, found.env),
        root=found.root,
        cgroup=container.name,
        env=dict(found.env),
        cwd=container.working_dir or found.image.cwd or "/",
        mounts=found.mounts,
        resources=container_resources(container),
        security=security_of(container, pod.spec, found.ids),
        terminal=container.tty,
        stop_signal=found.image.stop_signal,
        oom_score_adj=oom_score_adj(container),
    )


def oom_score_adj(container: Container) -> int:
    """Return how readily the kernel kills it (kubelet: qos/policy.go, less what the node's memory would add).

    -997 for a container whose requests are its limits, 1000 for one that asked for nothing, 500 between.
    """
    asked = container.resources
    if not asked.limits and not asked.requests:
        return 1000
    is_guaranteed = all(
        name in asked.limits and asked.requests.get(name, asked.limits[name]) == asked.limits[name]
        for name in ("cpu", "memory")
    )
    return -997 if is_guaranteed else 500


def user_namespace(uid: str) -> UserNamespace:
    """Return a pod's block of ids, the same each time; two pods share one about once in 30,000."""
    number = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big") % BLOCKS
    rows = (IdMapping(0, (FIRST_BLOCK + number) * ID_BLOCK, ID_BLOCK),)
    return UserNamespace(rows, rows)


def outside_ids(spec: SandboxSpec, uid: int, gid: int) -> tuple[int, int]:
    """Return what the node calls a user and group of a container."""
    if spec.user_namespace is None:
        return uid, gid
    return _outside(spec.user_namespace.uids, uid), _outside(spec.user_namespace.gids, gid)


def _outside(rows: tuple[IdMapping, ...], number: int) -> int:
    for row in rows:
        if row.inside <= number < row.inside + row.count:
            return row.outside + number - row.inside
    return number

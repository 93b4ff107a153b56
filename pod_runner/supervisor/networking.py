"""A pod's network: the plugins, called as libcni calls them. Runs in a task: it waits.

The container id is the pod's uid, the interface `eth0`, the namespace `/proc/<pause>/ns/net`: nothing is
mounted for it, so nothing is left behind. DEL is asked without a namespace when the sandbox has gone (CNI
1.1.0, DEL).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cni_spec.errors import CniError
from cni_spec.network_list import NetworkList
from pod_runner.cni.cache import ResultCache
from pod_runner.cni.derive import Target
from pod_runner.cni.lists import list_files, load_network, read_list_file
from pod_runner.cni.runner import PluginRunner
from pod_runner.cni.runtime import Runtime
from pod_runner.container.spec import ContainerError
from pod_runner.manifests.quantity import whole
from pod_runner.supervisor.order import JsonObject, NodePlaces, PodOrder

IFNAME = "eth0"
REASON = "FailedCreatePodSandBox"
INGRESS, EGRESS = "kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth"
BURST_MAX = (1 << 31) - 1  # bits; what kubelet gives: no burst limit but the type's own


@dataclass(frozen=True)
class Attachment:
    """What DEL needs when the network's list has changed, and the addresses that ADD gave."""

    network: str
    addresses: tuple[str, ...]


def attach(order: PodOrder, netns: str, *, is_anew: bool) -> Attachment:
    """Attach the pod. `is_anew`: an ADD was begun before, and what it may have left is deleted first.

    Raises:
        ContainerError: the plugin's words, with the plugin named.
    """
    try:
        network = chosen_network(order.node)
        runtime, target = _runtime(order.node), target_of(order, netns)
        if is_anew:
            runtime.delete(network.name, target, lambda: network)
        result = runtime.add(network, target)
    except CniError as error:
        raise ContainerError(_said(error), REASON) from error
    return Attachment(network.name, _addresses(result))


def detach(order: PodOrder, network: str, netns: str) -> None:
    """Detach the pod; `netns` "" where it has gone. Raises ContainerError: the plugin's words."""
    directory = Path(order.node.cni_conf_dir)
    try:
        _runtime(order.node).delete(
            network, target_of(order, netns), lambda: load_network(network, directory).network
        )
    except CniError as error:
        raise ContainerError(_said(error), "FailedKillPod") from error


def network_name(node: NodePlaces) -> str:
    """Return the name of the network that pods of a node join. Raises ContainerError if there is none."""
    try:
        return chosen_network(node).name
    except CniError as error:
        raise ContainerError(_said(error), REASON) from error


def chosen_network(node: NodePlaces) -> NetworkList:
    """Return the network by its name, or the first in the folder, as libcni and containerd choose it."""
    directory = Path(node.cni_conf_dir)
    if node.network:
        return load_network(node.network, directory).network
    for path in list_files(directory, ".conflist"):
        return read_list_file(path)
    for path in list_files(directory, ".conf", ".json"):
        return read_list_file(path)
    raise ContainerError(f"there is no CNI network in {directory}", REASON)


def _runtime(node: NodePlaces) -> Runtime:
    return Runtime(PluginRunner(node.cni_path, dict(os.environ)), ResultCache(Path(node.cni_cache)))


def target_of(order: PodOrder, netns: str) -> Target:
    """Return what the plugins are told of a pod, as kubelet and containerd tell it."""
    metadata = _object(order.pod.get("metadata"))
    args = (
        ("IgnoreUnknown", "1"),
        ("K8S_POD_NAMESPACE", str(metadata.get("namespace", "default"))),
        ("K8S_POD_NAME", str(metadata.get("name"))),
        ("K8S_POD_INFRA_CONTAINER_ID", order.uid),
        ("K8S_POD_UID", order.uid),
    )
    return Target(order.uid, netns, IFNAME, args, capability_args(order.pod))


def capability_args(pod: JsonObject) -> JsonObject:
    """Return what plugins that declare `portMappings` and `bandwidth` are given (CNI conventions)."""
    args: JsonObject = {}
    if mappings := _port_mappings(_object(pod.get("spec"))):
        args["portMappings"] = mappings
    annotations = _object(_object(pod.get("metadata")).get("annotations"))
    if bandwidth := _bandwidth(annotations):
        args["bandwidth"] = bandwidth
    return args


def _port_mappings(spec: JsonObject) -> list[JsonObject]:
    containers = [*_objects(spec.get("initContainers")), *_objects(spec.get("containers"))]
    return [
        {
            "hostPort": port["hostPort"],
            "containerPort": port["containerPort"],
            "protocol": str(port.get("protocol", "TCP")).lower(),
            "hostIP": port.get("hostIP", ""),
        }
        for container in containers
        for port in _objects(container.get("ports"))
        if port.get("hostPort")
    ]


def _bandwidth(annotations: JsonObject) -> JsonObject:
    """Return rates in bits per second; kubelet's annotations are quantities of the same."""
    told: JsonObject = {}
    for annotation, name in ((INGRESS, "ingress"), (EGRESS, "egress")):
        text = annotations.get(annotation)
        if isinstance(text, str):
            told |= {f"{name}Rate": whole(text), f"{name}Burst": BURST_MAX}
    return told


def _addresses(result: JsonObject) -> tuple[str, ...]:
    """Return the pod's addresses without their prefix lengths, IPv4 first as the plugins list them."""
    listed = [str(one.get("address", "")).partition("/")[0] for one in _objects(result.get("ips"))]
    old = [_object(result.get(key)).get("ip") for key in ("ip4", "ip6")]  # versions below 0.3.0
    return tuple(one for one in [*listed, *(str(ip).partition("/")[0] for ip in old if ip)] if one)


def _said(error: CniError) -> str:
    return f"{error.msg}: {error.details}" if error.details else error.msg


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []

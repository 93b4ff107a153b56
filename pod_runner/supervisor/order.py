"""PodOrder: everything that a supervisor must know to run its pod, in one file beside what it makes.

The node's agent writes `order.json` into the pod's folder and starts a supervisor on it; a later one, after
the first was killed, reads the same file. The pod is the Kubernetes object, judged and with its defaults.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

JsonObject = dict[str, object]

ORDER, STATE, STATUS, LOCK, SOCKET = "order.json", "state.json", "status.json", "lock", "control.sock"


@dataclass(frozen=True)
class NodePlaces:
    """Where a node keeps things, and what it gives to its pods."""

    name: str = "localhost"
    address: str = ""  # the node's InternalIP, for status.hostIP
    pods: str = "/run/podwire/pods"  # a folder for each pod, named by its uid
    images: str = "/var/lib/podwire/images"
    volumes: str = "/var/lib/podwire/volumes"  # named volumes
    logs: str = "/var/log/podwire/pods"  # NAMESPACE_NAME_UID/CONTAINER/N.log, as kubelet's
    cgroup_parent: str = "/podwire"
    cni_conf_dir: str = "/etc/cni/net.d"
    cni_path: tuple[str, ...] = ("/opt/cni/bin",)
    cni_cache: str = "/var/lib/cni"
    network: str = ""  # the name of a CNI network; "": the first one in the folder
    cluster_dns: tuple[str, ...] = ()
    zone: str = "cluster.local"
    back_off: float = 10.0  # seconds; kubelet's first delay before a container is restarted
    longest_back_off: float = 300.0
    rest_after: float = 5.0  # seconds; a pod to which nothing happens is then held by its keeper alone


@dataclass(frozen=True)
class PodOrder:
    """One pod of a node.

    `config_maps`: name -> key -> text, of all that the pod's volumes and variables name. `services`: the
    variables that kubelet sets for services (WEB_SERVICE_HOST, ...).
    """

    pod: JsonObject
    node: NodePlaces
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """Return the pod's uid."""
        metadata = self.pod["metadata"]
        assert isinstance(metadata, dict)
        return str(metadata["uid"])

    @property
    def folder(self) -> Path:
        """Return the pod's folder."""
        return Path(self.node.pods, self.uid)

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(asdict(self))


def read_order(text: str) -> PodOrder:
    """Read what `to_json` wrote."""
    body = json.loads(text)
    node = body.pop("node")
    node["cni_path"], node["cluster_dns"] = tuple(node["cni_path"]), tuple(node["cluster_dns"])
    return PodOrder(node=NodePlaces(**node), **body)

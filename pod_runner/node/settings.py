"""What a node's owner may choose of pods: the section [runner] of agent.toml."""

from __future__ import annotations

import os
import re
import socket
from typing import Annotated

from pydantic import AfterValidator, Field

from cni_spec.config import SpecModel
from pod_runner.supervisor.order import NodePlaces

Seconds = Annotated[float, Field(gt=0, le=86_400, strict=False)]
OWN_STORE = "directory:/var/lib/podwire/cluster"  # where neither [runner] nor [proxy] names one
STORES = ("directory:", "etcd:", "etcds:", "http:", "https:")  # how a URL of a store begins
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_LABEL = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"


def _taint(text: str) -> str:
    if not re.fullmatch(rf"{_LABEL}(={_VALUE})?:({'|'.join(EFFECTS)})", text):
        raise ValueError('expected a taint, as "disk=slow:NoSchedule"')
    return text


def _cgroup(text: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_.:@-]+)+", text) or ".." in text.split("/"):
        raise ValueError('expected the path of a cgroup below the root of all, as "/podwire"')
    return text


def _folder(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("expected a folder's path from the root on")
    return text.rstrip("/") or "/"


Folder = Annotated[str, AfterValidator(_folder)]
LabelName = Annotated[str, Field(pattern=rf"^{_LABEL}$")]
LabelValue = Annotated[str, Field(pattern=rf"^{_VALUE}$")]


class RunnerSettings(SpecModel):
    """Pods on one node.

    `store`: where the cluster's objects are, "directory:" or "etcd://" as the overlay's registry; by default
    [proxy]'s source if that is a store, else a folder of this machine. `node`: this node's name, by default
    NODE_NAME of the environment or the host's. `address`: its InternalIP, by default that of the way out.
    `network`: a CNI network's name, by default the first one in `conf_dir`. `controllers`: deployments, the
    scheduler and so on may work here (one node's do). `heartbeat`: after so long without a word this node
    counts as dead; after `eviction` more its pods begin elsewhere. `drain`: a pod that is deleted goes on
    serving until no client has come for so long, at most eight times so long. `static_pods`: a folder of
    manifests that run without any store. `cluster_dns`: name servers of pods, by default [dns]'s.
    `starts`: pods that are begun at once. `back_off`: how long a container waits that has ended for the
    second time; twice as long each time after that, at most `longest_back_off`. `rest_after`:
    a pod to which nothing happened for so long is held by its keeper alone. Times in seconds.
    """

    enabled: bool = False
    store: str = ""
    node: str = ""
    address: str = ""
    labels: dict[LabelName, LabelValue] = Field(default_factory=dict)
    taints: tuple[Annotated[str, AfterValidator(_taint)], ...] = ()
    network: str = ""
    conf_dir: Folder = "/etc/cni/net.d"
    cni_path: tuple[Folder, ...] = ("/opt/cni/bin",)
    cni_cache: Folder = "/var/lib/cni"
    cgroup_parent: Annotated[str, AfterValidator(_cgroup)] = "/podwire"
    pods: Folder = "/run/podwire/pods"
    images: Folder = "/var/lib/podwire/images"
    volumes: Folder = "/var/lib/podwire/volumes"
    logs: Folder = "/var/log/podwire/pods"
    cluster_dns: tuple[str, ...] = ()
    zone: str = "cluster.local"
    controllers: bool = True
    heartbeat: Annotated[float, Field(ge=1, le=3600, strict=False)] = 10.0
    eviction: Annotated[float, Field(ge=0, le=86_400, strict=False)] = 30.0
    drain: Annotated[float, Field(ge=0, le=300, strict=False)] = 0.5
    max_pods: Annotated[int, Field(ge=0, le=100_000)] = 110
    starts: Annotated[int, Field(ge=1, le=256)] = 8
    back_off: Seconds = 10.0
    longest_back_off: Seconds = 300.0
    rest_after: Seconds = 5.0
    static_pods: str = ""
    user: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def node_name(self) -> str:
        """Return this node's name."""
        return (self.node or os.environ.get("NODE_NAME", "") or socket.gethostname()).strip().lower()

    def store_url(self, proxy_source: str = "") -> str:
        """Return the store's URL; `proxy_source` is what [proxy] names, if it is enabled."""
        if self.store:
            return self.store
        return proxy_source if proxy_source.startswith(STORES) else OWN_STORE

    def places(self, address: str = "", cluster_dns: tuple[str, ...] = ()) -> NodePlaces:
        """Return what supervisors are told of this node; both arguments where the settings do not say."""
        return NodePlaces(
            name=self.node_name, address=self.address or address, pods=self.pods, images=self.images,
            volumes=self.volumes, logs=self.logs, cgroup_parent=self.cgroup_parent,
            cni_conf_dir=self.conf_dir, cni_path=self.cni_path, cni_cache=self.cni_cache,
            network=self.network, cluster_dns=self.cluster_dns or cluster_dns, zone=self.zone,
            back_off=self.back_off, longest_back_off=self.longest_back_off,
            rest_after=self.rest_after,
        )  # fmt: skip

"""Pod and PodSpec, typed: what a body that was judged says (`Pod.model_validate(body)`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pod_runner.manifests.container import Container
from pod_runner.manifests.model import Items, KubeModel, Metadata
from pod_runner.manifests.scheduling import Affinity, Toleration, TopologySpreadConstraint
from pod_runner.manifests.security import PodSecurityContext
from pod_runner.manifests.volumes import Volume


class HostAlias(KubeModel):
    """A line of /etc/hosts."""

    ip: str
    hostnames: Items[str] = ()


class DnsOption(KubeModel):
    """An option of resolv.conf, such as ndots."""

    name: str
    value: str | None = None


class DnsConfig(KubeModel):
    """What is added to resolv.conf; with dnsPolicy "None" it is all there is."""

    nameservers: Items[str] = ()
    searches: Items[str] = ()
    options: Items[DnsOption] = ()


class PodSpec(KubeModel):
    """What a pod is to be; times in seconds."""

    containers: Items[Container]
    init_containers: Items[Container] = ()
    volumes: Items[Volume] = ()
    restart_policy: Literal["Always", "OnFailure", "Never"] = "Always"
    termination_grace_period_seconds: int = 30
    hostname: str = ""
    subdomain: str = ""
    host_aliases: Items[HostAlias] = ()
    dns_policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"] = "ClusterFirst"
    dns_config: DnsConfig = DnsConfig()
    enable_service_links: bool = True
    host_network: bool = False
    host_pid: bool = Field(False, alias="hostPID")
    host_ipc: bool = Field(False, alias="hostIPC")
    host_users: bool = True
    share_process_namespace: bool = False
    security_context: PodSecurityContext = PodSecurityContext()
    node_name: str = ""
    node_selector: dict[str, str] = Field(default_factory=dict)
    affinity: Affinity = Affinity()
    tolerations: Items[Toleration] = ()
    topology_spread_constraints: Items[TopologySpreadConstraint] = ()


class PodTemplate(KubeModel):
    """What pods of a workload are to be."""

    metadata: Metadata = Metadata()
    spec: PodSpec


class Pod(KubeModel):
    """A pod. Its status is not modelled: supervisors write it, and readers take from it what they need."""

    metadata: Metadata
    spec: PodSpec

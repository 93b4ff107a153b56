"""What a lab is to be: its addresses, its names, and the files of its nodes. Pure.

The underlay is 198.18.0.0/15 (RFC 2544: networks for trials) and fd00:18::/63: one segment a half. Node 7
has the host part 7, so that what one sees in a dump says which node it is.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cni_spec.config import SpecModel
from cni_spec.errors import INVALID_CONFIG, CniError

PREFIX = "pwlab"  # of the names of network namespaces
UNDERLAY = "underlay"  # the namespace of the segments, the router and etcd
NETWORK = "lab"  # the pods'
POD_NETWORK, POD_NETWORK6 = "10.244.0.0/16", "fd00:10:244::/48"  # flannel's own example; ours
SERVICES, SERVICES6 = "10.96.0.0/16", "fd00:10:96::/112"  # ClusterIPs; kubeadm's begin there, too
DNS, DNS6 = "10.96.0.10", "fd00:10:96::a"  # the tenth, by custom
ZONE = "cluster.local"
MOST_NODES = 250
SHARED = "/run/lab"  # in every node: what the lab's nodes share
PODS = f"{SHARED}/nodes"  # a folder for each node, with one for each of its pods: others look and ask there
IMAGES = f"{SHARED}/images"
CGROUPS = "/podwire"  # below each hierarchy's root: a lab's processes in pods, /podwire/lab-NAME/NODE/POD
HEARTBEAT = 3  # seconds without one, and a node is not ready
EVICTION = 1  # seconds more, and its pods are made elsewhere
PLUGINS = "/opt/cni/bin"
NET_CONF = "/etc/podwire/net-conf.json"
AGENT_SOCKET = "/run/podwire/agent.sock"
SUBNET_ENV = "/run/flannel/subnet.env"
ETCD_PORT = 2379  # IANA: etcd-client


class RegistryKind(StrEnum):
    """Where the nodes keep their leases."""

    DIRECTORY = "directory"
    ETCD = "etcd"


class LabMode(StrEnum):
    """How packets cross nodes."""

    VXLAN = "vxlan"
    GPE = "vxlan-gpe"
    DIRECT = "direct"


class Topology(StrEnum):
    """FLAT: one segment. ROUTED: two, odd and even nodes, with a router between them."""

    FLAT = "flat"
    ROUTED = "routed"


class Blueprint(SpecModel):
    """What `podwire lab up` was asked for. `mtu` in bytes, of the underlay.

    `machine`: as of `finding.machine_of`; labs of one name on two of them share the cgroups' tree.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$")] = "lab"
    registry: RegistryKind = RegistryKind.DIRECTORY
    mode: LabMode = LabMode.VXLAN
    dual_stack: bool = False
    topology: Topology = Topology.FLAT
    mtu: Annotated[int, Field(ge=1280, le=9000)] = 1500
    services: bool = True
    runner: bool = True  # agents run pods; it takes services
    machine: Annotated[str, Field(pattern=r"^[0-9]*$")] = ""

    @property
    def segments(self) -> range:
        """Return the numbers of the segments."""
        return range(2 if self.topology is Topology.ROUTED else 1)

    def segment_of(self, node: str) -> int:
        """Return the segment that a node is plugged into."""
        return (number_of(node) - 1) % len(self.segments)

    def address(self, node: str) -> str:
        """Return a node's address in the underlay."""
        return f"198.{18 + self.segment_of(node)}.0.{number_of(node)}"

    def address6(self, node: str) -> str:
        """Return a node's IPv6 address in the underlay."""
        return f"fd00:{18 + self.segment_of(node)}::{number_of(node):x}"

    def netns_name(self, node: str) -> str:
        """Return the name under /run/netns of a node's network namespace, or the underlay's."""
        return f"{PREFIX}-{self.name}-{node}"

    @property
    def registry_url(self) -> str:
        """Return what [overlay] registry says."""
        if self.registry is RegistryKind.ETCD:
            return f"etcd://{router(0)}:{ETCD_PORT}"
        return f"directory:{SHARED}/shared/registry"

    @property
    def services_url(self) -> str:
        """Return what [proxy] source says: the nodes' registry, or a folder beside it."""
        if self.registry is RegistryKind.ETCD:
            return self.registry_url
        return f"directory:{SHARED}/shared/services"

    @property
    def dns(self) -> tuple[str, ...]:
        """Return where a node's DNS answers."""
        return (DNS, DNS6) if self.dual_stack else (DNS,)

    @property
    def runs_pods(self) -> bool:
        """Tell whether agents run pods."""
        return self.services and self.runner

    def cgroup(self, node: str = "") -> str:
        """Return where the cgroups of a node's pods are, or all nodes'."""
        lab = f"{CGROUPS}/lab-{self.name}" + (f"@{self.machine}" if self.machine else "")
        return lab + (f"/{node}" if node else "")

    def net_conf(self) -> str:
        """Return net-conf.json."""
        kind = "host-gw" if self.mode is LabMode.DIRECT else self.mode.value
        body: dict[str, object] = {"Network": POD_NETWORK, "Backend": {"Type": kind}}
        if self.dual_stack:
            body |= {"EnableIPv6": True, "IPv6Network": POD_NETWORK6}
        return json.dumps(body, indent=4) + "\n"

    def agent_toml(self, node: str) -> str:
        """Return the configuration of a node's agent."""
        return (
            "[agent]\nidle = 0\nstart = false\n\n"  # an agent that was killed stays away
            f'[overlay]\nregistry = "{self.registry_url}"\nnode = "{node}"\nnet_conf = "{NET_CONF}"\n'
        ) + (self._services_toml(node) + self._runner_toml(node) if self.services else "")

    def _services_toml(self, node: str) -> str:
        pods = [POD_NETWORK, *([POD_NETWORK6] if self.dual_stack else [])]
        ranges = [SERVICES, *([SERVICES6] if self.dual_stack else [])]
        return (
            f'\n[proxy]\nenabled = true\nsource = "{self.services_url}"\nnode = "{node}"\n'
            f"pods = {json.dumps(pods)}\nservice_cidrs = {json.dumps(ranges)}\n\n"
            f'[dns]\nenabled = true\nzone = "{ZONE}"\naddresses = {json.dumps(self.dns)}\n'
        )

    def _runner_toml(self, node: str) -> str:
        if not self.runs_pods:
            return ""
        return (
            f'\n[runner]\nenabled = true\nstore = "{self.services_url}"\nnode = "{node}"\n'
            f'network = "{NETWORK}"\ncgroup_parent = "{self.cgroup(node)}"\n'
            f'pods = "{PODS}/{node}"\nimages = "{IMAGES}"\n'
            f"heartbeat = {HEARTBEAT}\neviction = {EVICTION}\n"
        )


def router(segment: int) -> str:
    """Return the router's address in a segment; in the first it is etcd's as well."""
    return f"198.{18 + segment}.0.254"


def router6(segment: int) -> str:
    """Return the router's IPv6 address in a segment."""
    return f"fd00:{18 + segment}::fe"


def number_of(node: str) -> int:
    """Return the number in a node's name. Raises CniError, code 7, for what is no name of a node."""
    match = re.fullmatch(r"node([1-9][0-9]{0,2})", node)
    if match is None or int(match[1]) > MOST_NODES:
        raise CniError(INVALID_CONFIG, f'"{node}" is no node: they are called node1 to node{MOST_NODES}')
    return int(match[1])


def conflist() -> str:
    """Return the network list of a node: the plugin takes subnets and MTU from what the agent found out."""
    overlay = {"type": "overlay", "delegate": {"isDefaultGateway": True, "hairpinMode": True}}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    body = {"cniVersion": "1.1.0", "name": NETWORK, "plugins": [overlay, portmap]}
    return json.dumps(body, indent=4) + "\n"

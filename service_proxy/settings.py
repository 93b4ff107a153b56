"""What a node's owner may choose of services: the sections [proxy] and [dns] of agent.toml."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cni_spec.config import SpecModel
from linuxnet.numbers import MASQUERADE_MARK

Seconds = Annotated[float, Field(gt=0, le=86_400, strict=False)]
Timeout = Annotated[int, Field(ge=0, le=31_536_000)]  # seconds; 0 leaves the kernel's
PORTS = 65535
KUBERNETES = "kubernetes"  # as a source: the API server that kubeconfig, or the pod's service account, names
NODE_PORT_WORDS = ("primary", "localhost", "all")


def _cidr(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _node_port_addresses(text: str) -> str:
    return text if text in NODE_PORT_WORDS else _cidr(text)


def _ports(text: str) -> str:
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) <= PORTS):
        raise ValueError('expected a range of ports, as "30000-32767"')
    return text


def _listen(text: str) -> str:
    if text:
        split_listen(text)
    return text


def _domain(text: str) -> str:
    labels = text.rstrip(".").lower().split(".")
    if len(text) > 253 or not all(0 < len(one.encode()) <= 63 for one in labels):
        raise ValueError('expected a domain name, as "cluster.local"')
    return ".".join(labels)


Cidrs = tuple[Annotated[str, AfterValidator(_cidr)], ...]
Addresses = tuple[Annotated[str, AfterValidator(_address)], ...]
Listen = Annotated[str, AfterValidator(_listen)]


def split_listen(text: str) -> tuple[str, int]:
    """Return address and port of "127.0.0.1:10249", "[::]:10256" or ":53". Raises ValueError."""
    host, colon, port = text.rpartition(":")
    address = host.removeprefix("[").removesuffix("]") or "::"
    if not colon or not port.isdecimal() or int(port) > PORTS:
        raise ValueError('expected "ADDRESS:PORT"')
    return str(ipaddress.ip_address(address)), int(port)


class ConntrackSettings(SpecModel):
    """Sizes and times of the connection table, as kube-proxy's `conntrack`; 0 leaves the kernel's."""

    max_per_core: Annotated[int, Field(ge=0)] = 32_768
    min: Annotated[int, Field(ge=0)] = 131_072
    tcp_established_timeout: Timeout = 86_400
    tcp_close_wait_timeout: Timeout = 3_600
    tcp_be_liberal: bool = False
    udp_timeout: Timeout = 0
    udp_stream_timeout: Timeout = 0


class SourceSettings(SpecModel):
    """Where services come from; [dns] has it too, for a node that has only the one of both.

    `source`: a folder of YAML and JSON files, "directory:" or "etcd://" as the overlay's registry, or
    "kubernetes". `prefix`: where objects stand in a store. `node`: this node's name, by default NODE_NAME of
    the environment or the host's.
    """

    enabled: bool = False
    source: str = "/etc/podwire/services"
    prefix: str = "/podwire"
    kubeconfig: str = ""
    api_server: str = ""  # instead of the one that kubeconfig names
    node: str = ""
    user: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def node_name(self) -> str:
        """Return this node's name."""
        return (self.node or os.environ.get("NODE_NAME", "") or socket.gethostname()).strip().lower()

    @property
    def is_kubernetes(self) -> bool:
        """Tell whether an API server gives the objects, and so the addresses and ports in them."""
        return self.source == KUBERNETES


class ProxySettings(SourceSettings):
    """The service proxy on one node.

    `zone`, `addresses`: of this node, where no Node object tells. `pods`: the cluster's; without any nobody
    is taken for a client from outside. `pod_interface`: instead of their addresses it tells who is a pod, by
    its name or, as "veth*", by how it begins. `service_cidrs`, `node_ports`: where ClusterIPs and NodePorts
    come from, if no API server gives them; ClusterIPs nobody has are dropped. `nodeport_addresses`: "primary"
    (the Node's addresses; all, if nobody tells them), "localhost", "all", or ranges. `external_ips`: the
    ranges that externalIPs of services may be of. `load_balancer_pools`: where addresses of load balancers
    come from, announced on the links by ARP and NDP; nodes that have the same pools share a store, or with an
    API server the Leases of `lease_namespace`. `name`:
    serve only what the label service.kubernetes.io/service-proxy-name gives to a proxy of this name. Times
    in seconds.
    """

    zone: str = ""
    addresses: Addresses = ()
    pods: Cidrs = ()
    pod_interface: Annotated[str, Field(pattern=r"^([A-Za-z0-9_.:@-]{1,15}|[A-Za-z0-9_.:@-]{1,14}\*)?$")] = ""
    service_cidrs: Cidrs = ("10.96.0.0/16",)
    node_ports: Annotated[str, AfterValidator(_ports)] = "30000-32767"
    nodeport_addresses: tuple[Annotated[str, AfterValidator(_node_port_addresses)], ...] = ("primary",)
    masquerade_all: bool = False
    masquerade_bit: Annotated[int, Field(ge=0, le=31)] = MASQUERADE_MARK.bit_length() - 1
    answer_ping: bool = True
    external_ips: Cidrs = ()
    load_balancer_pools: Cidrs = ()
    lease_namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] = "podwire"
    name: str = ""
    healthz: Listen = ""
    metrics: Listen = ""
    state: str = "/var/lib/podwire/services"
    resync_interval: Seconds = 600.0
    conntrack: ConntrackSettings = ConntrackSettings()

    @property
    def mark(self) -> int:
        """Return the bit of a packet's mark that has it masqueraded."""
        return 1 << self.masquerade_bit

    @property
    def node_port_range(self) -> tuple[int, int]:
        """Return the first and the last NodePort."""
        first, _, last = self.node_ports.partition("-")
        return int(first), int(last)


class DnsSettings(SourceSettings):
    """The DNS server on one node; with [proxy] enabled it has the proxy's source.

    `addresses`: where it answers, made local to this node; by default the tenth of the first range of
    ClusterIPs. `upstreams`: who is asked for other names, "ADDRESS" or "ADDRESS:PORT"; by default those of
    `resolv_conf`. `stubs`: domains and their own servers. `workers`: processes that answer, for `linger` also
    after an agent that was killed. `prefers_near`: of a headless service's endpoints those of this node come
    first, then those of its zone. `endpoint_pod_names`: an endpoint without a hostname has its pod's name.
    Times in seconds.
    """

    addresses: Addresses = ()
    port: Annotated[int, Field(ge=1, le=PORTS)] = 53
    zone: Annotated[str, AfterValidator(_domain)] = "cluster.local"
    ttl: Annotated[int, Field(ge=0, le=3600)] = 5
    pods: Literal["disabled", "insecure", "verified"] = "insecure"
    upstreams: tuple[str, ...] = ()
    resolv_conf: str = "/etc/resolv.conf"
    policy: Literal["random", "sequential"] = "random"
    stubs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    hosts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    autopath: bool = False
    prefers_near: bool = False
    endpoint_pod_names: bool = False
    linger: Annotated[float, Field(ge=0, le=3600, strict=False)] = 0.0
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    max_concurrent: Annotated[int, Field(ge=1, le=100_000)] = 1000
    cache_entries: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    cache_ttl: Annotated[int, Field(ge=0, le=86_400)] = 3600
    cache_negative_ttl: Annotated[int, Field(ge=0, le=86_400)] = 30
    serve_stale: Annotated[int, Field(ge=0, le=604_800)] = 86_400
    metrics: Listen = ""

"""Services, endpoint slices, pods and nodes as values: what the sources read, and all decisions are made on.

The words are Kubernetes' (core/v1 Service, discovery.k8s.io/v1 EndpointSlice); what is absent there has its
default here, so that nobody below asks twice. Addresses are packed, 4 or 16 bytes: they are the kernel's
keys, and a hundred thousand of them are to be small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from service_proxy.endpoints import Address as Address
from service_proxy.endpoints import Endpoint as Endpoint
from service_proxy.endpoints import Hints as Hints
from service_proxy.endpoints import kept

_SIZES = {4: 4, 6: 16}  # bytes of an address, by family
NO_LABELS: Mapping[str, str] = {}
NO_WEIGHTS: Mapping[str, int] = {}


class ServiceName(NamedTuple):
    """Whose service: names are unique in a namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ServiceType(Enum):
    """What a service is for others; `spec.type`."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_NAME = "ExternalName"


class Algorithm(Enum):
    """How an endpoint is chosen; annotation `podwire.io/algorithm`."""

    RANDOM = "random"
    MAGLEV = "maglev"  # by a hash of the client's address and port
    MAGLEV_SOURCE = "maglev-source"  # by a hash of the client's address alone


class Distribution(Enum):
    """Who is preferred; `spec.trafficDistribution`. Endpoints' hints decide: a controller's, or ours."""

    NONE = ""
    SAME_ZONE = "PreferSameZone"  # PreferClose is its older name
    SAME_NODE = "PreferSameNode"


class ServicePort(NamedTuple):
    """One port. `protocol` in lower case; `target` is a number or a name of the pods' ports."""

    name: str
    protocol: str
    port: int
    node_port: int = 0  # 0: none
    target: int | str = 0  # 0: the same as `port`
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """One service, as it was read. An address that a family does not have is not among `cluster_ips`."""

    name: ServiceName
    type: ServiceType = ServiceType.CLUSTER_IP
    ports: tuple[ServicePort, ...] = ()
    cluster_ips: tuple[Address, ...] = ()  # () where there is none yet
    is_headless: bool = False  # clusterIP None
    families: tuple[int, ...] = (4,)  # 4, 6, in the order of ipFamilies
    external_name: str = ""  # of ExternalName: a domain name without a dot at its end
    selector: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)  # empty: slices are made by hand
    publishes_not_ready: bool = False
    external_ips: tuple[Address, ...] = ()
    load_balancer_ips: tuple[Address, ...] = ()  # of status, those with ipMode VIP
    load_balancer_class: str | None = None
    wanted_load_balancer_ips: tuple[
        Address, ...
    ] = ()  # loadBalancerIP, annotation podwire.io/load-balancer-ips
    source_ranges: tuple[str, ...] = ()  # CIDRs, both families; (): everybody
    health_check_node_port: int = 0
    is_local_inside: bool = False  # internalTrafficPolicy Local
    is_local_outside: bool = False  # externalTrafficPolicy Local
    affinity_timeout: int = 0  # seconds; 0: no session affinity
    distribution: Distribution = Distribution.NONE
    algorithm: Algorithm = Algorithm.RANDOM
    weights: Mapping[str, int] = field(
        default_factory=lambda: NO_WEIGHTS
    )  # by pod name, node name or address; others have 1
    drained: frozenset[str] = frozenset()  # endpoints that get nothing new, named as in `weights`
    allocates_node_ports: bool = True  # allocateLoadBalancerNodePorts
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    version: str = ""  # of the registry, for whoever writes it back
    created: str = ""  # RFC 3339; of two services that claim the same, the older has it


class EndpointPort(NamedTuple):
    """One port of a slice: joined with a service's by name and protocol."""

    name: str
    protocol: str
    port: int


class SliceName(NamedTuple):
    """Whose slice."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """Some endpoints of a service; all of one family, all with the same ports."""

    name: SliceName
    service: ServiceName
    family: int
    ports: tuple[EndpointPort, ...]
    endpoints: Sequence[Endpoint]  # by columns, whatever it was made with
    is_headless: bool = False  # label service.kubernetes.io/headless: for DNS, not for the proxy
    proxy_name: str = ""  # label service.kubernetes.io/service-proxy-name: another proxy's

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoints", kept(self.endpoints, _SIZES.get(self.family, 0)))


@dataclass(frozen=True, slots=True)
class Pod:
    """What endpoints and names need of a pod."""

    name: SliceName
    addresses: tuple[Address, ...] = ()
    node: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    is_ready: bool = False
    is_terminating: bool = False
    is_over: bool = False  # phase Succeeded or Failed
    hostname: str = ""
    subdomain: str = ""
    ports: tuple[EndpointPort, ...] = ()  # those with names


@dataclass(frozen=True, slots=True)
class Node:
    """A node, as far as services ask."""

    name: str
    addresses: tuple[Address, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    zone: str = ""
    is_leaving: bool = False  # to be deleted: no new traffic from load balancers
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)


class ServiceCidr(NamedTuple):
    """A range from which ClusterIPs come (networking.k8s.io ServiceCIDR)."""

    name: str
    cidrs: tuple[str, ...]


class Namespace(NamedTuple):
    """A namespace; DNS tells one without services from none."""

    name: str

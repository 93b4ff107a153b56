"""What an ADD of ptp does, as values.

The container has its address without a route to its network: neighbours are reached through the host, the
host through a route of link scope. The host has the gateway's address on its own end, the same for every
container, and one route to each container.
"""

from __future__ import annotations

from dataclasses import dataclass

from netaddr import IPAddress, IPNetwork

from cni_plugins.interface import (
    address_ops,
    first_address,
    host_end_sysctls,
    masqueraded,
    on_interface,
    route_ops,
)
from cni_plugins.ptp.config import PtpConfig
from cni_spec.addresses import host_network
from cni_spec.result import IpConfig, Result
from linuxnet.addresses import Address
from linuxnet.links import Veth
from linuxnet.masquerade import masquerade_ops
from linuxnet.op import Op, Where
from linuxnet.owner import Attachment
from linuxnet.routes import RT_SCOPE_LINK, Route
from linuxnet.sysctls import Sysctl
from linuxnet.wait import LinkSettled

CONTAINER_INTERFACE = 1  # index in the result: host end, container
LINK_WAIT = 5  # seconds; both ends are up, so it is there at once
# Where a network has no second address to spare, the gateway is one of the link's own (RFC 3927, RFC 4291)
LINK_GATEWAYS = {4: IPAddress("169.254.1.1"), 6: IPAddress("fe80::1")}
FORWARDING = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}


@dataclass(frozen=True)
class Choice:
    """What was decided from the machine as it is. `mtu` in bytes, None leaves it to the kernel."""

    mac: str
    mtu: int | None
    masquerade_backend: str


def prepare_lease(config: PtpConfig, given: Result) -> Result:
    """Return what the pool gave as the container's, each address with a gateway."""
    ips = tuple(_with_gateway(ip) for ip in on_interface(given, CONTAINER_INTERFACE))
    return given.with_(ips=ips, dns=given.dns if config.dns.is_empty() else config.dns)


def plan(config: PtpConfig, owner: Attachment, lease: Result, choice: Choice) -> tuple[Op, ...]:
    """List the operations that connect the container, in the order they must run."""
    host_end = owner.veth_name
    families = sorted({ip.address.version for ip in lease.ips})
    return (
        *(Sysctl(Where.HOST, FORWARDING[family], "1", shared=True) for family in families),
        Veth(host_end, owner.ifname, owner.alias, mtu=choice.mtu, mac=choice.mac),
        *host_end_sysctls(host_end),
        *address_ops(owner.ifname, lease.ips, bare=True),
        LinkSettled(Where.HOST, host_end, LINK_WAIT),
        *(op for ip in lease.ips for op in _routes_of(owner, ip)),
        *route_ops(owner.ifname, lease.routes, lease.ips),
        *masquerade_ops(choice.masquerade_backend, owner, masqueraded(config.ip_masq, lease.ips)),
    )


def _routes_of(owner: Attachment, ip: IpConfig) -> tuple[Op, ...]:
    assert ip.gateway is not None, "prepare_lease gives each address a gateway"
    gateway, address = host_network(ip.gateway), ip.address
    # IPv6 routes have no scope (net/ipv6/route.c)
    link = RT_SCOPE_LINK if address.version == 4 else None
    via = Route(Where.CONTAINER, owner.ifname, address.cidr, gw=ip.gateway, src=address.ip)
    return (
        Address(Where.HOST, owner.veth_name, gateway, bare=True),
        Route(Where.HOST, owner.veth_name, host_network(address.ip), scope=link),
        Route(Where.CONTAINER, owner.ifname, gateway, src=address.ip, scope=link),
        *((via,) if address.size > 1 else ()),
    )


def _with_gateway(ip: IpConfig) -> IpConfig:
    if ip.gateway is not None:
        return ip
    network = ip.address
    choices = (
        first_address(network),
        IPAddress(network.last, network.version),
        LINK_GATEWAYS[network.version],
    )
    gateway = next(one for one in choices if one != network.ip and _is_usable(one, network))
    return ip.model_copy(update={"gateway": gateway})


def _is_usable(gateway: IPAddress, network: IPNetwork) -> bool:
    """Tell whether an address can be a host's: not the broadcast address of a network that has one."""
    return network.size <= 2 or gateway.value != network.last

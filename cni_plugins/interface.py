"""The container's end: addresses and routes, as bridge and ptp need them, and what is read back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from netaddr import IPAddress, IPNetwork

from cni_spec.result import Interface, IpConfig, Result
from cni_spec.result import Route as SpecRoute
from linuxnet.addresses import Address
from linuxnet.errors import KernelError
from linuxnet.ipv4_conf import Ipv4Conf
from linuxnet.kernel import Kernel
from linuxnet.links import LinkState
from linuxnet.netlink import Netlink
from linuxnet.op import Op, Where
from linuxnet.owner import Attachment
from linuxnet.routes import RT_TABLE_MAIN, Route
from linuxnet.sysctls import Sysctl

OUTSIDE = ("192.0.2.1", "2001:db8::1")  # for documentation (RFC 5737, RFC 3849): nearly always by default
DEFAULT_ROUTES = {4: IPNetwork("0.0.0.0/0"), 6: IPNetwork("::/0")}


def own_mac(attachment: Attachment) -> str:
    """Return the container's MAC address: locally administered, the same whenever it is asked for.

    Chosen here, not by the kernel, so that a plan knows it before the interface exists.
    """
    return hashed_mac(attachment.mark)


def hashed_mac(text: str) -> str:
    """Return a locally administered unicast address made from a text (IEEE 802, bit 1 of the first byte)."""
    digest = hashlib.sha256(text.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def address_ops(
    ifname: str, ips: Iterable[IpConfig], *, dad: bool = False, bare: bool = False
) -> tuple[Op, ...]:
    """Give an interface its addresses and bring it up.

    A container with an IPv6 address of its network's author takes no further one from routers, keeps it
    while the link is down, and need not wait for duplicate-address detection, unless `dad`. `bare` leaves
    out the routes to the addresses' networks.
    """
    addresses = [ip.address for ip in ips]
    six = f"ipv6/conf/{ifname}"
    has_six = any(address.version == 6 for address in addresses)
    switches = {"disable_ipv6": "0", "keep_addr_on_down": "1", "accept_ra": "0", "accept_dad": str(int(dad))}
    switches |= {"enhanced_dad": "1"} if dad else {}
    return (
        Ipv4Conf(Where.CONTAINER, ifname, "arp_notify", 1),
        *(Sysctl(Where.CONTAINER, f"{six}/{key}", value) for key, value in switches.items() if has_six),
        *(Address(Where.CONTAINER, ifname, address, dad=dad, bare=bare) for address in addresses),
        LinkState(Where.CONTAINER, ifname, up=True),
    )


def host_end_sysctls(name: str, *, shared: bool = False) -> tuple[Op, ...]:
    """Set up the host's end before its carrier comes: no advertisement of a container's is believed.

    Nor is duplicate-address detection waited for: until it is done (1 to 2 s) the link has no address to
    ask for neighbours with, and no packet is forwarded to the container (RFC 4862 section 5.4).
    """
    return tuple(
        Sysctl(Where.HOST, f"ipv6/conf/{name}/{key}", "0", shared=shared, optional=True)
        for key in ("accept_ra", "accept_dad")
    )


def route_ops(ifname: str, routes: Iterable[SpecRoute], ips: Iterable[IpConfig]) -> tuple[Op, ...]:
    """Add the result's routes; one without a gateway takes its family's first."""
    gateways: dict[int, IPAddress] = {}
    for ip in ips:
        if ip.gateway is not None:
            gateways.setdefault(ip.gateway.version, ip.gateway)
    return tuple(
        Route(
            Where.CONTAINER,
            ifname,
            route.dst,
            gw=_gateway_of(route, gateways),
            scope=route.scope,
            table=route.table,
            priority=route.priority,
            mtu=route.mtu,
            advmss=route.advmss,
        )
        for route in routes
    )


def _gateway_of(route: SpecRoute, gateways: dict[int, IPAddress]) -> IPAddress | None:
    """Return a route's gateway; a route of link scope has none."""
    if route.gw is not None or route.scope == 253:  # RT_SCOPE_LINK
        return route.gw
    return gateways.get(route.dst.version)


def masqueraded(asked: bool | str, ips: Iterable[IpConfig]) -> tuple[IPNetwork, ...]:
    """Return the addresses that `ipMasq` is about: all, none, or those of one family ("v4", "v6")."""
    return tuple(ip.address for ip in ips if asked is True or asked == f"v{ip.address.version}")


def first_address(network: IPNetwork) -> IPAddress:
    """Return the address a gateway has where nobody says otherwise: the network's first plus one."""
    return IPAddress(network.first + (1 if network.size > 2 else 0), network.version)


def on_interface(lease: Result, index: int) -> tuple[IpConfig, ...]:
    """Return a pool's addresses as those of the result's interface number `index`."""
    return tuple(ip.model_copy(update={"interface": index}) for ip in lease.ips)


def addresses_of(result: Result, ifname: str) -> tuple[IpConfig, ...]:
    """Return the addresses a result gives to the container's interface of that name.

    An address that names no interface (index absent or -1) counts as the container's.
    """
    mine = [i for i, one in enumerate(result.interfaces) if one.name == ifname and one.sandbox]
    return tuple(ip for ip in result.ips if ip.interface in (None, -1) or ip.interface in mine)


def container_interface(result: Result, ifname: str) -> Interface | None:
    """Return the result's entry for the container's interface of that name."""
    return next((one for one in result.interfaces if one.name == ifname and one.sandbox), None)


def describe(netlink: Netlink, name: str, sandbox: str = "") -> Interface:
    """Read an interface back from the kernel as the result's entry for it."""
    link = netlink.get_link(name)
    return Interface(name=link.name, mac=link.mac, mtu=link.mtu, sandbox=sandbox)


def uplink_mtu(kernel: Kernel) -> int | None:
    """Return the MTU of the interface that the default route leaves by, None without such a route."""
    for somewhere in OUTSIDE:
        route = _default_route(kernel, somewhere)
        link = kernel.host.find_link_at(route["oif"]) if route and route.get("oif") else None
        if link is not None:
            return link.mtu
    return None


def _default_route(kernel: Kernel, somewhere: str) -> Mapping[str, Any] | None:
    """Return a family's default route: one look-up, and all routes only where that leads elsewhere."""
    try:
        found = kernel.host.route_to(somewhere, matched=True)
    except KernelError:  # no way there: no default route of this family
        return None
    if found["dst_len"] == 0:
        return found
    routes = kernel.host.routes()
    return next((one for one in routes if _is_default(one) and one["family"] == found["family"]), None)


def _is_default(route: Mapping[str, Any]) -> bool:
    return route["dst_len"] == 0 and route["table"] == RT_TABLE_MAIN and bool(route.get("oif"))

"""What an ADD of bridge does, as values: no clock, no random, no socket."""

from __future__ import annotations

from dataclasses import dataclass

from netaddr import IPNetwork

from cni_plugins.bridge.config import BridgeConfig
from cni_plugins.interface import (
    DEFAULT_ROUTES,
    address_ops,
    first_address,
    hashed_mac,
    host_end_sysctls,
    masqueraded,
    on_interface,
    route_ops,
)
from cni_spec.result import IpConfig, Result, Route
from linuxnet.addresses import Address, GatewayAddress
from linuxnet.links import Bridge, LinkState, Veth
from linuxnet.masquerade import masquerade_ops
from linuxnet.nft_element import guard_port
from linuxnet.nft_elements import Elements
from linuxnet.nft_rules import BaseRules
from linuxnet.op import Op, Where
from linuxnet.owner import Attachment
from linuxnet.ports import PortFlags, PortVlans
from linuxnet.sysctls import Sysctl
from linuxnet.vlan_gateway import VlanGateway
from linuxnet.wait import AddressesSettled, LinkSettled

CONTAINER_INTERFACE = 2  # index in the result: bridge, host end, container; firewall relies on the order
DAD_WAIT = 5  # seconds; as the reference, twice what detection takes
PORT_WAIT = 5  # seconds; a port without spanning tree forwards at once, with it after two forward delays


@dataclass(frozen=True)
class Choice:
    """What was decided from the machine as it is. `mtu` in bytes, None leaves it to the kernel."""

    mac: str
    mtu: int | None
    machine_id: str
    masquerade_backend: str

    def bridge_mac(self, bridge: str) -> str:
        """Return the bridge's own address, the same after every reboot."""
        return hashed_mac(f"{self.machine_id} {bridge}")


def prepare_lease(config: BridgeConfig, given: Result) -> Result:
    """Return what the pool gave as the container's: interface, gateways, default routes filled in."""
    ips = tuple(_with_gateway(config, ip) for ip in on_interface(given, CONTAINER_INTERFACE))
    dns = given.dns if config.dns.is_empty() else config.dns
    return given.with_(ips=ips, routes=(*given.routes, *_default_routes(config, ips, given.routes)), dns=dns)


def plan(config: BridgeConfig, owner: Attachment, lease: Result, choice: Choice) -> tuple[Op, ...]:
    """List the operations that join the container, in the order they must run.

    The bridge comes first because a port can only be attached to a live master; the rules that guard the
    port come before the container's end is up, so that no packet passes unseen.
    """
    return (
        *_bridge_ops(config, choice),
        *_gateway_ops(config, lease, choice),
        *_port_ops(config, owner, choice),
        *_guard_ops(config, owner, lease, choice),
        *_container_ops(config, owner, lease),
        *_masquerade(config, owner, lease, choice),
    )


def _bridge_ops(config: BridgeConfig, choice: Choice) -> tuple[Op, ...]:
    name = config.bridge
    filtering = bool(config.vlan or config.trunk)
    return (
        Bridge(name, choice.bridge_mac(name), mtu=choice.mtu, vlan_filtering=filtering),
        *host_end_sysctls(name, shared=True),
        LinkState(Where.HOST, name, up=True, promisc=config.promisc_mode or None, shared=True),
    )


def _gateway_ops(config: BridgeConfig, lease: Result, choice: Choice) -> tuple[Op, ...]:
    if not config.has_gateway:
        return ()
    gateways = [IPNetwork(f"{ip.gateway}/{ip.address.prefixlen}") for ip in lease.ips if ip.gateway]
    forwarding = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}
    families = sorted({gateway.version for gateway in gateways})
    addresses: tuple[Op, ...]
    if config.vlan:
        inside = VlanGateway(config.bridge, config.vlan, hashed_mac(f"{choice.machine_id} {config.vlan}"))
        addresses = (
            inside,
            PortVlans(inside.port, config.vlan, ()),
            *(Address(Where.HOST, inside.name, gateway, shared=True) for gateway in gateways),
        )
    else:
        addresses = tuple(_gateway_address(config, gateway) for gateway in gateways)
    return *addresses, *(Sysctl(Where.HOST, forwarding[one], "1", shared=True) for one in families)


def _gateway_address(config: BridgeConfig, gateway: IPNetwork) -> GatewayAddress:
    return GatewayAddress(config.bridge, gateway, config.force_address, config.several_gateways)


def _port_ops(config: BridgeConfig, owner: Attachment, choice: Choice) -> tuple[Op, ...]:
    name = owner.veth_name
    vlans: tuple[Op, ...] = ()
    if config.vlan or config.trunk:
        vlans = (PortVlans(name, config.vlan, config.trunk, config.preserve_default_vlan),)
    return (
        Veth(name, owner.ifname, owner.alias, mtu=choice.mtu, mac=choice.mac, master=config.bridge),
        *host_end_sysctls(name),
        PortFlags(name, hairpin=config.hairpin_mode, isolated=config.port_isolation),
        *vlans,
    )


def _guard_ops(config: BridgeConfig, owner: Attachment, lease: Result, choice: Choice) -> tuple[Op, ...]:
    if not config.macspoofchk:
        return ()
    addresses = tuple(ip.address for ip in lease.ips)
    return BaseRules(), Elements(owner.mark, guard_port(owner.veth_name, choice.mac, addresses))


def _container_ops(config: BridgeConfig, owner: Attachment, lease: Result) -> tuple[Op, ...]:
    if config.disable_container_interface:
        return ()
    return (
        *address_ops(owner.ifname, lease.ips, dad=config.enabledad),
        LinkSettled(Where.HOST, owner.veth_name, PORT_WAIT),
        *((AddressesSettled(Where.CONTAINER, owner.ifname, DAD_WAIT),) if config.enabledad else ()),
        *route_ops(owner.ifname, lease.routes, lease.ips),
    )


def _masquerade(config: BridgeConfig, owner: Attachment, lease: Result, choice: Choice) -> tuple[Op, ...]:
    if not config.ip_masq:
        return ()
    addresses = masqueraded(config.ip_masq, lease.ips)
    return masquerade_ops(choice.masquerade_backend, owner, addresses)


def _with_gateway(config: BridgeConfig, ip: IpConfig) -> IpConfig:
    if ip.gateway is not None or not config.has_gateway:
        return ip
    return ip.model_copy(update={"gateway": first_address(ip.address)})


def _default_routes(config: BridgeConfig, ips: tuple[IpConfig, ...], given: tuple[Route, ...]) -> list[Route]:
    """Return a default route for each family that has none yet."""
    if not config.is_default_gateway:
        return []
    found: dict[int, Route] = {}
    for ip in ips:
        default = DEFAULT_ROUTES[ip.address.version]
        if ip.gateway is not None and not any(route.dst == default and route.gw for route in given):
            found.setdefault(default.version, Route(dst=default, gw=ip.gateway))
    return list(found.values())

"""CHECK of what flannel's plugin attached before this node was ours.

The reference's bridge and ptp chose the host end's name at random and left no owner's mark; our delegates,
which go by both, would find nothing. So what prevResult tells is compared with the kernel. Masquerading by
iptables rules of the reference is not looked at: whether flannel or its delegate does it, DEL finds it.
"""

from __future__ import annotations

from typing import Any

from netaddr import IPNetwork

from cni_plugins.attached import checked_interface
from cni_plugins.bridge.config import BridgeConfig
from cni_plugins.interface import addresses_of, route_ops
from cni_plugins.plugin import Call, check_all
from cni_spec.errors import CheckFailed
from cni_spec.result import IpConfig, Result
from linuxnet.addresses import Address, GatewayAddress
from linuxnet.links import Veth
from linuxnet.op import Op, Where
from linuxnet.ports import PortFlags


def is_anothers(call: Call[Any]) -> bool:
    """Tell whether the container's interface is there, and its host end is none that we would make."""
    is_there = call.kernel.container.find_link(call.request.ifname) is not None
    return is_there and call.kernel.host.find_link(call.attachment.veth_name) is None


def check_adopted(call: Call[Any]) -> None:
    """Compare interface, addresses, routes, host end and bridge with prevResult; `call` is the delegate's.

    Raises:
        CheckFailed: naming what is missing or changed.
    """
    entry = checked_interface(call)
    result = call.require_prev_result()
    ips = addresses_of(result, entry.name)
    host_end = _host_end(call, result)
    seen = call.kernel.host.get_link(host_end)
    bridge = call.config.bridge if isinstance(call.config, BridgeConfig) else None
    mtu = call.config.mtu or None
    ops: tuple[Op, ...] = (
        Veth(host_end, entry.name, seen.alias, mtu=mtu, mac=entry.mac, master=bridge),
        *(Address(Where.CONTAINER, entry.name, ip.address) for ip in ips),
        *route_ops(entry.name, result.routes, ips),
        *(_bridge_ops(call.config, host_end, ips) if isinstance(call.config, BridgeConfig) else ()),
    )
    check_all(call, ops)


def _host_end(call: Call[Any], result: Result) -> str:
    """Return the host end that the result names."""
    inner = call.kernel.container.get_link(call.request.ifname)
    for one in result.interfaces:
        seen = None if one.sandbox else call.kernel.host.find_link(one.name)
        if seen is not None and seen.kind == "veth" and seen.peer == inner.index:
            return seen.name
    named = ", ".join(one.name for one in result.interfaces if not one.sandbox) or "none"
    raise CheckFailed(f"the host end of {inner.name} is missing: prevResult names {named}")


def _bridge_ops(config: BridgeConfig, host_end: str, ips: tuple[IpConfig, ...]) -> tuple[Op, ...]:
    gateways = [IPNetwork(f"{ip.gateway}/{ip.address.prefixlen}") for ip in ips if ip.gateway]
    return (
        PortFlags(host_end, hairpin=config.hairpin_mode, isolated=config.port_isolation),
        *(GatewayAddress(config.bridge, one) for one in gateways if config.has_gateway),
    )

"""What an ADD of portmap does, as values."""

from __future__ import annotations

from netaddr import IPAddress, IPNetwork

from cni_plugins.portmap.config import PortmapConfig
from linuxnet.hostports import HostPort, Wanted, forget_ops, loopback_ops, nft_ops
from linuxnet.hostports_iptables import iptables_ops
from linuxnet.nft_rules import BaseRules
from linuxnet.op import Op, Where
from linuxnet.owner import Attachment
from linuxnet.sysctls import Sysctl

DEFAULT_MARK_BIT = 13


def wanted_ports(config: PortmapConfig, owner: Attachment, pods: tuple[IPNetwork, ...]) -> Wanted:
    """Return the host ports that are asked for, and the pod addresses they lead to, one per family."""
    firsts = {pod.version: pod for pod in reversed(pods)}
    ports = []
    for mapping in config.runtime_config.port_mappings:
        port = HostPort(mapping.protocol, mapping.host_port, mapping.container_port, mapping.at)
        if mapping.family is None or mapping.at is not None or mapping.family in firsts:
            ports.append(port)
    return Wanted(
        owner=owner,
        pods=tuple(firsts[family] for family in sorted(firsts)),
        ports=tuple(dict.fromkeys(ports)),
        snat=config.snat,
        masq_all=config.masq_all,
        mark_bit=DEFAULT_MARK_BIT if config.mark_masq_bit is None else config.mark_masq_bit,
        set_mark_chain=config.external_set_mark_chain,
        is_shared=config.share_host_ports,
        conditions=((4, config.conditions_v4), (6, config.conditions_v6)),
    )


def plan(
    config: PortmapConfig, wanted: Wanted, reached_by: str | None, local: tuple[IPAddress, ...]
) -> tuple[Op, ...]:
    """List the operations that open the ports, in the order they must run.

    `reached_by` is the interface on which the host reaches the pod's IPv4 address, `local` are the host's
    own addresses. 127.0.0.0/8 may be routed only after nobody on the wire can send to it.
    """
    ops = nft_ops(wanted) if config.chosen_backend == "nftables" else iptables_ops(wanted)
    loopback: tuple[Op, ...] = ()
    if reached_by and config.snat and _serves_loopback(wanted):
        route = Sysctl(Where.HOST, f"ipv4/conf/{reached_by}/route_localnet", "1", shared=True)
        loopback = (BaseRules(), loopback_ops(reached_by), route)
    return *loopback, *ops, *forget_ops(wanted.ports, local, is_shared=wanted.is_shared)


def _serves_loopback(wanted: Wanted) -> bool:
    """Tell whether a port leads from 127.0.0.0/8 to an IPv4 address."""
    has_four = any(pod.version == 4 for pod in wanted.pods)
    return has_four and any(port.at is None or port.at.is_loopback() for port in wanted.ports)

"""What the rules and sets say of this node, whatever services there are. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from linuxnet.service_entries import Entry, local_dns, node_port_addresses, pods, service_cidrs
from linuxnet.service_rules import Settings as RuleSettings
from service_proxy.model import Address, Node, ServiceCidr
from service_proxy.settings import ProxySettings


@dataclass(frozen=True)
class NodeFacts:
    """This node as its settings and its Node object tell of it, the settings first."""

    name: str
    zone: str
    addresses: tuple[Address, ...]
    pods: tuple[str, ...]  # (): not known who is a pod
    service_cidrs: tuple[str, ...]
    node_ports_at: tuple[str, ...] | None  # ranges; None: every local address

    @property
    def has_node_port_list(self) -> bool:
        """Tell whether NodePorts are served at listed addresses only."""
        return self.node_ports_at is not None


def facts_of(settings: ProxySettings, node: Node | None, cidrs: Iterable[ServiceCidr]) -> NodeFacts:
    """Return what is known of this node."""
    own = tuple(ipaddress.ip_address(one).packed for one in settings.addresses)
    addresses = own or (node.addresses if node is not None else ())
    given = tuple(dict.fromkeys(cidr for one in cidrs for cidr in one.cidrs))
    return NodeFacts(
        name=settings.node_name,
        zone=settings.zone or (node.zone if node is not None else ""),
        addresses=addresses,
        pods=settings.pods or (node.pod_cidrs if node is not None else ()),
        service_cidrs=given or (() if settings.is_kubernetes else settings.service_cidrs),
        node_ports_at=_node_ports_at(settings.nodeport_addresses, addresses),
    )


def rules_of(settings: ProxySettings, facts: NodeFacts) -> RuleSettings:
    """Return what of it is in the rules themselves."""
    knows_pods = bool(facts.pods or settings.pod_interface)
    return RuleSettings(
        mark=settings.mark,
        masquerades="all" if settings.masquerade_all else "outside" if knows_pods else "none",
        lists_node_port_addresses=facts.has_node_port_list,
        answers_ping=settings.answer_ping,
        pod_interface=settings.pod_interface,
    )


def node_entries(facts: NodeFacts, dns_addresses: Iterable[Address] = ()) -> list[Entry]:
    """Return the elements that belong to no service."""
    found = [*pods(facts.pods), *service_cidrs(facts.service_cidrs)]
    found += node_port_addresses(facts.node_ports_at or ())
    return found + [local_dns(one) for one in dns_addresses]


def _node_ports_at(wanted: tuple[str, ...], addresses: tuple[Address, ...]) -> tuple[str, ...] | None:
    """Return ranges. "localhost" is served by a listener instead (service_proxy/localhost)."""
    if "all" in wanted or ("primary" in wanted and not addresses):
        return None
    found = [one for one in wanted if "/" in one]
    if "primary" in wanted:
        found += [str(ipaddress.ip_network(one)) for one in addresses]
    return tuple(found)

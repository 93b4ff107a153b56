"""Host ports: what leads from a port of the host to a pod, as values, and by nftables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netaddr import IPAddress, IPNetwork

from linuxnet.conntrack import Flows, ForgetFlows
from linuxnet.errors import KernelError
from linuxnet.hostport_slots import ShareHostPorts
from linuxnet.kernel import Kernel
from linuxnet.nft_conditions import ConditionRules
from linuxnet.nft_element import Element, same_network
from linuxnet.nft_elements import Elements
from linuxnet.nft_rules import BaseRules
from linuxnet.op import Op
from linuxnet.owner import Attachment

UNTRACKED = frozenset({"udp", "sctp"})  # protocols whose flows outlive a change of the rules


@dataclass(frozen=True, order=True)
class HostPort:
    """One port: of every address of the host, or of `at` alone, to `port` of a pod's address."""

    protocol: str  # tcp, udp, sctp
    host_port: int
    port: int
    at: IPAddress | None = None

    def serves(self, pod: IPNetwork) -> bool:
        """Tell whether it leads to a pod's address: the host's side must be of the same family."""
        return self.at is None or self.at.version == pod.version

    def __str__(self) -> str:
        return f"host port {self.protocol} {f'{self.at} ' if self.at else ''}{self.host_port}"


@dataclass(frozen=True)
class Wanted:
    """The host ports of one attachment. `pods` holds its addresses with their networks' lengths.

    `snat`: whoever shares the pod's network, or is the host itself, is seen as the host. `masq_all`:
    everybody is. `conditions` by family are matches in the backend's own words. `is_shared`: other pods of
    the network may have the same ports.
    """

    owner: Attachment
    pods: tuple[IPNetwork, ...]
    ports: tuple[HostPort, ...]
    snat: bool = True
    masq_all: bool = False
    mark_bit: int = 13
    set_mark_chain: str = ""
    conditions: tuple[tuple[int, tuple[str, ...]], ...] = ()
    is_shared: bool = False

    def pairs(self) -> list[tuple[IPNetwork, HostPort]]:
        """Return each pod address with each port that leads to it."""
        return [(pod, port) for pod in self.pods for port in self.ports if port.serves(pod)]

    def conditions_of(self, family: int) -> tuple[str, ...]:
        """Return the conditions of a family."""
        return dict(self.conditions).get(family, ())


def nft_ops(wanted: Wanted) -> tuple[Op, ...]:
    """List what makes the ports lead to the pod by nftables."""
    pairs = wanted.pairs()
    plain = [(pod, port) for pod, port in pairs if not wanted.conditions_of(pod.version)]
    rules = [_condition_rule(wanted, pod, port) for pod, port in pairs if wanted.conditions_of(pod.version)]
    leading = tuple(dict.fromkeys(_element(pod, port) for pod, port in plain))
    elements = [] if wanted.is_shared else [*leading]
    for pod in dict.fromkeys(pod for pod, _ in pairs):
        if wanted.snat:
            elements += [_pod_element("hairpin", pod), same_network(pod)]
        if wanted.masq_all:
            elements.append(_pod_element("hairpin_all", pod))
    condition_ops = (ConditionRules(wanted.owner.mark, tuple(rules)),) if rules else ()
    sharing = (ShareHostPorts(wanted.owner.mark, leading),) if wanted.is_shared else ()
    mine = Elements(wanted.owner.mark, tuple(dict.fromkeys(elements)))
    return BaseRules(), *sharing, *((mine,) if elements else ()), *condition_ops


def loopback_ops(ifname: str) -> Elements:
    """Return what must be there before 127.0.0.0/8 may be routed on an interface: nobody may send there."""
    element = Element(
        "inet", "loopback_ports", f'"{ifname}"', what=f"loopback guard of {ifname}", shared=True
    )
    return Elements("podwire", (element,))


def forget_ops(
    ports: Iterable[HostPort], local: Iterable[IPAddress], *, is_shared: bool = False
) -> tuple[Op, ...]:
    """Return what forgets the flows that went elsewhere until now: those to the host's own addresses.

    `is_shared`: of those the host itself answers only; what other pods have of the port is theirs.
    """
    local = list(local)
    flows = [
        Flows(port.protocol, port.host_port, to=address, answered_by=address if is_shared else None)
        for port in ports
        if port.protocol in UNTRACKED
        for address in ([port.at] if port.at else local)
    ]
    return (ForgetFlows(tuple(flows)),) if flows else ()


def reach_interface(kernel: Kernel, pod: IPNetwork) -> str | None:
    """Return the interface by which the host reaches a pod, None if it has no route there."""
    try:
        link = kernel.host.find_link_at(kernel.host.route_to(str(pod.ip))["oif"])
    except KernelError:  # no route: then nothing of the host's own can reach it anyway
        return None
    return link.name if link else None


def _element(pod: IPNetwork, port: HostPort) -> Element:
    at = f"{port.at} . " if port.at else ""
    name = f"hostport{'_at' if port.at else ''}{pod.version}"
    key = f"{at}{port.protocol} . {port.host_port}"
    return Element("inet", name, key, f"{pod.ip} . {port.port}", what=str(port))


def _pod_element(name: str, pod: IPNetwork) -> Element:
    return Element("inet", f"{name}{pod.version}", str(pod.ip), what=f"{name} of {pod.ip}")


def _condition_rule(wanted: Wanted, pod: IPNetwork, port: HostPort) -> str:
    ip = "ip" if pod.version == 4 else "ip6"
    at = f"{ip} daddr {port.at} " if port.at else ""
    target = f"{pod.ip}:{port.port}" if pod.version == 4 else f"[{pod.ip}]:{port.port}"
    matches = " ".join(wanted.conditions_of(pod.version))
    match = f"meta nfproto ipv{pod.version} {matches} {at}{port.protocol} dport {port.host_port}"
    return f"{match} dnat {ip} to {target}"

"""Element: one entry of a static set or map, as a value, and those that bridge and ptp need."""

from __future__ import annotations

from dataclasses import dataclass

from netaddr import EUI, IPNetwork

from linuxnet.numbers import NFT_TABLE


@dataclass(frozen=True)
class Element:
    """One element: `key` and `data` in nft's words; `what` names it to a person.

    `shared`: it belongs to the network, not to the attachment, and stays while any attachment needs it.
    """

    family: str
    name: str  # of the set or map
    key: str
    data: str = ""
    what: str = ""
    shared: bool = False

    @property
    def place(self) -> str:
        """Return "FAMILY TABLE SET", as nft's commands take it."""
        return f"{self.family} {NFT_TABLE} {self.name}"

    def __str__(self) -> str:
        return self.what or f"{self.name} {self.key}"


def masquerade(address: IPNetwork) -> tuple[Element, ...]:
    """Return what makes a pod's traffic to the outside take the host's address."""
    family = address.version
    pod = Element("inet", f"masquerade{family}", str(address.ip), what=f"masquerading of {address.ip}")
    return pod, same_network(address)


def same_network(address: IPNetwork) -> Element:
    """Return the pair that tells that both ends of a packet are on the address's network."""
    subnet = _prefix_text(address)
    return Element("inet", f"same_network{address.version}", f"{subnet} . {subnet}", shared=True)


def guard_port(ifname: str, mac: str, addresses: tuple[IPNetwork, ...]) -> tuple[Element, ...]:
    """Return what lets a bridge port send only as itself; without addresses its MAC alone is checked."""
    name = f'"{ifname}"'
    what = f"spoof check of {ifname}"

    def one(set_name: str, key: str) -> Element:
        return Element("bridge", set_name, key, what=f"{what} ({set_name})")

    found = [one("port_mac", f"{name} . {mac}"), one("guarded_ports", name)]
    if not addresses:
        return *found, one("l2_ports", name)
    sixes = [address.ip for address in addresses if address.version == 6]
    sixes = [*sixes, EUI(mac).ipv6_link_local()] if mac else sixes
    return (
        *found,
        *(one("port_ip4", f"{name} . {address.ip}") for address in addresses if address.version == 4),
        *(one("port_ip6", f"{name} . {address}") for address in sixes),
        *(one("port_nd6", f"{name} . 0x{int(address):032x}") for address in sixes),
    )


def _prefix_text(address: IPNetwork) -> str:
    """Write a network as nft prints it: a single address without its length."""
    return str(address.cidr) if address.size > 1 else str(address.ip)

"""On which link an address is said: the one whose subnet it is of, else the default route's."""

from __future__ import annotations

from typing import NamedTuple

from linuxnet.errors import KernelError
from linuxnet.netlink import Netlink
from linuxnet.packed import text_of
from service_proxy.model import Address

RTN_UNICAST = 1  # linux/rtnetlink.h


class Place(NamedTuple):
    """A link, and the MAC address that an address is to be found at there."""

    ifindex: int
    ifname: str
    mac: bytes


class NoPlace(Exception):
    """There is no link for an address, in one sentence."""


def find_place(netlink: Netlink, address: Address) -> Place:
    """Return where an address is said: the link that the kernel itself would look for it on.

    Raises:
        NoPlace: there is none, or it is an address of this node's own.
    """
    text = text_of(address)
    try:
        route = netlink.route_to(text)
    except KernelError as error:
        raise NoPlace(f"no route leads to {text}, so there is no link to announce it on") from error
    if route["type"] != RTN_UNICAST:
        raise NoPlace(f"{text} is this node's own address, which a load balancer's cannot be")
    link = netlink.find_link_at(int(route.get("oif") or 0))
    if link is None or len(link.mac) != 17:
        name = link.name if link else "none"
        raise NoPlace(f"{text} would be announced on {name}, which is no Ethernet")
    return Place(link.index, link.name, bytes.fromhex(link.mac.replace(":", "")))

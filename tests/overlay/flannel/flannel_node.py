"""A node as a flanneld has left it: the same objects, made by ip and bridge, nobody looking after them."""

from __future__ import annotations

from tests.overlay.flannel.kernel import Device, Kernel
from tests.overlay.flannel.underlay import Node


def leave(node: Node, kernel: Kernel) -> None:
    """Make everything that is in the kernel of a recording."""
    node.ip_batch(*(line for one in kernel.devices for line in _device_lines(one)))
    node.ip_batch(
        *(f"neigh add {one.dst} lladdr {one.mac} dev {one.dev} nud permanent" for one in kernel.neighbours),
        *(
            f"route add {one.dst} via {one.gateway} dev {one.dev} {'onlink' if one.is_onlink else ''}"
            for one in kernel.routes
        ),
    )
    for forward in kernel.fdb:
        node.bridge("fdb", "add", forward.mac, "dev", forward.dev, "dst", forward.dst, "self", "permanent")


def leave_peer(node: Node, subnet: str, public: str, mac: str) -> None:
    """Add what leads to one more node of flannel's: route, neighbour, FDB entry."""
    six = ":" in subnet
    dev, gateway = ("flannel-v6.1" if six else "flannel.1"), subnet.partition("/")[0]
    node.ip("neigh", "add", gateway, "lladdr", mac, "dev", dev, "nud", "permanent")
    node.ip("route", "add", subnet, "via", gateway, "dev", dev, "onlink")
    node.bridge("fdb", "append", mac, "dev", dev, "dst", public, "self", "permanent")


def _device_lines(one: Device) -> list[str]:
    vxlan = f"type vxlan id {one.vni} dev {one.link} local {one.local} dstport {one.port} nolearning udpcsum"
    name = f"dev {one.name}"
    return [
        f"link add {one.name} address {one.mac} mtu {one.mtu} {vxlan}",
        *(f"addr add {address} {name} {'nodad' if ':' in address else ''}" for address in one.addresses),
        f"link set {name} up",
    ]

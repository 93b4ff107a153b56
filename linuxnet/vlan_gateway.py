"""The gateway inside a VLAN: an interface `<bridge>.<vlan>` that is one more port of the bridge.

A veth pair, as the reference plugins make it: one end carries the gateway's address, the other is a port
whose only VLAN is that one. It is shared by all attachments of the VLAN and goes with the last of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from linuxnet.errors import Conflict
from linuxnet.kernel import Kernel
from linuxnet.numbers import VETH_PREFIX
from linuxnet.op import Inverse, Op
from linuxnet.ports import port_vlans


@dataclass(frozen=True)
class VlanGateway:
    """`mac` is that of the end which carries the address."""

    bridge: str
    vlan: int
    mac: str

    @property
    def name(self) -> str:
        """Return the name of the end that carries the address."""
        return f"{self.bridge}.{self.vlan}"

    @property
    def port(self) -> str:
        """Return the name of the end that is a port of the bridge."""
        return VETH_PREFIX + hashlib.sha256(self.name.encode()).hexdigest()[:8]

    def __str__(self) -> str:
        veth = f"ip link add {self.name} address {self.mac} up type veth peer name {self.port}"
        return f"{veth}; ip link set {self.port} master {self.bridge} up"

    def apply(self, kernel: Kernel) -> Op | None:
        """Create it, or adopt the one that is there."""
        _ = kernel.shared
        seen = kernel.host.find_link(self.name)
        if seen is not None and seen.kind != "veth":
            raise Conflict(
                f"{self.name} exists and is no veth; it is needed as the gateway of VLAN {self.vlan}"
            )
        if seen is not None:
            return None
        master = kernel.host.get_link(self.bridge).index
        peer = {"ifname": self.port, "master": master}
        kernel.host.request("link", "add", ifname=self.name, kind="veth", address=self.mac, peer=peer)
        port = kernel.host.get_link(self.port)
        kernel.host.request("link", "set", index=port.index, master=master, state="up")
        kernel.host.request("link", "set", ifname=self.name, state="up")
        return RemoveIdleVlanGateway(self.bridge, self.vlan)

    def difference(self, kernel: Kernel) -> str | None:
        """Look for both ends."""
        bridge, port = kernel.host.find_link(self.bridge), kernel.host.find_link(self.port)
        if kernel.host.find_link(self.name) is None or port is None:
            return f"interface {self.name}, the gateway of VLAN {self.vlan}, is missing"
        attached = bridge is not None and port.master == bridge.index
        return None if attached else f"interface {self.port} is not attached to {self.bridge}"


@dataclass(frozen=True)
class RemoveIdleVlanGateway(Inverse):
    """Remove a VLAN's gateway when no other port of the bridge has that VLAN."""

    bridge: str
    vlan: int

    def __str__(self) -> str:
        return f"ip link delete {self.bridge}.{self.vlan}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove it if it is there, idle, and no other ADD is under way."""
        gateway = kernel.host.find_link(f"{self.bridge}.{self.vlan}")
        bridge = kernel.host.find_link(self.bridge)
        if gateway is None or gateway.kind != "veth" or not kernel.is_alone():
            return None
        others = {port.index for port in kernel.host.links(master=bridge.index)} if bridge else set()
        used = {index for index in others - {gateway.peer} if self.vlan in port_vlans(kernel, index)}
        if not used:
            kernel.host.request("link", "del", index=gateway.index)
        return None

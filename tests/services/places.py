"""The machines that services are tried on: a node with pods, another node, and a client outside.

```
            fabric (bridge)
   ┌───────────┼──────────────┐
 node .2    far .3         outside .100 to .109
  cni0        its pods are addresses of its own
  │ p0 .. p3
```

`node` is the one whose proxy is tested. The other one has a route to the first one's pods and no proxy.
The client outside reaches ClusterIPs, load balancers' and external addresses through `node`, as it would
through a router that knows no better.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

from tests.overlay.machines import ip, write_inside

LOCAL_PODS, FAR_PODS, OUTSIDERS = 4, 4, 10
BRIDGE_MAC = "02:00:00:00:80:fe"
NODE_NAME, FAR_NAME = "node-a", "node-b"
ZONE, FAR_ZONE = "zone-a", "zone-b"
NETS = {4: "192.168.80.", 6: "fd80::"}
PODS_A = {4: "10.80.0.", 6: "fdaa:0:a::"}
PODS_B = {4: "10.80.1.", 6: "fdaa:0:b::"}
POD_CIDRS = {4: "10.80.0.0/16", 6: "fdaa::/32"}  # of the cluster, wider than a node's
NODE_POD_CIDRS = {4: "10.80.0.0/24", 6: "fdaa:0:a::/64"}
FAR_POD_CIDRS = {4: "10.80.1.0/24", 6: "fdaa:0:b::/64"}
SERVICE_CIDRS = {4: "10.96.0.0/16", 6: "fd96::/112"}
VIPS = {4: "203.0.113.0/24", 6: "2001:db8:113::/64"}
LENGTHS = {4: 24, 6: 64}


def node_address(version: int) -> str:
    return NETS[version] + "2"


def far_address(version: int) -> str:
    return NETS[version] + "3"


def outside_address(version: int, index: int = 0) -> str:
    return f"{NETS[version]}{100 + index}"


def local_pod(version: int, index: int) -> str:
    return f"{PODS_A[version]}{11 + index}"


def far_pod(version: int, index: int) -> str:
    return f"{PODS_B[version]}{11 + index}"


class Places:
    """The namespaces of one site; their names end with its name, since several may be there at once."""

    def __init__(self, name: str) -> None:
        self.fabric, self.node, self.far = f"fabric-{name}", f"node-{name}", f"far-{name}"
        self.outside = f"out-{name}"
        self.pods = [f"p{index}-{name}" for index in range(LOCAL_PODS)]
        self._make()

    def _make(self) -> None:
        self._add_namespaces()
        self._wire_fabric()
        self._wire_pods()
        self._address_far()
        self._address_outside()

    def all(self) -> list[str]:
        return [self.fabric, self.node, self.far, self.outside, *self.pods]

    def _add_namespaces(self) -> None:
        ip("", *(f"netns add {netns}" for netns in self.all()))
        for netns in self.all():
            write_inside(netns, "net/ipv6/conf/default/accept_dad", "0")  # no second without addresses
            for version, which in product((4, 6), ("all", "default")):  # all pass the node
                write_inside(netns, f"net/ipv{version}/conf/{which}/accept_redirects", "0")
            ip(netns, "link set lo up")
        for netns in (self.node, self.far):
            write_inside(netns, "net/ipv4/ip_forward", "1")
            write_inside(netns, "net/ipv6/conf/all/forwarding", "1")
            write_inside(netns, "net/ipv4/icmp_ratelimit", "0")  # every refusal is told, not one a second
            write_inside(netns, "net/ipv6/icmp/ratelimit", "0")

    def _wire_fabric(self) -> None:
        ip(self.fabric, f"link add br0 address {BRIDGE_MAC} type bridge", "link set br0 up")
        for port, netns in enumerate((self.node, self.far, self.outside)):
            ip(
                self.fabric, f"link add port{port} type veth peer name eth0 netns {netns}",
                f"link set port{port} master br0", f"link set port{port} up",
            )  # fmt: skip
            ip(netns, "link set eth0 up")
        for version, length in LENGTHS.items():
            nodad = " nodad" * (version == 6)
            for netns, address in ((self.node, node_address(version)), (self.far, far_address(version))):
                ip(netns, f"addr add {address}/{length} dev eth0{nodad}")

    def _wire_pods(self) -> None:
        ip(self.node, f"link add cni0 address {BRIDGE_MAC} type bridge", "link set cni0 up")
        for version, length in LENGTHS.items():
            ip(self.node, f"addr add {PODS_A[version]}1/{length} dev cni0" + " nodad" * (version == 6))
            far = f"{FAR_POD_CIDRS[version]} via {far_address(version)}"
            ip(self.node, f"route add {far}", f"route add default via {far_address(version)}")
        for index, netns in enumerate(self.pods):
            ip(
                self.node, f"link add pod{index} type veth peer name eth0 netns {netns}",
                f"link set pod{index} master cni0", f"link set pod{index} type bridge_slave hairpin on",
                f"link set pod{index} up",
            )  # fmt: skip
            ip(netns, "link set eth0 up")
            for version, length in LENGTHS.items():
                own = f"addr add {local_pod(version, index)}/{length} dev eth0" + " nodad" * (version == 6)
                ip(netns, own, f"route add default via {PODS_A[version]}1")

    def _address_far(self) -> None:
        for version in LENGTHS:
            for index in range(FAR_PODS):
                length = 32 if version == 4 else 128
                own = f"addr add {far_pod(version, index)}/{length} dev lo" + " nodad" * (version == 6)
                ip(self.far, own)
            ip(self.far, f"route add {NODE_POD_CIDRS[version]} via {node_address(version)}")

    def _address_outside(self) -> None:
        for version, length in LENGTHS.items():
            for index in range(OUTSIDERS):
                own = f"addr add {outside_address(version, index)}/{length} dev eth0"
                ip(self.outside, own + " nodad" * (version == 6))
            ip(self.outside, f"route add default via {node_address(version)}")

    def end(self) -> None:
        """Remove the namespaces; what is in them goes with them."""
        ip("", *(f"netns del {netns}" for netns in self.all()), is_forced=True)
        for netns in self.all():
            assert not Path("/run/netns", netns).exists(), netns

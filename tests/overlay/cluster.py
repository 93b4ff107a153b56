"""A cluster in namespaces: nodes with real processes, a pod on each, an underlay, a registry.

The underlay is the namespace the test is in: one bridge, or a router with a link to each node. The registry
lives there, too. A pod is a namespace on a veth, wired from what its node's subnet.env says.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster_store.opening import open_store
from overlay.key_value import KeyValueRegistry
from overlay.opening import open_key_value
from overlay.settings import OverlaySettings
from tests.cluster_store.etcd_server import EtcdServer
from tests.cluster_store.registries import DirectoryRegistry
from tests.overlay.machines import Node, Pod, ip, run, wait_until, write_inside

BRIDGE_MAC = "02:00:00:00:77:fe"  # a bridge without one of its own takes another with each port
ETCD = "http://192.168.77.254:2379"
EVERYWHERE = ("--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", ETCD)
NET_CONF = {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}
DUAL = NET_CONF | {"EnableIPv6": True, "IPv6Network": "fd00:244::/48"}


class Cluster:
    """The whole. End it."""

    def __init__(
        self, folder: Path, kind: str = "directory", *, conf: dict[str, Any] | None = None,
        families: Sequence[int] = (4,), is_routed: bool = False,
    ) -> None:  # fmt: skip
        self.folder, self.families, self.is_routed = folder, tuple(families), is_routed
        self.nodes: dict[str, Node] = {}
        self._pods: list[Pod] = []
        self._strangers: list[str] = []
        self.directory, self.etcd = None, None
        if kind == "etcd":
            self.etcd, self.url = EtcdServer(folder, options=EVERYWHERE), ETCD
        else:
            self.directory, self.url = DirectoryRegistry(folder), str(folder / "registry")
        self._make_underlay()
        source = Path(__file__).with_name("fake_clock.c")
        run("cc", "-O1", "-shared", "-fPIC", "-o", str(folder / "clock.so"), str(source))
        if self.directory:
            (folder / "registry").mkdir(exist_ok=True)
        self.start_registry()
        self.configure(conf or (DUAL if 6 in families else NET_CONF))

    def _make_underlay(self) -> None:
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
        lines = [
            f"link add ul0 address {BRIDGE_MAC} type bridge",
            "link set ul0 up",
            "addr add 192.168.77.254/24 dev ul0",
        ]
        ip("", *lines, "addr add fd77::fe/64 dev ul0 nodad")

    def start_registry(self) -> None:
        """Have the registry back."""
        (self.etcd or self.directory).start()  # type: ignore[union-attr]

    def stop_registry(self) -> None:
        """Have the registry lost at once."""
        if self.etcd:
            self.etcd.kill()
        elif self.directory:
            self.directory.break_down()

    def registry(self) -> KeyValueRegistry:
        """Open the registry as an administrator does."""
        settings = OverlaySettings(registry=self.url, node="admin")
        return open_key_value(settings, "admin")

    def configure(self, conf: dict[str, Any]) -> None:
        """Write the network's configuration."""
        self.conf = conf
        registry = self.registry()
        registry.configure(json.dumps(conf), replace=True)
        registry.close()

    def items(self) -> dict[str, str]:
        """Return the registry's keys and values as they are."""
        store = open_store(self.url)
        try:
            return {one.key: one.value for one in store.list("/coreos.com/network/").items}
        finally:
            store.close()

    def add(self, number: int, *, families: Sequence[int] = (), name: str = "", **settings: Any) -> Node:
        """Make a node's namespace and uplink; its process is not started."""
        netns = f"n{number}"
        folder = self.folder / netns
        folder.mkdir(exist_ok=True)
        (folder / "boot_id").write_text(f"00000000-0000-4000-8000-{number:012d}\n")
        chosen = {
            "registry": self.url, "node": name or netns, "subnet_env": str(folder / "subnet.env"),
            "state": str(folder / "state"), "probe_interval": 0.5, "mtu_interval": 2.0,
            "resync_interval": 2.0,
        }  # fmt: skip
        (folder / "clock").write_bytes(bytes(8))
        environment = {"LD_PRELOAD": str(self.folder / "clock.so"), "FAKE_CLOCK": str(folder / "clock")}
        node = Node(netns, number, folder, {}, chosen | settings, environment)
        ip("", f"netns add {netns}")
        ip(netns, "link set lo up")
        write_inside(netns, "net/ipv4/conf/all/promote_secondaries", "1")  # as systemd and networkd do
        self._wire(node, families or self.families)
        self.nodes[netns] = node
        return node

    def _wire(self, node: Node, families: Sequence[int]) -> None:
        """Join a node to the underlay: to the bridge, or by a link of its own to the router."""
        n = node.number
        ip("", f"link add ul{n} type veth peer name eth0 netns {node.name}", f"link set ul{n} up")
        ip(node.name, "link set eth0 up")
        if self.is_routed:
            near, net4, net6 = f"ul{n}", f"192.168.{100 + n}", f"fd77:{n}:"
            ip("", f"addr add {net4}.254/24 dev {near}", f"addr add {net6}:fe/64 dev {near} nodad")
        else:
            net4, net6 = "192.168.77", "fd77:"
            ip("", f"link set ul{n} master ul0")
        if 4 in families:
            node.public[4] = f"{net4}.{n}"
            ip(node.name, f"addr add {net4}.{n}/24 dev eth0", f"route add default via {net4}.254")
        if 6 in families:
            node.public[6] = f"{net6}:{n:x}"
            ip(node.name, f"addr add {net6}:{n:x}/64 dev eth0 nodad", f"route add default via {net6}:fe")

    def start(self, *nodes: Node) -> None:
        """Start nodes, wait for their leases, and give each a pod."""
        for node in nodes:
            node.start()
        for node in nodes:
            wait_until(lambda n=node: n.subnet_env and n.said["ready"], lambda n=node: f"{n.name}: {n.log()}")  # type: ignore[misc]
            self.add_pod(node)

    def add_pod(self, node: Node, index: int = 0) -> Pod:
        """Give a node a pod on its bridge, as a CNI plugin would from subnet.env; the first is the node's."""
        said, pod = node.subnet_env, Pod(f"p{node.number}" + (f"-{index}" if index else ""))
        mtu = said["FLANNEL_MTU"]
        ip("", f"netns add {pod.netns}")
        ip(pod.netns, "link set lo up")
        if not index:
            ip(node.name, f"link add cni0 mtu {mtu} address {BRIDGE_MAC} type bridge", "link set cni0 up")
        port = f"pod{index}"
        ip(
            node.name, f"link add {port} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {pod.netns}",
            f"link set {port} master cni0", f"link set {port} up",
        )  # fmt: skip
        ip(pod.netns, "link set eth0 up")
        for version, key in ((4, "FLANNEL_SUBNET"), (6, "FLANNEL_IPV6_SUBNET")):
            if key in said:
                gateway, _, length = said[key].partition("/")
                pod.addresses[version] = f"{gateway[:-1]}{2 + index}"
                if not index:
                    ip(node.name, f"addr add {gateway}/{length} dev cni0" + " nodad" * (version == 6))
                address = f"addr add {pod.addresses[version]}/{length} dev eth0" + " nodad" * (version == 6)
                ip(pod.netns, address, f"route add default via {gateway}")
        (node.folder / "pods").write_text(str(1 + index))
        node.pod = node.pod or pod
        self._pods.append(pod)
        return pod

    def add_stranger(self, name: str, number: int) -> str:
        """Make a machine on the underlay that is no node; return its address."""
        ip("", f"netns add {name}", f"link add ul{number} type veth peer name eth0 netns {name}")
        ip("", f"link set ul{number} up", f"link set ul{number} master ul0")
        ip(name, "link set lo up", "link set eth0 up", f"addr add 192.168.77.{number}/24 dev eth0")
        self._strangers.append(name)
        return f"192.168.77.{number}"

    def remove(self, node: Node) -> None:
        """Have a machine gone: process, pods and namespace."""
        node.end(9)
        mine = [one for one in self._pods if one.netns.partition("-")[0] == f"p{node.number}"]
        self._pods = [one for one in self._pods if one not in mine]
        ip("", *(f"netns del {one.netns}" for one in mine), f"netns del {node.name}")
        del self.nodes[node.name]
        shutil.rmtree(node.folder)

    def end(self) -> None:
        """Leave nothing behind."""
        for node in list(self.nodes.values()):
            self.remove(node)
        ip("", *(f"netns del {one}" for one in self._strangers), is_forced=True)
        if self.etcd:
            self.etcd.kill()

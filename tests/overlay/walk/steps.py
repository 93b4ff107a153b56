"""What can happen to a cluster: each step does it and names it. Nothing here waits for its end."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from tests.overlay.cluster import NET_CONF, Cluster
from tests.overlay.machines import Node, ip, run
from tests.overlay.oracle import leases

Step = Callable[[Cluster, Random], str]
FEWEST, MOST = 3, 5  # nodes
BACKENDS: tuple[dict[str, Any], ...] = (
    {"Type": "vxlan"}, {"Type": "vxlan-gpe"}, {"Type": "host-gw"}, {"Type": "vxlan", "Port": 4789},
    {"Type": "vxlan-gpe", "Port": 4791}, {"Type": "vxlan", "DirectRouting": True},
)  # fmt: skip
TABLE = "inet podwire_overlay"


def join(cluster: Cluster, random: Random) -> str:
    """Have a new machine come; one leaves where there are enough."""
    if len(cluster.nodes) >= MOST:
        return leave(cluster, random)
    number = 1 + max(one.number for one in cluster.nodes.values())
    cluster.start(cluster.add(number))
    return f"n{number} joins"


def leave(cluster: Cluster, random: Random) -> str:
    """Have a machine go and its lease given back."""
    if len(cluster.nodes) <= FEWEST:
        return join(cluster, random)
    node = _some(cluster, random)
    node.end(signal.SIGTERM)
    registry = cluster.registry()
    registry.release(
        "&".join(one.replace("/", "-") for one in leases(cluster)[node.name]["Subnets"]), force=True
    )
    registry.close()
    cluster.remove(node)
    return f"{node.name} leaves"


def crash(cluster: Cluster, random: Random) -> str:
    """Kill one agent and start it again."""
    node = _some(cluster, random)
    node.end(signal.SIGKILL)
    node.start()
    return f"{node.name}'s agent crashes"


def crash_of_all(cluster: Cluster, random: Random) -> str:
    """Kill all agents and start them again."""
    for node in cluster.nodes.values():
        node.end(signal.SIGKILL)
    for node in cluster.nodes.values():
        node.start()
    return "all agents crash"


def outage(cluster: Cluster, random: Random) -> str:
    """Lose the registry, crash an agent meanwhile, and have the registry back."""
    cluster.stop_registry()
    said = crash(cluster, random)
    cluster.start_registry()
    return f"{said} in an outage"


def forgotten_history(cluster: Cluster, random: Random) -> str:
    """Cut the nodes off; meanwhile things change and history is compacted."""
    node = _some(cluster, random)
    with cut_off(cluster):
        node.end(signal.SIGKILL)
        _change_address(node, random)
        conf = cluster.conf | {"Backend": random.choice(BACKENDS)}
        cluster.configure(conf)
        if cluster.etcd:
            cluster.etcd.compact()
        node.start()
    return f"history is forgotten, {node.name} now {node.public[4]}, {conf['Backend']}"


@contextmanager
def cut_off(cluster: Cluster) -> Iterator[None]:
    """Keep the nodes from the registry, but not its administrator."""
    if not cluster.etcd:
        cluster.stop_registry()
        cluster.start_registry()
        yield
        return
    rule = 'iifname "ul*" tcp dport 2379 reject with tcp reset'
    rules = f"table inet cut {{ chain input {{ type filter hook input priority 0; {rule}; }}; }}"
    run("nft", "-f", "-", text=rules)
    try:
        yield
    finally:
        run("nft", "delete", "table", "inet", "cut")


def new_address(cluster: Cluster, random: Random) -> str:
    """Give a node another underlay address."""
    node = _some(cluster, random)
    _change_address(node, random)
    return f"{node.name} is now {node.public[4]}"


def new_mtu(cluster: Cluster, random: Random) -> str:
    """Give a node's uplink another MTU."""
    node = _some(cluster, random)
    node.mtu = random.choice([1400, 1450, 1500])
    ip("", f"link set ul{node.number} mtu {node.mtu}")
    ip(node.name, f"link set eth0 mtu {node.mtu}")
    return f"{node.name}'s uplink takes {node.mtu} bytes"


def tunnel_deleted(cluster: Cluster, random: Random) -> str:
    """Delete a tunnel, if there is one."""
    node = _some(cluster, random)
    names = _tunnels(node)
    if not names:
        return f"{node.name} has no tunnel to delete"
    ip(node.name, f"link del {(name := random.choice(names))}")
    return f"{node.name} loses {name}"


def tunnel_down(cluster: Cluster, random: Random) -> str:
    """Set a tunnel down, if there is one."""
    node = _some(cluster, random)
    for name in _tunnels(node):
        ip(node.name, f"link set {name} down")
    return f"{node.name}'s tunnels are set down"


def link_down_and_up(cluster: Cluster, random: Random) -> str:
    """Have the uplink go and come; the host's own network service gives its route back."""
    node = _some(cluster, random)
    ip(node.name, "link set eth0 down")
    ip(node.name, "link set eth0 up", "route add default via 192.168.77.254")
    return f"{node.name}'s link goes down and up"


def stale_objects(cluster: Cluster, random: Random) -> str:
    """Plant what an agent of before may have left: it carries our mark."""
    node = _some(cluster, random)
    device = random.choice(["eth0", *_tunnels(node)])
    lines = [
        f"nexthop add id 1879048193 dev {device} protocol 156",
        "route add 10.244.250.0/24 dev eth0 proto 156",
    ]
    if device != "eth0":
        lines.append(
            f"neigh add 10.244.250.0 lladdr 02:00:00:00:00:99 dev {device} nud permanent protocol 156"
        )
        if "pod" not in device:
            run(
                "bridge",
                "-n",
                node.name,
                "fdb",
                "append",
                "02:00:00:00:00:99",
                "dev",
                device,
                "dst",
                "192.168.77.99",
            )
    ip(node.name, *lines)
    return f"{node.name} has stale objects on {device}"


def route_deleted(cluster: Cluster, random: Random) -> str:
    """Delete ways of ours: routes, nexthops and their routes with them, what refuses the rest."""
    node = _some(cluster, random)
    routes = run("ip", "-n", node.name, "route", "show", "proto", "156").splitlines()
    ours = [f"route del {one.split()[0]}" for one in routes if "nhid" in one]
    lines = random.choice(
        [ours, ours[:1], ["nexthop flush proto 156"], ["route del unreachable 10.244.0.0/16"]]
    )
    ip(node.name, *lines)
    return f"{node.name}: ip {lines}"


def fdb_doubled(cluster: Cluster, random: Random) -> str:
    """Give a peer's MAC a second place."""
    node = _some(cluster, random)
    for name in _tunnels(node):
        for one in json.loads(run("bridge", "-n", node.name, "-j", "fdb", "show", "dev", name)):
            if "dst" in one:
                run(
                    "bridge",
                    "-n",
                    node.name,
                    "fdb",
                    "append",
                    one["mac"],
                    "dev",
                    name,
                    "dst",
                    "192.168.77.98",
                )
                return f"{node.name}: {one['mac']} has two places"
    return f"{node.name} has no MAC to double"


def rules_damaged(cluster: Cluster, random: Random) -> str:
    """Flush or delete nft's table, as a reload of another firewall does, or one of its sets."""
    node = _some(cluster, random)
    line = random.choice([
        f"flush table {TABLE}", f"delete table {TABLE}", "flush ruleset", f"flush set {TABLE} peers4",
        f"flush chain {TABLE} ethernet", f"flush chain {TABLE} arriving",
    ])  # fmt: skip
    run("nsenter", f"--net=/run/netns/{node.name}", "nft", line)
    return f"{node.name}: nft {line}"


def clock_jump(cluster: Cluster, random: Random) -> str:
    """Set every node's clock, a day to either side."""
    for node in cluster.nodes.values():
        node.set_clock(random.choice([-86_400, -3600, 0, 3600, 86_400, 10 * 365 * 86_400]))
    return "clocks jump"


def new_backend(cluster: Cluster, random: Random) -> str:
    """Change mode or port."""
    backend = random.choice([one for one in BACKENDS if one != cluster.conf["Backend"]])
    cluster.configure(NET_CONF | {"Backend": backend})
    return f"the network is {backend}"


STEPS: tuple[Step, ...] = (
    join, leave, crash, crash_of_all, outage, forgotten_history, new_address, new_mtu, tunnel_deleted,
    tunnel_down, link_down_and_up, stale_objects, route_deleted, fdb_doubled, rules_damaged, clock_jump,
    new_backend, new_backend, new_backend,
)  # fmt: skip


def _some(cluster: Cluster, random: Random) -> Node:
    return cluster.nodes[random.choice(sorted(cluster.nodes))]


def _tunnels(node: Node) -> list[str]:
    found = json.loads(run("ip", "-n", node.name, "-j", "link", "show", "type", "vxlan") or "[]")
    return [one["ifname"] for one in found]


def _change_address(node: Node, random: Random) -> None:
    """Change it as a network service does: the new one comes before the old one goes."""
    before = node.public[4]
    others = [f"192.168.77.{node.number + n}" for n in (0, 20, 40, 60)]
    node.public[4] = random.choice([one for one in others if one != before])
    ip(node.name, f"addr add {node.public[4]}/24 dev eth0", f"addr del {before}/24 dev eth0")
    ip(node.name, "route replace default via 192.168.77.254")

"""Two nodes with a pod each, joined one way or another: plain routes, a VXLAN made by hand, our agents.

Either the nodes share a wire, or two routers lie between them with a hop of 1400 in the middle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.overlay_world import Box, agent, boxes, join, scratch_folder, wait_until
from overlay.record import Mode
from overlay.subnet_env import SubnetEnv, parse_subnet_env

NETWORK = "10.244.0.0/16"
SMALL_HOP = 1400  # bytes
SETTLED = 30.0  # seconds for both agents to know each other, and the path between them


@dataclass(frozen=True)
class Pair:
    """Two nodes and their pods. `between`: the routers in the middle, if there are any."""

    nodes: tuple[Box, Box]
    pods: tuple[Box, Box]
    between: tuple[Box, ...] = ()

    @property
    def publics(self) -> tuple[str, str]:
        """Return the nodes' addresses."""
        return ("192.168.1.1", "192.168.2.1") if self.between else ("192.168.77.1", "192.168.77.2")

    def fragments(self) -> int:
        """Return how many fragments nodes and routers have made of packets too large (ip(7), FragCreates)."""
        return sum(_snmp(box, "FragCreates") for box in (*self.nodes, *self.between))


@contextmanager
def pair(*, has_small_hop: bool = False, says_so: bool = True) -> Iterator[Pair]:
    """Make two nodes with a pod each; `says_so` False: the routers' ICMP is dropped."""
    with boxes(6 if has_small_hop else 4) as made:
        left, right, *rest = made
        for node in (left, right):
            node.run("sysctl -qw net.ipv4.ip_forward=1")
        found = Pair((left, right), (rest[0], rest[1]), tuple(rest[2:]))
        if has_small_hop:
            _lay_routers(found, says_so)
        else:
            join(left, "eth0", right, "eth0")
            for node, address in zip(found.nodes, found.publics, strict=True):
                node.run(f"ip addr add {address}/24 dev eth0")
        yield found


def _lay_routers(pair: Pair, says_so: bool) -> None:
    left, right = pair.between
    join(left, "middle", right, "middle", mtu=SMALL_HOP)
    for number, (node, router) in enumerate(zip(pair.nodes, pair.between, strict=True), 1):
        join(node, "eth0", router, "edge")
        node.run(f"ip addr add 192.168.{number}.1/24 dev eth0")
        node.run(f"ip route add default via 192.168.{number}.254")
        router.run(
            "sysctl -qw net.ipv4.ip_forward=1", f"ip addr add 192.168.{number}.254/24 dev edge",
            f"ip addr add 192.168.3.{number}/24 dev middle",
            f"ip route add 192.168.{3 - number}.0/24 via 192.168.3.{3 - number}",
        )  # fmt: skip
        if not says_so:
            drop = "table ip silent { chain out { type filter hook output priority 0; icmp type 3 drop; }; }"
            router.batch("nft", [drop])


def add_pod(pair: Pair, number: int, subnet: str, mtu: int) -> str:
    """Give a node's pod the second address of a subnet ("10.244.3"); return it."""
    node, pod = pair.nodes[number], pair.pods[number]
    node.run(
        f"ip link add name pod0 mtu {mtu} up type veth peer name eth0 mtu {mtu} netns {pod.path}",
        f"ip addr add {subnet}.1/24 dev pod0",
    )
    pod.run(
        "ip link set eth0 up", f"ip addr add {subnet}.2/24 dev eth0", f"ip route add default via {subnet}.1"
    )
    return f"{subnet}.2"


def join_plainly(pair: Pair) -> str:
    """Join the pods by routes; return the far pod's address."""
    for number in (0, 1):
        far, public = 2 - number, pair.publics[1 - number]
        pair.nodes[number].run(f"ip route add 10.244.{far}.0/24 via {public}")
        add_pod(pair, number, f"10.244.{number + 1}", 1500)
    return "10.244.2.2"


def join_by_hand(pair: Pair, *, df: str = "unset", lock: int = 0) -> str:
    """Join the pods by a VXLAN as flannel makes it; return the far pod's address.

    `df` as in ip-link(8); `lock` in bytes: an `mtu lock` on the route, 0 for none.
    """
    for number in (0, 1):
        node, far, public = pair.nodes[number], 2 - number, pair.publics[1 - number]
        node.run(
            f"ip link add name vx mtu 1450 address 02:00:00:00:00:0{number + 1} type vxlan id 1 dstport 8472 "
            f"nolearning local {pair.publics[number]} dev eth0 df {df}",
            f"ip addr add 10.244.{number + 1}.0/32 dev vx",
            "ip link set vx up",
            f"bridge fdb append 02:00:00:00:00:0{far} dev vx dst {public}",
            f"ip neigh replace 10.244.{far}.0 lladdr 02:00:00:00:00:0{far} dev vx nud permanent",
            f"ip route add 10.244.{far}.0/24 via 10.244.{far}.0 dev vx onlink"
            + (f" mtu lock {lock}" if lock else ""),
        )
        add_pod(pair, number, f"10.244.{number + 1}", 1450)
    return "10.244.2.2"


def masquerade(pair: Pair) -> None:
    """Let pods take their node's address on the way out of the cluster, by the rules flannel has."""
    pods = f"ip saddr {NETWORK}"
    rules = f"{pods} ip daddr {NETWORK} return; {pods} ip daddr != 224.0.0.0/4 masquerade fully-random"
    chain = f"chain postrouting {{ type nat hook postrouting priority srcnat; {rules}; }}"
    for node in pair.nodes:
        node.batch("nft", [f"table ip by_hand {{ {chain}; }}"])


@contextmanager
def joined_by_us(pair: Pair, mode: Mode, *, lock: int = 0) -> Iterator[str]:
    """Join the pods by our agents, and yield the far pod's address; the agents run meanwhile.

    `lock` in bytes: wait until both have found that the path is no larger.
    """
    with ExitStack() as stack:
        shared = stack.enter_context(scratch_folder("pair"))
        conf = shared / "net-conf.json"
        body = {"Network": NETWORK, "Backend": {"Type": mode.value.replace("direct", "host-gw")}}
        conf.write_text(json.dumps(body))
        registry = f"directory:{shared}/registry"
        agents = [
            stack.enter_context(agent(node, f"node{number}", registry, net_conf=conf))
            for number, node in enumerate(pair.nodes)
        ]
        envs = [_wait_env(one.folder / "subnet.env") for one in agents]
        addresses = [add_pod(pair, i, _prefix(env), env.mtu) for i, env in enumerate(envs)]
        word = f"mtu lock {lock}" if lock else ""
        for i, env in enumerate(envs):
            node, route = pair.nodes[1 - i], f"ip route show {env.subnets[0]}"
            wait_until(
                lambda node=node, route=route: "nhid" in (said := node.run(route)) and word in said,  # type: ignore[misc]
                f"both nodes know the way {word}".strip(), SETTLED,
            )  # fmt: skip
        yield addresses[1]


def _wait_env(path: Path) -> SubnetEnv:
    wait_until(path.exists, f"{path} is written", SETTLED)
    return parse_subnet_env(path.read_text())


def _prefix(env: SubnetEnv) -> str:
    return env.subnets[0].address.rpartition(".")[0]


def _snmp(box: Box, name: str) -> int:
    names, values = [
        line.split() for line in box.run("cat /proc/net/snmp").splitlines() if line.startswith("Ip:")
    ]
    return int(dict(zip(names, values, strict=True))[name])

"""Draw how a packet crosses nodes, from a real lab: `python docs/draw_crossing.py > docs/crossing.svg`.

Brings up two nodes with `podwire lab` (it takes root), reads back what `ip -j` and `bridge -j` show, and
draws that. Nothing here knows what the overlay should have made.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from podwire.map.drawing import box, label, line, svg

PODWIRE = [sys.executable, "-m", "podwire"]
LAB = "crossing"
WIDTH, HALF, RIGHT = 1040, 490, 530  # of the picture, of one node's side, where the second begins


def main() -> None:
    """Make the lab, look, draw, and take it away."""
    run([*PODWIRE, "lab", "up", "--name", LAB, "--nodes", "2"])
    try:
        sides = [look(f"node{number}", f"node{3 - number}") for number in (1, 2)]
    finally:
        run([*PODWIRE, "lab", "down", "--name", LAB])
    print(draw(*sides))


def look(node: str, other: str) -> dict[str, Any]:
    """Read back what there is on one node, and what leads to the other."""
    links = {link["ifname"]: link for link in ip(node, "addr")}
    tunnel = next(link for link in links.values() if (link.get("linkinfo") or {}).get("info_kind") == "vxlan")
    bridge = next(
        link for link in links.values() if (link.get("linkinfo") or {}).get("info_kind") == "bridge"
    )
    uplink = next(link for link in links.values() if link["ifname"].startswith("eth"))
    (pod,) = [one for one in ip(f"{node}/pod1", "addr") if one["ifname"] == "eth0"]
    route = next(one for one in ip(node, "route") if one.get("nhid"))
    (neighbour,) = [one for one in ip(node, "neigh", "show", "dev", tunnel["ifname"]) if one.get("lladdr")]
    fdb = [
        one
        for one in json.loads(inside(node, "bridge", "-j", "fdb"))
        if one.get("ifname") == tunnel["ifname"]
    ]
    behind = next(one for one in fdb if one["mac"] == neighbour["lladdr"])
    return {
        "node": node, "other": other, "tunnel": tunnel, "bridge": bridge, "uplink": uplink, "pod": pod,
        "route": route, "neighbour": neighbour, "fdb": behind,
    }  # fmt: skip


def draw(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Lay out two nodes side by side, and the underlay below them."""
    parts = [*side(one, 20, is_first=True), *side(other, RIGHT, is_first=False)]
    parts += [
        box(20, 560, WIDTH - 40, 60, "ul", "the underlay", "nothing on it knows of pods"),
        line(20 + HALF // 2, 500, 20 + HALF // 2, 560, "w"),
        line(RIGHT + HALF // 2, 500, RIGHT + HALF // 2, 560, "w"),
        label(20 + HALF // 2 + 12, 535, f"④ outer {host(one['uplink'])} → {host(other['uplink'])}", "n"),
        label(20 + HALF // 2 + 12, 552, f"UDP {port(one)}, VNI {vni(one)}, inner packet unchanged", "s"),
    ]
    return svg(WIDTH, 640, parts)


def side(seen: dict[str, Any], x: int, *, is_first: bool) -> list[str]:
    """Draw one node: its pod, bridge, routing, tunnel and uplink."""
    pod, bridge, tunnel, uplink = (seen[name] for name in ("pod", "bridge", "tunnel", "uplink"))
    middle = x + HALF // 2
    words = way(seen) if is_first else arrival(seen)
    return [
        box(x, 20, HALF, 480, "ns", seen["node"]),
        box(x + 20, 55, HALF - 40, 62, "if", f"pod1: {pod['ifname']}", f"{address(pod)}  mtu {pod['mtu']}"),
        line(middle, 117, middle, 140),
        box(x + 20, 140, HALF - 40, 62, "br", bridge["ifname"], f"{address(bridge)}  the pods' gateway"),
        line(middle, 202, middle, 225),
        box(x + 20, 225, HALF - 40, 124, "br", "routing", *words),
        line(middle, 349, middle, 370),
        box(x + 20, 370, HALF - 40, 62, "tun", tunnel["ifname"],
            f"{address(tunnel)}  mtu {tunnel['mtu']}  {tunnel['address']}"),
        line(middle, 432, middle, 448),
        box(x + 20, 448, HALF - 40, 44, "if", f"{uplink['ifname']}  {address(uplink)}  mtu {uplink['mtu']}"),
    ]  # fmt: skip


def way(seen: dict[str, Any]) -> list[str]:
    """Say what leads to the other node, as the kernel shows it."""
    route, neighbour, fdb = seen["route"], seen["neighbour"], seen["fdb"]
    return [
        f"① {route['dst']} nhid {route['nhid']}",
        f"   via {route['gateway']} dev {route['dev']} onlink",
        f"② {neighbour['dst']} lladdr {neighbour['lladdr']} PERMANENT",
        f"③ {fdb['mac']} dst {fdb['dst']}",
    ]


def arrival(seen: dict[str, Any]) -> list[str]:
    """Say what happens to a packet that comes out of the tunnel."""
    bridge = seen["bridge"]
    return [
        f"⑤ nft podwire_overlay: is the sender {seen['other']}, and",
        "   is the inner source of its subnet? then, not tracked:",
        f"⑥ {network(bridge)} dev {bridge['ifname']}",
        "   the pod sees the other pod's own address",
    ]


def address(link: Any) -> str:
    """Return a link's first IPv4 address."""
    return next(f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["family"] == "inet")


def host(link: Any) -> str:
    """Return a link's first IPv4 address, without a length."""
    return address(link).partition("/")[0]


def network(link: Any) -> str:
    """Return the network of a link's first IPv4 address, for a /24."""
    return address(link).rsplit(".", 1)[0] + ".0/24"


def port(seen: dict[str, Any]) -> int:
    """Return a tunnel's UDP port."""
    return int(seen["tunnel"]["linkinfo"]["info_data"]["port"])


def vni(seen: dict[str, Any]) -> int:
    """Return a tunnel's VNI."""
    return int(seen["tunnel"]["linkinfo"]["info_data"]["id"])


def ip(where: str, *command: str) -> Any:
    """Ask ip(8) inside a node or a pod."""
    return json.loads(inside(where, "ip", "-j", "-d", *command))


def inside(where: str, *command: str) -> str:
    """Run a command in a node or a pod of the lab."""
    return run([*PODWIRE, "lab", "exec", "--name", LAB, where, "--", *command])


def run(argv: list[str]) -> str:
    """Run a command and return what it printed."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()

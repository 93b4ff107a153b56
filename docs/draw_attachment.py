"""Draw how a pod is attached, from a real one: `python docs/draw_attachment.py > docs/attachment.svg`.

Attaches a container by the bridge and portmap plugins in namespaces of its own (it takes root), reads back
what `ip -j` and `nft -j` show, and draws that. Nothing here knows what the plugins should have made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Any

PODWIRE = [sys.executable, "-m", "podwire"]
INSIDE = "PODWIRE_DRAW_INSIDE"  # set in the namespaces where the attachment is made
CONFLIST = {
    "cniVersion": "1.0.0",
    "name": "demo",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pod0",
            "isDefaultGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {"type": "host-local", "subnet": "10.88.0.0/16"},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
FOLDERS = ("/run/netns", "/var/lib/cni", "/var/lib/podwire")
FURNISH = "; ".join([*(f"mount -t tmpfs tmpfs {one}" for one in FOLDERS), "ip link set lo up"])

STYLE = """text{font:13px ui-monospace,monospace;fill:#1b1f24}
.h{font-weight:bold} .s{fill:#57606a;font-size:12px}
rect{rx:8;stroke:#57606a;fill:#fff} .ns{fill:#f6f8fa;stroke-dasharray:5 4} .br{fill:#ddf4ff} .if{fill:#dafbe1}
.nft{fill:#fff8c5} line{stroke:#57606a;stroke-width:2} svg{background:#fff}"""


def main() -> None:
    """Draw; outside of namespaces of our own, enter some first."""
    for folder in FOLDERS:
        Path(folder).mkdir(parents=True, exist_ok=True)
    if os.environ.get(INSIDE) != "1":
        command = ["unshare", "--mount", "--net", sys.executable, __file__]
        sys.exit(subprocess.run(command, env=os.environ | {INSIDE: "1"}, check=False).returncode)
    run(["sh", "-c", FURNISH])
    with tempfile.TemporaryDirectory() as folder:
        attach(Path(folder))
    print(draw(look()))


def attach(folder: Path) -> None:
    """Install the plugins into a folder and attach one container with them."""
    (folder / "net.d").mkdir()
    (folder / "bin").mkdir()
    (folder / "net.d" / "demo.conflist").write_text(json.dumps(CONFLIST))
    run(["ip", "netns", "add", "web"])
    run([*PODWIRE, "install", "--to", str(folder / "bin")])
    places = ["--conf-dir", str(folder / "net.d"), "--cni-path", str(folder / "bin")]
    run(
        [
            *PODWIRE,
            "cni",
            "add",
            "demo",
            "web",
            *places,
            "--container-id",
            "web",
            "--cap-args",
            json.dumps(PORTS),
        ]
    )


def look() -> dict[str, Any]:
    """Read back what there is now."""
    seen = {"host": ip("addr"), "pod": ip("-n", "web", "addr"), "routes": ip("-n", "web", "route")}
    rules = json.loads(run(["nft", "-j", "list", "ruleset"]))["nftables"]
    sets = [one.get("set") or one.get("map") for one in rules]
    seen["elements"] = [(one["name"], element) for one in sets if one for element in one.get("elem", ())]
    return seen


def draw(seen: dict[str, Any]) -> str:
    """Lay out the boxes: the pod above, the host below, its rules beside the bridge."""
    pod = next(link for link in seen["pod"] if link["ifname"] == "eth0")
    veth = next(link for link in seen["host"] if link.get("master") == "pod0")
    bridge = next(link for link in seen["host"] if link["ifname"] == "pod0")
    route = next(one for one in seen["routes"] if one["dst"] == "default")
    elements = [f"{name}  {describe(element)}" for name, element in seen["elements"]]
    height = 330 + 19 * len(elements)
    parts = [
        box(20, 20, 820, 130, "ns", "container: network namespace “web”"),
        box(60, 55, 330, 80, "if", pod["ifname"], address(pod), f"{pod['address']}  mtu {pod['mtu']}"),
        label(420, 85, f"default via {route['gateway']} dev {route['dev']}"),
        label(240, 180, "one veth pair, made by one netlink message"),
        box(20, 170 + 25, 820, height - 215, "ns", ""),
        '<line x1="225" y1="135" x2="225" y2="215"/>',
        label(420, 214, "host: the network namespace of the plugin"),
        box(60, 215, 330, 60, "if", veth["ifname"], f"a port of {veth['master']}  mtu {veth['mtu']}"),
        '<line x1="225" y1="275" x2="225" y2="300"/>',
        box(60, 300, 330, 60, "br", bridge["ifname"], f"{address(bridge)}  the pods' gateway"),
        box(
            420,
            225,
            400,
            70 + 19 * len(elements),
            "nft",
            "nft table inet podwire",
            "static rules; a pod is elements:",
        ),
    ]
    parts += [label(435, 290 + 19 * i, text, "s") for i, text in enumerate(elements)]
    body = "\n".join(parts)
    size = f'width="860" height="{height}" viewBox="0 0 860 {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n{body}\n</svg>'


def box(x: int, y: int, width: int, height: int, kind: str, title: str, *lines: str) -> str:
    """Return a box with a title and lines of text."""
    text = [label(x + 14, y + 22, title, "h")]
    text += [label(x + 14, y + 42 + 19 * i, line, "s") for i, line in enumerate(lines)]
    return "\n".join([f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}"/>', *text])


def label(x: int, y: int, text: str, kind: str = "s") -> str:
    """Return a line of text."""
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def address(link: Any) -> str:
    """Return a link's first IPv4 address."""
    return next(f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["family"] == "inet")


def describe(element: Any) -> str:
    """Return a set's element as nft prints it, without its comment."""
    key, data = element if isinstance(element, list) else (element, None)
    key = key["elem"]["val"] if isinstance(key, dict) and "elem" in key else key
    return text_of(key) + (f" → {text_of(data)}" if data is not None else "")


def text_of(value: Any) -> str:
    """Return a libnftables-json(5) value as nft prints it."""
    if isinstance(value, dict) and "concat" in value:
        return " . ".join(text_of(one) for one in value["concat"])
    if isinstance(value, dict) and "prefix" in value:
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return str(value)


def ip(*words: str) -> Any:
    """Return what `ip -j` shows."""
    return json.loads(run(["ip", "-j", *words]))


def run(command: list[str]) -> str:
    """Run a command and return what it printed."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()

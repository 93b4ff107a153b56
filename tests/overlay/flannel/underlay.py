"""The recordings' world: nodes n1 and n2 on one wire, and the registry at .254 of it.

Each node is a namespace with the addresses and the MAC that it had for flannel; the wire is the namespace of
the test itself, which has a bridge and what listens at 192.168.77.254 and fd77::254.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

WIRE = "192.168.77.254"


def run(*command: str, stdin: str | None = None) -> str:
    """Run a command; return what it printed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


def run_json(*command: str) -> Any:
    """Run a command that prints JSON, or nothing."""
    text = run(*command)
    return json.loads(text) if text.strip() else []


class Node:
    """One node's namespace, as flanneld found it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"n{number}"
        self.address = f"192.168.77.{number}"
        self.address6 = f"fd77::{number}"
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        wire = ("link", "add", f"wire{number}", "type", "veth", "peer", "eth0", "netns", self.name)
        run("ip", *wire)
        run("ip", "link", "set", f"wire{number}", "master", "br0", "up")
        self.ip("link", "set", "eth0", "address", f"02:77:00:00:00:{number:02x}", "up")
        self.ip("addr", "add", f"{self.address}/24", "dev", "eth0")
        self.ip("addr", "add", f"{self.address6}/64", "dev", "eth0", "nodad")
        self.ip("route", "add", "default", "via", WIRE)
        self.ip("-6", "route", "add", "default", "via", "fd77::254", "dev", "eth0")
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.exec("sysctl", "-qw", f"{key}=1")

    def ip(self, *arguments: str) -> None:
        """Run ip in the namespace."""
        run("ip", "-n", self.name, *arguments)

    def ip_batch(self, *lines: str) -> None:
        """Run many lines of ip in the namespace."""
        run("ip", "-n", self.name, "-batch", "-", stdin="\n".join(lines))

    def bridge(self, *arguments: str) -> None:
        """Run bridge in the namespace."""
        run("bridge", "-n", self.name, *arguments)

    def exec(self, *command: str) -> str:
        """Run any command in the namespace."""
        return run("ip", "netns", "exec", self.name, *command)

    def see(self, *arguments: str) -> Any:
        """Return what ip shows, as JSON."""
        return run_json("ip", "-n", self.name, "-d", "-j", *arguments)

    def see_fdb(self, device: str) -> Any:
        """Return what bridge shows of a device's FDB, as JSON; [] for one that has gone."""
        entries = run_json("bridge", "-n", self.name, "-j", "fdb", "show")
        return [one for one in entries if one.get("ifname") == device]

    def remove(self) -> None:
        """Leave nothing."""
        run("ip", "netns", "del", self.name)


class Underlay:
    """The wire and its nodes; remove it."""

    def __init__(self, *numbers: int) -> None:
        run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        run("ip", "link", "set", "br0", "up")
        run("ip", "addr", "add", f"{WIRE}/24", "dev", "br0")
        run("ip", "addr", "add", "fd77::254/64", "dev", "br0", "nodad")
        self.nodes: dict[int, Node] = {}
        for number in numbers:
            self.nodes[number] = Node(number)

    def __getitem__(self, number: int) -> Node:
        return self.nodes[number]

    def remove(self) -> None:
        """Leave nothing."""
        for node in self.nodes.values():
            node.remove()

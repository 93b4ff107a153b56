"""What the models see and do by ip(8), on the host or in a container's namespace (a path)."""

from __future__ import annotations

import json
import subprocess
from ipaddress import ip_network
from typing import Any

from conformance.models.common_parts import KERNEL, CniError

Json = dict[str, Any]


def run(*words: str, netns: str = "", stdin: str = "") -> str:
    """Run a program, in a container's namespace where one is named, and return its stdout.

    Raises:
        CniError: it failed; with what it said.
    """
    before = ("nsenter", f"--net={netns}") if netns else ()
    try:
        done = subprocess.run((*before, *words), input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CniError(KERNEL, f"{error.filename} is not in PATH") from error
    if done.returncode != 0:
        raise CniError(KERNEL, f"`{' '.join(words)}` failed", f"{stdin}{done.stderr}"[:1000])
    return done.stdout


def links(netns: str = "") -> dict[str, Json]:
    """Return every interface by name, with its addresses."""
    found = json.loads(run("ip", "-j", "-d", "addr", "show", netns=netns).strip() or "[]")
    return {link["ifname"]: link for link in found if "ifname" in link}


def remove_link(name: str) -> None:
    """Remove an interface of the host, if it is there."""
    if name in links():
        try:
            run("ip", "link", "del", name)
        except CniError:
            if name in links():  # else it went with its namespace in between
                raise


def destinations(netns: str = "") -> set[Any]:
    """Return where the unicast routes of all tables lead."""
    found = set()
    for number, everything in (("4", "0.0.0.0/0"), ("6", "::/0")):
        words = ("ip", "-j", f"-{number}", "route", "show", "table", "all")
        for route in json.loads(run(*words, netns=netns).strip() or "[]"):
            dst = everything if route["dst"] == "default" else route["dst"]
            if route.get("type", "unicast") == "unicast":
                found.add(ip_network(dst, strict=False))
    return found

"""What the kernel shows, by others' programs: `ip -j`, `nft -j`, `tc -j`."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from conformance.clause import CannotJudge
from conformance.world.namespaces import inside

Json = dict[str, Any]


def run(*words: str, netns: str = "", stdin: str | None = None) -> str:
    """Run a program, in a namespace (a path, "" is the host's), and return its stdout.

    Raises:
        CannotJudge: it failed, or it is not installed.
    """
    try:
        with inside(netns):
            done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CannotJudge(f"{words[0]} is not installed") from error
    if done.returncode != 0:
        raise CannotJudge(f"`{' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout


def succeeds(*words: str, netns: str = "") -> bool:
    """Tell whether a program ends with status 0."""
    with inside(netns):
        return subprocess.run(words, capture_output=True, check=False).returncode == 0


def ip(*words: str, netns: str = "") -> list[Json]:
    """Return what `ip -j` prints; [] for nothing."""
    found: list[Json] = json.loads(run("ip", "-j", *words, netns=netns).strip() or "[]")
    return found


def links(netns: str = "") -> dict[str, Json]:
    """Return every interface by name, with its addresses (`addr_info`) and details (`linkinfo`)."""
    return {link["ifname"]: link for link in ip("-d", "addr", "show", netns=netns)}


def addresses(ifname: str, netns: str = "") -> list[str]:
    """Return the global addresses of an interface, with prefix lengths."""
    found = links(netns).get(ifname, {}).get("addr_info", [])
    return [f"{one['local']}/{one['prefixlen']}" for one in found if one.get("scope") != "link"]


def routes(netns: str = "", table: str = "main") -> list[Json]:
    """Return the routes of both families in a table."""
    both = [ip(family, "route", "show", "table", table, netns=netns) for family in ("-4", "-6")]
    return [route for found in both for route in found]


def ruleset(netns: str = "") -> list[Json]:
    """Return nftables' whole ruleset, without its header, handles and counters' values."""
    found = json.loads(run("nft", "-j", "list", "ruleset", netns=netns))["nftables"]
    return [_without_noise(one) for one in found if "metainfo" not in one]


def _without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_noise(one)
            for key, one in value.items()
            if key not in ("handle", "packets", "bytes")
        }
    return [_without_noise(one) for one in value] if isinstance(value, list) else value

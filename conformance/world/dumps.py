"""Everything that a network namespace and the state folders hold, as lines; and what differs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from conformance.world.looking import ip, ruleset, run
from conformance.world.namespaces import PRIVATE_FOLDERS

Dump = frozenset[str]
# What changes by itself: counters, ages, and numbers that the kernel hands out anew
NOISE = frozenset(
    ("ifindex", "link_index", "link_netnsid", "parent_ifindex", "stats", "stats64", "valid_life_time", "used",
     "preferred_life_time", "expires", "promiscuity", "allmulti", "gc_timer", "hello_timer", "tcn_timer",
     "topology_change_timer", "temporary", "handle", "bytes", "packets", "drops", "overlimits", "requeues",
     "backlog", "qlen", "installed", "last_used", "operstate", "tentative", "dadfailed",
     "bridge_id", "root_id", "root_port", "root_path_cost", "state", "config_pending", "topology_change",
     "topology_change_ack", "designated_bridge", "designated_port", "designated_cost", "hold_timer",
     "message_age_timer", "forward_delay_timer", "qdisc")
)  # fmt: skip
# Of a link's and a route's flags: they come later than the call
CARRIER = frozenset(("LOWER_UP", "NO-CARRIER", "M-DOWN", "linkdown", "dead"))
# Addresses that a link gives itself when it goes up: link-local ones, and lo's, which stay when it goes down
SELF_GIVEN = (("inet6", "link"), ("inet6", "host"), ("inet", "host"))
WATCHED_SYSCTLS = (
    "ipv4/ip_forward",
    "ipv6/conf/all/forwarding",
    "ipv4/conf/all/rp_filter",
    "ipv4/conf/all/route_localnet",
)


def dump(netns: str = "") -> Dump:
    """Return links, addresses, routes of every table, rules, queueing and nftables rules of a namespace."""
    lines = [f"link {_line(one)}" for one in ip("-d", "addr", "show", netns=netns)]
    for family in ("-4", "-6"):
        routes = ip(family, "route", "show", "table", "all", netns=netns)
        lines += [f"route {family} {_line(one)}" for one in routes if not _is_automatic(one)]
        lines += [f"rule {family} {_line(one)}" for one in ip(family, "rule", "show", netns=netns)]
    lines += [f"tc {line}" for line in _traffic_control(netns)]
    lines += [f"nft {_line(one)}" for one in ruleset(netns)]
    return frozenset(lines)


def files(folders: Iterable[str] = PRIVATE_FOLDERS, ignored: Iterable[str] = ()) -> Dump:
    """Return every file below the folders with its content; `ignored` are patterns of names (fnmatch)."""
    patterns = tuple(ignored)
    found = (Path(at, name) for folder in folders for at, _, names in os.walk(folder) for name in names)
    kept = (
        path
        for path in found
        if path.parent != Path("/run/netns") and not any(fnmatch(path.name, one) for one in patterns)
    )
    return frozenset(
        f"file {path} {path.read_bytes()!r}" for path in kept if path.is_file() and not path.is_symlink()
    )


def sysctls() -> Dump:
    """Return the settings of the host that plugins are known to change."""
    return frozenset(
        f"sysctl {name} {Path('/proc/sys/net', name).read_text().strip()}" for name in WATCHED_SYSCTLS
    )


def difference(before: Dump, after: Dump) -> list[str]:
    """Return what has come (+) and gone (-), sorted."""
    return [f"+ {line}" for line in sorted(after - before)] + [f"- {line}" for line in sorted(before - after)]


def _traffic_control(netns: str) -> list[str]:
    text = run("tc", "-d", "qdisc", "show", netns=netns)
    return sorted(line for line in text.splitlines() if "noqueue" not in line)


def _line(value: Any) -> str:
    return json.dumps(_quiet(value), sort_keys=True)


def _quiet(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _quiet(one) for key, one in value.items() if key not in NOISE}
    if isinstance(value, list):
        return [
            _quiet(one)
            for one in value
            if not (isinstance(one, str) and one in CARRIER) and not _is_self_given(one)
        ]
    return value


def _is_automatic(route: Any) -> bool:
    """Tell whether the kernel makes this route by itself, some time after an address or link came."""
    own = route.get("table") == "local" and route.get("protocol") == "kernel"
    return own or str(route.get("dst", "")).startswith(("fe80:", "ff00:"))


def _is_self_given(value: Any) -> bool:
    """Tell whether this is an address that a link gives itself some time after it went up."""
    return isinstance(value, dict) and (value.get("family"), value.get("scope")) in SELF_GIVEN

"""Mutants of the clauses in clauses/interface_names.py."""

from __future__ import annotations

import json
import re
import subprocess

from conformance.clause import Kind
from conformance.mutants.memory import is_netns
from conformance.mutants.mutant import Asked, Given, Good, Json, Mutant

INTERFACE = frozenset({Kind.INTERFACE})
IMPOSSIBLE = re.compile(r"\.{1,2}|.*[/:\s].*|.{16,}")
USUAL = re.compile(r"(eth|net)[0-9]+")


def takes_another_name(asked: Asked, good: Good) -> Given:
    """Make of a name that cannot be one that can."""
    name = asked.environment.get("CNI_IFNAME", "")
    if not IMPOSSIBLE.fullmatch(name):
        return good(asked)
    return good(asked.with_environment(CNI_IFNAME="x" + re.sub(r"[^a-z0-9]", "", name)[:14]))


def every_name_is_eth0(asked: Asked, good: Good) -> Given:
    """Make eth0 in place of an interface of an unusual name, and say that it has that name."""
    name = asked.environment.get("CNI_IFNAME", "")
    if not name or USUAL.fullmatch(name) or IMPOSSIBLE.fullmatch(name):
        return good(asked)
    if asked.previous:
        asked = asked.with_config(asked.config | {"prevResult": _renamed(asked.previous, name, "eth0")})
    given = good(asked.with_environment(CNI_IFNAME="eth0"))
    if given.status or not given.document:
        return given
    return given.with_document(_renamed(given.document, "eth0", name))


def _renamed(result: Json, name: str, other: str) -> Json:
    """Return a result whose interface of one name has another."""
    interfaces = result.get("interfaces")
    if not isinstance(interfaces, list):
        return result
    return result | {
        "interfaces": [one | {"name": other} if one.get("name") == name else one for one in interfaces]
    }


def taken_name_succeeds(asked: Asked, good: Good) -> Given:
    """Say that all went well where the interface is there already."""
    netns, name = (asked.environment.get(f"CNI_{key}", "") for key in ("NETNS", "IFNAME"))
    is_taken = asked.verb == "ADD" and name and _exists(netns, name)
    given = good(asked)
    if is_taken and given.status:
        return Given(
            0, json.dumps({"cniVersion": asked.config.get("cniVersion"), "interfaces": [], "ips": []})
        )
    return given


def _exists(netns: str, name: str) -> bool:
    words = ("nsenter", f"--net={netns}", "ip", "link", "show", "dev", name)
    return is_netns(netns) and subprocess.run(words, capture_output=True, check=False).returncode == 0


MUTANTS = (
    Mutant(
        "2",
        "another-name",
        "a name that cannot be is replaced by one that can",
        INTERFACE,
        takes_another_name,
    ),
    Mutant("10", "eth0", "every unusual name is made eth0", INTERFACE, every_name_is_eth0),
    Mutant("12", "taken-name", "an ADD for a name that is taken succeeds", INTERFACE, taken_name_succeeds),
)

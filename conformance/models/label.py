"""A small good chained plugin: for each address of the container, an nftables rule that counts and is labelled.

All that it makes is in the table `inet judge_label`; a rule's comment is made of hashes of the network's name
and of the container and interface, so that a name of any length fits. It keeps no files.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NoReturn

Json = dict[str, Any]
VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
SINCE = {"CHECK": "0.4.0", "STATUS": "1.1.0", "GC": "1.1.0"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*\Z")  # container ids and names of networks
INTERFACE = re.compile(r"(?!\.\.?\Z)[^/:\s]{1,15}\Z")
TABLE = "inet judge_label"
# The chain is not looked at by packets of the host itself, and decides nothing
SKELETON = f"""add table {TABLE}
add chain {TABLE} labels {{ type filter hook forward priority 10; policy accept; }}
"""
CLONE_NEWNET = 0x40000000  # linux/sched.h


class Refused(Exception):
    """What becomes an error object."""

    def __init__(self, code: int, sentence: str, details: str = "") -> None:
        super().__init__(sentence)
        self.error: Json = {"code": code, "msg": sentence, "details": details}


def main() -> int:
    """Answer one call."""
    config: Json = {}
    try:
        verb = os.environ.get("CNI_COMMAND", "")
        if verb not in VERBS:
            refuse(4, f"CNI_COMMAND is {verb!r}, not one of {', '.join(VERBS)}")
        check_environment(verb)
        config = read_config(verb)
        answer = VERBS[verb](config)
    except Refused as refused:
        print(json.dumps({"cniVersion": config.get("cniVersion", VERSIONS[-1])} | refused.error))
        return 1
    if answer is not None:
        print(json.dumps(answer))
    return 0


def refuse(code: int, sentence: str, details: str = "") -> NoReturn:
    """Answer with an error object."""
    raise Refused(code, sentence, details)


def check_environment(verb: str) -> None:
    """Refuse what is missing or cannot be: code 4, with the variables' names."""
    attached = verb in ("ADD", "DEL", "CHECK")
    patterns = {"CNI_CONTAINERID": NAME, "CNI_IFNAME": INTERFACE} if attached else {}
    wrong = [name for name, pattern in patterns.items() if not pattern.match(os.environ.get(name, ""))]
    if verb in ("ADD", "CHECK") and not os.environ.get("CNI_NETNS"):
        wrong.append("CNI_NETNS")
    if verb == "GC" and not os.environ.get("CNI_PATH"):
        wrong.append("CNI_PATH")
    if wrong:
        refuse(4, f"{verb} needs {' and '.join(wrong)}, with a value that can be used")


def read_config(verb: str) -> Json:
    """Read stdin: code 6 where it is no JSON object, 1 for a version, 7 for what is missing in it."""
    try:
        config = json.loads(sys.stdin.buffer.read() or ("{}" if verb == "VERSION" else ""))
    except (ValueError, RecursionError) as error:
        refuse(6, f"the configuration is no JSON: {error}")
    if not isinstance(config, dict):
        refuse(6, f"the configuration is no JSON object but {type(config).__name__}")
    if verb == "VERSION":
        return config
    version = config.get("cniVersion", "0.1.0")
    oldest = VERSIONS.index(SINCE.get(verb, VERSIONS[0]))
    if version not in VERSIONS[oldest:]:
        config.pop("cniVersion", None)
        refuse(1, f"{verb} is not served for CNI version {version}", f"it is for {VERSIONS[oldest:]}")
    if not isinstance(config.get("name"), str) or not NAME.match(config["name"]):
        refuse(7, f"name is {config.get('name')!r}, which is no network's name")
    if config.get("family", "inet") != "inet":
        refuse(2, f"family is {config['family']!r}: it is not supported, inet is")
    return config


def add(config: Json) -> Json:
    """Label each address of the interface; answer with what the plugins before gave, as it is."""
    previous = previous_of(config)
    if previous is None:
        refuse(7, "prevResult is missing: it labels what a plugin before it made")
    if os.environ["CNI_IFNAME"] not in interfaces_inside():
        refuse(101, f"{os.environ['CNI_NETNS']} has no interface {os.environ['CNI_IFNAME']}")
    addresses = addresses_of(previous)
    comment = owner(config, os.environ["CNI_CONTAINERID"], os.environ["CNI_IFNAME"])
    if any(rule["comment"] == comment for rule in rules()):
        refuse(102, "this attachment has its labels already")
    lines = [
        f'add rule {TABLE} labels {"ip6" if ":" in one else "ip"} saddr {one} counter comment "{comment}"'
        for one in addresses
    ]
    nft(SKELETON + "\n".join(lines) + "\n")
    return previous


def delete(config: Json) -> None:
    """Remove the labels, wherever the container and its namespace are."""
    comment = owner(config, os.environ["CNI_CONTAINERID"], os.environ["CNI_IFNAME"])
    remove([rule for rule in rules() if rule["comment"] == comment])


def check(config: Json) -> None:
    """Fail unless each address that prevResult names is labelled."""
    previous = previous_of(config)
    if previous is None:
        refuse(7, "prevResult is missing: CHECK compares with it")
    if os.environ["CNI_IFNAME"] not in interfaces_inside():
        refuse(101, f"{os.environ['CNI_NETNS']} has no interface {os.environ['CNI_IFNAME']}")
    comment = owner(config, os.environ["CNI_CONTAINERID"], os.environ["CNI_IFNAME"])
    there = {address_in(rule) for rule in rules() if rule["comment"] == comment}
    missing = [one for one in addresses_of(previous) if one not in there]
    if missing:
        refuse(103, f"the rules of {' and '.join(missing)} are not there")


def status(config: Json) -> None:
    """Fail where nftables cannot be used, which is all that it needs."""
    rules()


def collect(config: Json) -> None:
    """Remove every label of this network whose attachment is not listed; without a list, nothing."""
    listed = config.get("cni.dev/valid-attachments", config.get("cni.dev/attachments"))
    if listed is None:
        return
    kept = {owner(config, one["containerID"], one["ifname"]) for one in listed}
    ours = owner(config, "", "").partition("/")[0] + "/"
    stale = [rule for rule in rules() if rule["comment"].startswith(ours) and rule["comment"] not in kept]
    remove(stale)


def version(config: Json) -> Json:
    """List the versions; a chained plugin has none without prevResult."""
    return {"cniVersion": config.get("cniVersion", VERSIONS[-1]), "supportedVersions": VERSIONS}


VERBS: dict[str, Any] = {
    "ADD": add, "DEL": delete, "CHECK": check, "STATUS": status, "GC": collect, "VERSION": version
}  # fmt: skip


def owner(config: Json, container: str, ifname: str) -> str:
    """Return the comment of an attachment's rules; before the / it is the network's."""
    halves = (config["name"], f"{container} {ifname}")
    return "/".join(sha256(half.encode()).hexdigest()[:32] for half in halves)


def previous_of(config: Json) -> Json | None:
    """Return prevResult; None where there is none."""
    previous = config.get("prevResult")
    if previous is not None and not isinstance(previous, dict):
        refuse(7, f"prevResult is {type(previous).__name__}, not an object")
    return previous or None


def addresses_of(previous: Json) -> list[str]:
    """Return the addresses of CNI_IFNAME, without prefix lengths; those of no interface count as its."""
    interfaces = previous.get("interfaces") or []
    inside = {
        index
        for index, one in enumerate(interfaces)
        if one.get("name") == os.environ["CNI_IFNAME"] and one.get("sandbox")
    }
    ours = [one for one in previous.get("ips") or [] if one.get("interface") in inside | {None, -1}]
    return [str(one["address"]).partition("/")[0] for one in ours]


def rules() -> list[Json]:
    """Return the labelled rules that there are."""
    try:
        listed = json.loads(nft("", "-j", "list", "chain", *TABLE.split(), "labels"))["nftables"]
    except FileNotFoundError:
        return []
    return [one["rule"] for one in listed if "comment" in one.get("rule", {})]


def address_in(rule: Json) -> str:
    """Return the address that a rule matches."""
    matches = [part["match"]["right"] for part in rule["expr"] if "match" in part]
    return str(matches[0]) if matches else ""


def remove(stale: list[Json]) -> None:
    """Delete rules in one transaction."""
    if stale:
        nft("".join(f"delete rule {TABLE} labels handle {rule['handle']}\n" for rule in stale))


def nft(lines: str, *words: str) -> str:
    """Run nft with a script or a command; FileNotFoundError where the chain is not there."""
    try:
        done = subprocess.run(
            ["nft", *(words or ("-f", "-"))], input=lines, capture_output=True, text=True, check=False
        )
    except OSError as error:
        refuse(50, f"nft cannot be run: {error.strerror}")
    if done.returncode == 0:
        return done.stdout
    if "No such file" in done.stderr:
        raise FileNotFoundError
    refuse(104, "nftables refused", done.stderr.strip())


def interfaces_inside() -> list[str]:
    """Return the names of the interfaces in CNI_NETNS."""
    with inside(os.environ["CNI_NETNS"]):
        return [name for _, name in socket.if_nameindex()]


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Be in a network namespace for the body."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        there = os.open(path, os.O_RDONLY)
    except OSError as error:
        refuse(4, f"CNI_NETNS is {path}: {error.strerror}")
    if libc.setns(there, CLONE_NEWNET) != 0:
        refuse(4, f"CNI_NETNS is {path}: it is no network namespace")
    try:
        yield
    finally:
        libc.setns(before, CLONE_NEWNET)


if __name__ == "__main__":
    sys.exit(main())

"""Write down what a network namespace and its machine hold, as lines that can be compared.

The lines come from the distribution's own tools (`ip -j`, `nft -j`), never from our code: what is wrong in
one is not hidden in the other. Counters, life times and handles are left out, since they move by themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Run = Callable[[Sequence[str]], str]
Dump = frozenset[str]  # every line opens with its kind: "link: ", "rule: "...

MOVING = frozenset({"handle", "expires", "packets", "bytes"})
# Files that outlive attachments: locks, the round robin's place, an index of what is there.
LASTING_FILES = ("lock", "last_reserved_ip", "index.", ".")
LOCK_FOLDER = "/podwire-locks/"  # of the runtime's, see pod_runner.cni.locks
FIND_STATE = 'for d; do if [ -d "$d" ]; then find "$d" -type f; fi; done'
STATE_FOLDERS = ("/var/lib/cni", "/run/cni", "/run/netns")
LEGACY_SAVE = (
    "for f in ip ip6; do if [ -s /proc/net/${f}_tables_names ]; then ${f}tables-legacy-save; fi; done 2>&1"
)


def take_dump(run: Run) -> Dump:
    """Look at the namespaces that `run` runs its commands in."""
    return frozenset(
        [
            *(f"link: {line}" for line in _links(run)),
            *(f"address: {line}" for line in _addresses(run)),
            *(f"route: {line}" for line in _routes(run)),
            *(f"nft: {line}" for line in _rules(run)),
            *(f"iptables: {line}" for line in _legacy_rules(run)),
            *(f"file: {line}" for line in run(["sh", "-c", FIND_STATE, "sh", *STATE_FOLDERS]).splitlines()),
            *(f"mount: {line}" for line in _mounts(run)),
        ]
    )


def difference(before: Dump, after: Dump) -> list[str]:
    """Say what went and what came between two looks; empty if nothing did."""
    return [f"gone: {line}" for line in sorted(before - after)] + [
        f"new: {line}" for line in sorted(after - before)
    ]


def leftovers(before: Dump, after: Dump, *, shared: Sequence[str], words: Sequence[str]) -> list[str]:
    """Say what the attachments made between two looks have left behind.

    `shared` names the links that outlive attachments (bridges); `words` are what only an attachment's own
    objects contain: container ids, addresses. New links, addresses, routes, mounts and files count unless
    they are shared or lasting; rules and elements count where they contain a word, since base chains and
    sets stay on purpose.
    """
    return [line for line in sorted(after - before) if not _is_lasting(line, shared, words)]


def _is_lasting(line: str, shared: Sequence[str], words: Sequence[str]) -> bool:
    kind, _, text = line.partition(": ")
    if kind in ("nft", "iptables"):
        return not any(word in text for word in words)
    if kind == "file":
        return LOCK_FOLDER in text or text.rsplit("/", 1)[-1].startswith(LASTING_FILES)
    return any(f'"{link}"' in text for link in shared)


def _links(run: Run) -> Iterator[str]:
    for link in json.loads(run(["ip", "-j", "link"])):
        yield _text(link, "ifname", "address", "link_type", "mtu", "master", "ifalias")


def _addresses(run: Run) -> Iterator[str]:
    for link in json.loads(run(["ip", "-j", "addr"])):
        for address in link.get("addr_info", ()):
            if address["scope"] != "link":  # those the kernel derives from the link's own address
                yield _text(address | {"ifname": link["ifname"]}, "ifname", "local", "prefixlen")


def _routes(run: Run) -> Iterator[str]:
    for family in ("-4", "-6"):
        for route in json.loads(run(["ip", family, "-j", "route"]) or "[]"):
            if route["dst"] != "fe80::/64":
                yield _text(route, "dst", "gateway", "dev", "prefsrc", "metric")


def _rules(run: Run) -> Iterator[str]:
    for item in json.loads(run(["nft", "-s", "-j", "list", "ruleset"]))["nftables"]:
        ((kind, body),) = item.items()
        if kind == "metainfo":
            continue
        for element in body.pop("elem", ()):
            yield f"element of {body['family']} {body['table']} {body['name']}: {_still(element)}"
        yield f"{kind} {_still(body)}"


def _legacy_rules(run: Run) -> Iterator[str]:
    """List the rules of a kernel's ip_tables, which nft does not show, if it has them loaded."""
    for line in run(["sh", "-c", LEGACY_SAVE]).splitlines():
        if line.startswith("-A"):
            yield line


def _mounts(run: Run) -> Iterator[str]:
    for line in run(["cat", "/proc/self/mountinfo"]).splitlines():
        _, _, _, root, place, *_ = line.split(" ")
        yield f"{root} on {place} type {line.partition(' - ')[2].split(' ')[0]}"


def _text(entry: dict[str, Any], *keys: str) -> str:
    return json.dumps({key: entry[key] for key in keys if key in entry})


def _still(value: object) -> str:
    """Print a value without what moves by itself."""
    return json.dumps(_without_moving(value), sort_keys=True)


def _without_moving(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_moving(item) for key, item in value.items() if key not in MOVING}
    if isinstance(value, list):
        return [_without_moving(item) for item in value]
    return value

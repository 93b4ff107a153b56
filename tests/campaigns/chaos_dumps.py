"""What a lab's nodes hold, and the machine of it, as lines: whoever has gone is to be in none of them.

By the distribution's own tools, as `podwire.demo.dumps`, of which this is an extension.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from podwire.demo.dumps import Dump, Run, take_dump
from podwire.lab.blueprint import PODS, Blueprint
from podwire.lab.finding import MARK, mark
from podwire.lab.folder import LabFolder
from podwire.lab.inside import run_in

PLACES = ("/var/lib/podwire", "/var/log/podwire", "/run/podwire", "/run/flannel", "/etc/cni", "/dev/shm")
FIND = "find {places} -mindepth 1 ! -name 'index.sqlite*' 2>/dev/null || :"
FDB = "bridge fdb show br cni0 2>/dev/null || :"  # there is none before the first pod
BRIDGE = "cni0"  # stays when the last pod has gone, as the plugin's author wants it
OURS = re.compile(r"nft: (table|chain|set|map|rule|counter) .*\"podwire")  # static: elements are what counts
MAC = re.compile(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b")
LOGS = "file: /var/log/podwire/pods"  # made when the first container says something
NODES_OWN = ("loopback_ports", "local_dns4", "nodeport_addresses4", "pods4", "service_cidrs4")  # sets
TOOLS = ("ps -eo", "nsenter ")  # of who looks
OWN = {  # what runs in a node that has no pods, once in each; the first is there for the lab, too
    "first": re.compile(r"sleep sleep infinity$"),
    "agent": re.compile(r"python\S* .* agent$"),
    "names": re.compile(r"python\S* .* -m service_proxy.dns.worker "),
    "spawner": re.compile(r"python\S* .* -m pod_runner.supervisor.spawner$"),
    "etcd": re.compile(r"etcd etcd "),
}


def hierarchies() -> list[Path]:
    """Return where the hierarchies of cgroups are mounted (proc(5), mountinfo)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] in ("cgroup", "cgroup2"):
            found.append(Path(before.split()[4]))
    return found


def cgroups(path: str) -> list[str]:
    """Return the cgroups at a path, which may be a pattern, and below it, in every hierarchy."""
    return [
        str(one)
        for root in hierarchies()
        for top in root.glob(path.lstrip("/"))
        for one in (top, *top.glob("**/"))
        if one.is_dir()
    ]


def node_dump(blueprint: Blueprint, node: str, pid: int) -> Dump:
    """Look at a node: all that `take_dump` sees, and neighbours, namespaces, files, cgroups."""
    inside = partial(run_in, pid)
    return take_dump(inside) | frozenset(
        [
            *(f"neighbour: {line}" for line in _neighbours(inside)),
            *(f"fdb: {line}" for line in inside(["sh", "-c", FDB]).splitlines()),
            *(f"namespace: {line}" for line in inside(["ip", "netns", "list-id"]).splitlines()),
            *(f"namespace: {line}" for line in _namespaces(inside)),
            *(f"file: {line}" for line in _files(inside, node)),
            *(f"cgroup: {line}" for line in cgroups(f"{blueprint.cgroup(node)}/pod*")),
        ]
    )


def strangers(lab: int, nodes: int) -> list[str]:
    """Return the processes below a lab's process 1, in whatever namespaces, that are no node's own.

    A supervisor's arguments are those of the spawner that forked it; its name (prctl(2)) tells.
    """
    lines = run_in(lab, ["ps", "-eo", "stat=,comm=,args="]).splitlines()
    kinds: Counter[str] = Counter()
    left = []
    for stat, name, args in (line.split(None, 2) for line in lines):
        if args.startswith(TOOLS) or stat.startswith("Z"):  # the machine's init reaps when it likes
            continue
        kind = next((kind for kind, pattern in OWN.items() if pattern.match(f"{name} {args}")), "")
        kinds[kind] += 1
        if not kind or kinds[kind] > nodes + (kind == "first"):
            left.append(f"process {name} {args}")
    return left


def new_lines(before: Dump, after: Dump) -> list[str]:
    """Say what came between two looks, but for what is made once and stays."""
    known = {MAC.sub("", line) for line in before}  # a node that was made anew has links of other MACs
    return [line for line in sorted(after) if MAC.sub("", line) not in known and not _is_lasting(line)]


def lines_about(dump: Dump, words: Iterable[str]) -> list[str]:
    """Return the lines that name one of some uids and addresses."""
    wanted = [rf"(?<![\w.]){re.escape(word)}(?![\w.]|-\w)" for word in sorted(words)]
    if not wanted:
        return []
    pattern = re.compile("|".join(wanted))
    return [line for line in sorted(dump) if pattern.search(line)]


def remains(blueprint: Blueprint) -> list[str]:
    """Return what is left on the machine of a lab that was taken down."""
    folder = LabFolder(blueprint.name)
    left = [f"cgroup {one}" for one in cgroups(blueprint.cgroup())]
    left += [f"name {one}" for one in folder.netns_names()]
    left += [f"folder {folder.path}"] if folder.exists() else []
    return left + [f"process {one}" for one in _marked(blueprint)]


def _marked(blueprint: Blueprint) -> Iterator[str]:
    begin, home = (part.encode() for part in f"{MARK}={mark(blueprint.name)}".split("@"))
    path = f"{blueprint.cgroup()}/".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            words = (place / "environ").read_bytes().split(b"\0")
            is_marked = any(one.startswith(begin) and one.endswith(home) for one in words)
            if is_marked or path in (place / "cgroup").read_bytes():
                yield f"{place.name} {(place / 'cmdline').read_bytes()!r}"


def _is_lasting(line: str) -> bool:
    if line.startswith("nft: element"):
        return line.split()[5].rstrip(":") in NODES_OWN
    if OURS.match(line) or line == LOGS:
        return True
    name = line.rpartition("/")[2]
    if line.startswith("file: "):
        return "/podwire-locks/" in line or name.startswith(("lock", "last_reserved_ip", "index.", "."))
    return f'"{BRIDGE}"' in line or f"dev {BRIDGE} " in line + " "


def _neighbours(inside: Run) -> Iterator[str]:
    """List entries that somebody made; the kernel's own age, and a new pod's first frame corrects them."""
    for one in json.loads(inside(["ip", "-j", "neigh", "show", "nud", "permanent"]) or "[]"):
        yield f"{one['dst']} dev {one['dev']} {one.get('lladdr', '')}"


def _namespaces(inside: Run) -> Iterator[str]:
    for line in inside(["lsns", "-n", "-t", "net", "-o", "PID,COMMAND"]).splitlines():
        yield f"of {line.split(None, 1)[1]}"


def _files(inside: Run, node: str) -> list[str]:
    return inside(["sh", "-c", FIND.format(places=" ".join([*PLACES, f"{PODS}/{node}"]))]).splitlines()

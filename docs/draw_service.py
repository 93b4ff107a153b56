"""Draw and list how a connection gets to a service, from a real lab: `python docs/draw_service.py` (as root).

Brings up two nodes with `podwire lab`, three pods behind one service, and has a pod connect to it while the
kernel tells which rules its first packet meets. That, the maps' elements and the entry of the connection
table become docs/service.svg. In docs/services.md each line `node1# COMMAND` of a console block is run on
that node, and what follows it is replaced by what it prints. Nothing here knows what the rules should be.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from podwire.map.drawing import box, line, svg

PODWIRE = [sys.executable, "-P", "-c", "from podwire.main import main; main()"]
LAB, TABLE = "life", "podwire_services"
HERE = Path(__file__).parent
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "type": "NodePort",
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}],
    },
}
LOOK = "add table inet look; add chain inet look first { type filter hook prerouting priority -350; }"
PAGE = "busybox wget -q -O - http://web/"
RULE = re.compile(rf"trace id \S+ inet {TABLE} (\S+) rule (.*) \(verdict (.*)\)")
ELEMENT = re.compile(r"elements = \{(.*?)\}", re.DOTALL)
PROMPT = re.compile(r"^(node\d+(?:/pod\d+)?|underlay)# (.+)", re.MULTILINE)
LATER = "every later packet: no rule is asked, the connection table knows"
WIDTH, LEFT, RIGHT = 1080, 20, 610


class Step(NamedTuple):
    """A rule that the packet met, and what came of it."""

    chain: str
    rule: str
    verdict: str


class Seen(NamedTuple):
    """What the lab showed."""

    address: str
    client: str
    steps: list[Step]
    front: str
    slots: list[str]
    ends: list[dict[str, Any]]
    chosen: str
    flow: str


def main() -> None:
    """Make the lab, look, draw, list, and take it away."""
    run([*PODWIRE, "lab", "up", "--name", LAB, "--nodes", "2"])
    try:
        for node, number in (("node1", 1), ("node2", 2)):
            for _ in range(number):
                run(
                    [
                        *PODWIRE,
                        "lab",
                        "pod",
                        "add",
                        node,
                        "--name",
                        LAB,
                        "--label",
                        "app=web",
                        "--serve",
                        "8080",
                    ]
                )
        inside("node1", f"echo '{json.dumps(SERVICE)}' | {' '.join(map(quoted, PODWIRE))} service apply -f -")
        seen = look(await_service())
        (HERE / "service.svg").write_text(draw(seen) + "\n")
        document = HERE / "services.md"
        document.write_text(relisted(document.read_text()))
    finally:
        run([*PODWIRE, "lab", "down", "--name", LAB])


def await_service() -> dict[str, Any]:
    """Wait until node1 leads to three back ends; return what it says of the service."""
    for _ in range(100):
        found: dict[str, Any] = json.loads(podwire("node1", "service", "show", "web", "-o", "json"))
        if sum(one["share"] > 0 for one in found["back_ends"]) == 3:
            return found
    sys.exit("node1 does not lead to three back ends")


def look(shown: dict[str, Any]) -> Seen:
    """Have pod1 of node1 connect, and read back all that became of it."""
    address = str(shown["addresses"][0])
    mark = f"nft add rule inet look first ip daddr {address} tcp flags syn meta nftrace set 1"
    said = inside(
        "node1",
        f'nft "{LOOK}"; {mark}; (timeout 2 nft monitor trace >/run/trace &); sleep 0.5; '
        f"ip netns exec pod1 {PAGE} >/run/page; sleep 0.3; nft delete table inet look; cat /run/trace",
    )
    steps = [Step(*found.groups()) for text in said.splitlines() if (found := RULE.match(text))]
    flow = inside("node1", f"conntrack -L -d {address} 2>/dev/null").strip().splitlines()[0]
    chosen = re.findall(r"src=(\S+)", flow)[1]
    return Seen(
        address, re.findall(r"src=(\S+)", flow)[0], steps,
        next(one for one in elements("services4") if one.startswith(address)),
        [one for one in elements("endpoints4") if one.startswith(address)],
        shown["back_ends"], chosen, flow,
    )  # fmt: skip


def elements(name: str) -> list[str]:
    """Return the elements of a map of node1, as nft prints them."""
    found = ELEMENT.search(inside("node1", f"nft list map inet {TABLE} {name}"))
    text = re.sub(r" counter packets \d+ bytes \d+", "", found[1] if found else "")
    return [" ".join(one.split()) for one in text.split(",")]


def draw(seen: Seen) -> str:
    """Lay out the packet's way at the left, what it was decided by and where it went at the right."""
    steps = [step for step in seen.steps if not step.verdict.startswith("continue")]
    before = [
        step for step in steps if step.chain in {"nat_prerouting", "services"} or step.verdict == "accept"
    ]
    others = [step for step in steps if step not in before]
    at = others.index(next(step for step in others if step.chain == "filter_forward"))
    rows = [*others[:at], *before, *others[at:]]
    parts = [
        box(LEFT, 20, 560, 56, "if", "node1/pod1", f"connects to http://web/, that is {seen.address} port 80")
    ]
    y = 96
    for number, step in enumerate(rows, 1):
        is_choice = step in before
        parts.append(line(LEFT + 280, y - 20, LEFT + 280, y))
        kind = "tun" if is_choice else "br"
        leads = "" if step.verdict in step.rule else f"  →  {step.verdict}"
        words = textwrap.wrap(step.rule.replace("meta l4proto", "l4proto"), 72)
        height = 37 + 19 * len(words)
        parts.append(box(LEFT, y, 560, height, kind, f"{number}  {step.chain}{leads}", *words))
        y += height + 20
    parts += drawn_right(seen, 96 + 76 * at)
    height = max(y, 700) + 70
    parts += [
        box(LEFT, height - 70, WIDTH - 40, 58, "ul", LATER, flow_words(seen.flow)),
    ]
    return svg(WIDTH, height, parts)


def drawn_right(seen: Seen, y: int) -> Iterator[str]:
    """Yield the elements that decided, and the back ends."""
    width = WIDTH - RIGHT - 20
    yield box(RIGHT, y, width, 60, "tun", "map services4", seen.front)
    yield line(LEFT + 560, y + 104, RIGHT, y + 30, "w")
    y += 84
    yield box(
        RIGHT, y, width, 34 + 19 * len(seen.slots), "tun", "map endpoints4: a slot by chance", *seen.slots
    )
    yield line(LEFT + 560, y + 96, RIGHT, y + 60, "w")
    y += 34 + 19 * len(seen.slots) + 30
    for one in seen.ends:
        is_chosen = one["address"] == seen.chosen
        said = "this one, this time" if is_chosen else f"{100 * one['share']:.0f} % of connections"
        kind = "if" if is_chosen else "ns"
        where = f"{one['address']} port {one['target']} on {one['node']}: {said}"
        yield box(RIGHT, y, width, 56, kind, f"{one['pod']}", where)
        y += 70


def flow_words(flow: str) -> str:
    """Say a flow's two directions."""
    to, back = (re.findall(rf"{word}=(\S+)", flow) for word in ("dst", "src"))
    ports = re.findall(r"dport=(\d+)", flow)
    source = re.findall(r"sport=(\d+)", flow)
    client = f"{back[0]}:{source[0]}"
    return f"{client} → {to[0]}:{ports[0]} is {client} → {back[1]}:{source[1]}, and back again"


def relisted(text: str) -> str:
    """Return the document with every command's output as it is now."""
    parts = re.split(r"(```console\n.*?```)", text, flags=re.DOTALL)
    return "".join(again(part) if part.startswith("```console") else part for part in parts)


def again(block: str) -> str:
    """Run the commands of a block, and put what they print behind each."""
    lines = ["```console"]
    for found in PROMPT.finditer(block):
        said = inside(found[1], found[2].replace("podwire ", f"{' '.join(map(quoted, PODWIRE))} "))
        lines += [
            found[0],
            *(one.rstrip().expandtabs(4) for one in said.rstrip().splitlines() if one.strip()),
        ]
    return "\n".join([*lines, "```"])


def podwire(where: str, *words: str) -> str:
    """Run our command line in a node."""
    return run([*PODWIRE, "lab", "exec", "--name", LAB, where, "--", "podwire", *words])


def inside(where: str, command: str) -> str:
    """Run a shell's command in a node or a pod of the lab."""
    return run([*PODWIRE, "lab", "exec", "--name", LAB, where, "--", "sh", "-c", command])


def quoted(word: str) -> str:
    """Return a word as a shell takes it."""
    return f"'{word}'"


def run(argv: list[str]) -> str:
    """Run a command and return what it printed."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()

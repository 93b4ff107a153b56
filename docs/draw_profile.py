"""Draw docs/add-profile.svg: where the time of one warm ADD goes, as a flame graph, from real ADDs.

Run as root: `.venv/bin/python docs/draw_profile.py [ROUNDS]`. Pods are attached by bridge, host-local,
masquerading and a host port, as the agent does it: in this process, with what it keeps in memory. A timer
looks at the stack every 0.2 ms. The colours say whose time it is; the table is printed, for performance.md.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from bench.chains import chain  # noqa: E402
from bench.contenders import make_mounts_private, pods  # noqa: E402
from cni_plugins.memory import Memory  # noqa: E402
from cni_plugins.registry import load_plugin  # noqa: E402
from cni_plugins.skeleton import answer  # noqa: E402
from linuxnet.kernel import Kernel  # noqa: E402
from linuxnet.netns import inside  # noqa: E402
from linuxnet.scratch import open_scratch_netns  # noqa: E402

INTERVAL = 0.0002  # seconds
WIDTH, ROW, TOP = 1000, 17, 60  # pixels
# whose time it is: (words of "module:function", what it is called, colour); the innermost match counts
KINDS = (
    (("pyroute2.",), "pyroute2", "#d1242f"),
    (("linuxnet.ruleset", "linuxnet.nft", "linuxnet.together"), "nft elements", "#8250df"),
    (("linuxnet.netlink_socket",), "kernel, by rtnetlink", "#1a7f37"),
    (("linuxnet.sysctls", "linuxnet.netns", "linuxnet.shared"), "kernel, by files and setns", "#4ac26b"),
    (("ipam.",), "address pool", "#bf8700"),
    (("cni_spec.", "pydantic.", "json."), "configuration and result", "#0969da"),
    (("linuxnet.",), "our netlink messages, operations", "#54aeff"),
    (("cni_plugins.", "netaddr."), "plan and plugins", "#6e7781"),
    (("",), "the rest of Python", "#afb8c1"),
)
STYLE = "text{font:11px sans-serif;fill:#24292f}.t{font-size:14px;font-weight:bold}svg{background:#fff}"

Stack = tuple[str, ...]


class Sampler:
    """Counts stacks while the timer runs."""

    def __init__(self) -> None:
        self.stacks: Counter[Stack] = Counter()
        signal.signal(signal.SIGALRM, self._look)

    def start(self) -> None:
        """Look at the stack from now on."""
        signal.setitimer(signal.ITIMER_REAL, INTERVAL, INTERVAL)

    def stop(self) -> None:
        """Look no more."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _look(self, _: int, frame: FrameType | None) -> None:
        names: list[str] = []
        while frame is not None:
            names.append(f"{frame.f_globals.get('__name__', '')}:{frame.f_code.co_name}")
            frame = frame.f_back
        names.reverse()
        first = next((i for i, name in enumerate(names) if name == "cni_plugins.skeleton:answer"), None)
        if first is not None:
            self.stacks[tuple(names[first:])] += 1


def sample(rounds: int) -> Counter[Stack]:
    """Attach and detach pods; return the stacks seen during the ADDs."""
    make_mounts_private()
    memory, sampler = Memory(), Sampler()
    names = [f"p{i}" for i in range(rounds)]
    with tempfile.TemporaryDirectory() as folder, pods(names):
        Path(folder, "host-local").write_text("# podwire plugin\n")
        with inside(open_scratch_netns()):
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            for i, name in enumerate(names):
                _attach(memory, folder, name, i, sampler if i > 5 else None)
    return sampler.stacks


def _attach(memory: Memory, folder: str, pod: str, number: int, sampler: Sampler | None) -> None:
    result: dict[str, Any] = {}
    bodies = chain("ipMasq, portmap", number)
    for verb, order in (("ADD", bodies), ("DEL", bodies[::-1])):
        for body in order:
            variables = {
                "CNI_COMMAND": verb, "CNI_CONTAINERID": pod, "CNI_NETNS": f"/run/netns/{pod}",
                "CNI_IFNAME": "eth0", "CNI_PATH": folder,
            }  # fmt: skip
            stdin = json.dumps(body | ({"prevResult": result} if result else {})).encode()
            plugin = load_plugin(body["type"])
            if sampler and verb == "ADD":
                sampler.start()
            given = answer(
                plugin, variables, stdin, warn=print, kernel=lambda: Kernel(memory.host), memory=memory
            )
            if sampler:
                sampler.stop()
            assert given.status == 0, given.stdout
            result = json.loads(given.stdout) if verb == "ADD" else result


def kind_of(stack: Stack) -> int:
    """Return whose time a stack is: the innermost frame that is somebody's; all of nft's work is nft's."""
    if any(name.startswith("linuxnet.ruleset") for name in stack):
        return 1
    for name in reversed(stack):
        for i, (words, _, _) in enumerate(KINDS[:-1]):
            if name.startswith(words):
                return i
    return len(KINDS) - 1


def draw(stacks: Counter[Stack]) -> str:
    """Return the picture: a frame's width is its share of the time."""
    total = sum(stacks.values())
    depth = max(map(len, stacks))
    height = TOP + depth * ROW + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">',
        f"<style>{STYLE}</style>",
        f'<text class="t" x="8" y="20">One ADD of bridge and portmap in the agent: {total} looks</text>',
    ]
    for i, (_, label, colour) in enumerate(KINDS):
        x, y = 8 + (i % 5) * 198, 36 + (i // 5) * 14
        lines.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        lines.append(f'<text x="{x + 14}" y="{y}">{label}</text>')
    lines += _frames(sorted(stacks.items()), 0, 0.0, total)
    return "\n".join([*lines, "</svg>", ""])


def _frames(items: list[tuple[Stack, int]], depth: int, x: float, total: int) -> list[str]:
    """Draw the frames of one depth from left to right, and below each what it calls."""
    lines: list[str] = []
    groups: dict[str, list[tuple[Stack, int]]] = {}
    for stack, number in items:
        if len(stack) > depth:
            groups.setdefault(stack[depth], []).append((stack, number))
    for name, inner in groups.items():
        number = sum(count for _, count in inner)
        width = number / total * WIDTH
        if width >= 1:
            colour = KINDS[kind_of((name,))][2]
            top = TOP + depth * ROW
            said = f"{name.rpartition('.')[2]} {number / total:.1%}"
            lines.append(
                f'<g><title>{name} {number / total:.1%}</title><rect x="{x:.1f}" y="{top}" '
                f'width="{max(width - 0.5, 0.5):.1f}" height="{ROW - 1}" fill="{colour}" fill-opacity=".55"/>'
            )
            if width > 60:
                lines.append(f'<text x="{x + 3:.1f}" y="{top + 12}">{said[: int(width / 6.2)]}</text>')
            lines += ["</g>", *_frames(inner, depth + 1, x, total)]
        x += width
    return lines


def table(stacks: Counter[Stack]) -> str:
    """Return the shares as a Markdown table."""
    total = sum(stacks.values())
    shares: Counter[int] = Counter()
    for stack, number in stacks.items():
        shares[kind_of(stack)] += number
    rows = [f"| {label} | {shares[i] / total:.0%} |" for i, (_, label, _) in enumerate(KINDS)]
    return "\n".join(["| whose time | share |", "|---|---|", *rows])


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("draw_profile.py: it makes network namespaces; run it as root")
    seen = sample(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
    (REPOSITORY / "docs" / "add-profile.svg").write_text(draw(seen))
    print(table(seen))

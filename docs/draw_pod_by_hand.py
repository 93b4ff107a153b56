"""Write docs/pod-by-hand.md anew, from what the runner does: `python docs/draw_pod_by_hand.py` (as root).

Makes a small world (namespaces that end together), asks `podwire pod explain` there for the pod of
examples/pod.yaml, runs the pod, and looks at it. What stands between the page's marks is replaced by that.
tests/pod_runner/test_by_hand.py types the commands, and compares the page with what is explained.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from podwire.demo.world import World

HERE = Path(__file__).parent
ROOT, PAGE = HERE.parent, HERE / "pod-by-hand.md"
MANIFEST = Path("examples/pod.yaml")
PODWIRE = [sys.executable, "-P", "-m", "podwire"]
ENV = {"PYTHONPATH": str(ROOT)}
MARK = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
SECTION = re.compile(r"^### (.*)\n((?:(?!### ).*\n)*)", re.MULTILINE)
INSIDE = (
    "cat /proc/1/comm", "hostname", "ls / | xargs", "ip -4 -o address show eth0",
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes", "grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/1/status",
)  # fmt: skip


def main() -> None:
    """Make the world, ask, run, look, write."""
    with World() as world:
        world.run([*PODWIRE, "install", "--conflist", "bridge"], ENV)
        explained = world.run([*PODWIRE, "pod", "explain", str(ROOT / MANIFEST)], ENV)
        seen = {"steps": listed(explained), "pod": looked_at(world)}
    text = MARK.sub(lambda found: f"{found[1]}{seen[found[2]]}{found[3]}", PAGE.read_text())
    PAGE.write_text(text)


def listed(explained: str) -> str:
    """Return the explanation as sections of the page."""
    text = explained.replace(f"{ROOT}/", "")
    parts = []
    for number, (title, body) in enumerate(SECTION.findall(text), 1):
        parts.append(f"### {number}. {title}\n")
        for reason in re.split(r"^## ", body, flags=re.MULTILINE)[1:]:
            why, _, lines = reason.partition("\n")
            parts.append(f"{why}\n\n```bash\n{lines.rstrip()}\n```\n")
    return "\n" + "\n".join(parts) + "\n"


def looked_at(world: World) -> str:
    """Run the pod, and return what it shows of itself."""
    shown = [f"# podwire pod run {MANIFEST}"]
    run = f"cd {ROOT}; {' '.join(PODWIRE)} pod run {MANIFEST} >/run/pods 2>/run/errors; cat /run/pods"
    shown += [line.rstrip() for line in world.run(["sh", "-c", run], ENV).splitlines() if line.strip()]
    pid = world.run(["pgrep", "-x", "busybox"]).strip()
    for command in INSIDE:
        said = world.attempt(["nsenter", "--target", pid, "--all", "--", "sh", "-c", command])
        shown += [f"web# {command}", *(said.stdout + said.stderr).decode().splitlines()]
    world.run([*PODWIRE, "pod", "stop", "--grace", "0", "web"], ENV)
    return "```console\n" + "\n".join(shown) + "\n```\n"


if __name__ == "__main__":
    main()

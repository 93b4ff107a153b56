"""What `podwire pod explain` prints makes a pod when it is typed; and docs/pod-by-hand.md says the same."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwire.demo.world import World, is_root

ROOT = Path(__file__).parents[2]
MANIFEST, PAGE = ROOT / "examples/pod.yaml", ROOT / "docs/pod-by-hand.md"
PODWIRE = [sys.executable, "-P", "-m", "podwire"]
ENV = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
DEADLINE = 60.0  # seconds
# A person sees when a shell is through; here it is seen by the program that it has become, if it does not end
AWAIT = """
while [ -d /proc/$! ]; do
    read -r name </proc/$!/comm || break
    case $name in
        sleep) break ;;
        unshare) [ -z "$(cat /proc/$!/task/$!/children)" ] || break ;;  # it has forked: it has unshared
    esac
    sleep 0.01
done
"""
NAMESPACES = ("net", "ipc", "uts", "pid", "mnt", "cgroup")

pytestmark = pytest.mark.skipif(not is_root(), reason="namespaces of our own take root")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        made.run([*PODWIRE, "install", "--conflist", "bridge"], ENV)
        yield made


@pytest.fixture(scope="module")
def explained(world: World) -> str:
    return world.run([*PODWIRE, "pod", "explain", str(MANIFEST)], ENV)


class Typed:
    """The commands, typed: what starts in a shell of its own runs on in the background."""

    def __init__(self, world: World, text: str) -> None:
        parts = []
        for title, body in re.findall(r"^### (.*)\n((?:(?!### ).*\n)*)", text, re.MULTILINE):
            is_own = title.endswith(", in a shell of its own")
            parts.append(f"bash <<'SHELL' &\n{body}SHELL\n{AWAIT}" if is_own else body)
        script = "".join(parts) + 'echo "$PAUSE $!"\n'
        file = world.path("/run/script")
        file.write_text(script)
        # errexit by the environment, so that the shells that shells become have it, too
        done = world.attempt(
            ["sh", "-c", "bash /run/script >/run/said 2>/run/complained"], {"SHELLOPTS": "errexit"}
        )
        self.complained = world.path("/run/complained").read_text()
        assert done.returncode == 0, self.complained
        pause, shell = world.path("/run/said").read_text().splitlines()[-1].split()
        self.pause, self._shell, self._world = int(pause), int(shell), world

    def container(self) -> int:
        """Return the container's first process, once it is the program, by its number in the world."""
        deadline = time.monotonic() + DEADLINE
        while True:
            seen = self._world.path(f"/proc/{self._shell}/task/{self._shell}/children")
            self.complained = self._world.path("/run/complained").read_text()
            assert seen.exists(), self.complained
            children = seen.read_text().split()
            if children and self._world.run(["ps", "-o", "comm=", "-p", children[0]]) == "busybox\n":
                return int(children[0])
            assert time.monotonic() < deadline, (children, self.complained)


@pytest.fixture(scope="module")
def typed(world: World, explained: str) -> Typed:
    return Typed(world, explained)


def facts(world: World, pid: int) -> dict[str, Any]:
    """Return what a container is, seen from outside: by the kernel's files alone."""
    folder = world.path(f"/proc/{pid}")
    status = dict(re.findall(r"^(\w+):\t(.*)$", (folder / "status").read_text(), re.MULTILINE))
    mounts = [line.partition(" - ") for line in (folder / "mountinfo").read_text().splitlines()]
    return {
        "mounts": sorted((left.split()[4], left.split()[5], right.split()[0]) for left, _, right in mounts),
        "capabilities": [status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "no_new_privs": status["NoNewPrivs"],
        "process": status["NSpid"].split()[-1],
        "ids": status["Uid"] + status["Gid"] + status["Groups"],
        "environment": sorted((folder / "environ").read_text().split("\0")),
        "mask": status["Umask"],
        "cgroups": sorted(re.sub(r"pod[0-9a-f-]{36}", "pod", one) for one in _cgroups(folder)),
    }


def _cgroups(folder: Path) -> list[str]:
    return [line.partition(":")[2] for line in (folder / "cgroup").read_text().splitlines()]


def ask(world: World, address: str) -> str:
    """Return what a pod's web server says its name is."""
    url = f"http://{address}/hostname"
    fetch = f"import urllib.request as r; print(r.urlopen('{url}', timeout=5).read().decode())"
    return world.run([sys.executable, "-I", "-S", "-c", fetch]).strip()


def test_the_typed_pod_is_a_pod(world: World, typed: Typed) -> None:
    pid = typed.container()
    own = {kind: (world.path(f"/proc/{pid}/ns") / kind).readlink() for kind in NAMESPACES}
    pauses = {kind: (world.path(f"/proc/{typed.pause}/ns") / kind).readlink() for kind in NAMESPACES}
    nodes = {kind: (world.path("/proc/1/ns") / kind).readlink() for kind in NAMESPACES}
    assert [kind for kind in NAMESPACES if own[kind] == pauses[kind]] == ["net", "ipc", "uts"]
    assert [kind for kind in NAMESPACES if own[kind] == nodes[kind]] == []
    assert facts(world, pid)["process"] == "1"
    inside = ["nsenter", "--target", str(pid), "--all", "--"]
    assert world.run([*inside, "hostname"]) == "web\n"
    assert "10.88.0.2/16" in world.run([*inside, "ip", "-4", "-o", "address", "show", "eth0"])
    assert ask(world, "10.88.0.2") == "web"
    assert world.attempt(["ping", "-c", "1", "-W", "5", "10.88.0.2"]).returncode == 0
    assert world.attempt([*inside, "ls", str(ROOT / "pyproject.toml")]).returncode != 0


def test_it_is_what_the_runner_makes(world: World, typed: Typed) -> None:
    """All but the filter of system calls, and the shared memory: no command makes those."""
    by_hand = facts(world, typed.container())
    run = f"{' '.join(PODWIRE)} pod run {MANIFEST} --output json >/run/pods"
    world.run(["sh", "-c", f"{run} 2>/run/errors || cat /run/errors >&2"], ENV)
    status = json.loads(world.path("/run/pods").read_text())[0]["status"]
    try:
        assert ask(world, status["podIP"]) == "web"
        found = world.run(["pgrep", "-x", "busybox"]).split()
        (pid,) = [int(one) for one in found if int(one) != typed.container()]
        assert facts(world, pid) == by_hand
    finally:
        world.run([*PODWIRE, "pod", "stop", "--grace", "0", "web"], ENV)


def test_the_page_is_current(explained: str) -> None:
    """Steps, not numbers; what depends on the machine (cgroups, what it has in /proc) is left out."""
    page = PAGE.read_text()
    wanted = {line for line in plain(explained) if line}
    assert sorted(wanted - set(plain(page))) == []


def plain(text: str) -> list[str]:
    """Return lines without digests, addresses and names that are made from them."""
    kept = [line for line in text.splitlines() if not _is_the_machines(line)]
    hidden = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{32}\b|veth[0-9a-f]{8}", "X", "\n".join(kept))
    hidden = re.sub(r"\b\d+ instructions|nft -f \S+", "X", hidden)
    return re.sub(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "X", hidden).splitlines()


def _is_the_machines(line: str) -> bool:
    parts = ("cgroup", "$ROOT/proc/", "nameserver", "search ", "options ", "lowerdir", "/parts/", "mtu")
    return any(one in line for one in parts) or line.startswith("#")


def test_explaining_changes_nothing(world: World) -> None:
    def dump() -> list[str]:
        paths = ["/run/podwire", "/var/lib/podwire", "/sys/fs/cgroup"]
        return world.run(["find", *paths, "-not", "-path", "*/cgroup/*/*/*"]).splitlines()

    world.run([*PODWIRE, "pod", "explain", str(MANIFEST)], ENV)
    before = dump()
    world.run([*PODWIRE, "pod", "explain", str(MANIFEST)], ENV)
    assert dump() == before


def test_what_cannot_run_is_said(world: World, tmp_path: Path) -> None:
    body = MANIFEST.read_text().replace("image: host", "image: oci:/nowhere")
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(body)
    done = world.attempt([*PODWIRE, "pod", "explain", str(manifest)], ENV)
    assert done.returncode != 0
    assert b"/nowhere" in done.stderr + done.stdout

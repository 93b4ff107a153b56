"""Pod life measured against peers in the same run: podman, ctr, runc and crun, in one world.

ours   the agent, our plugins, a supervisor for each pod; from the order's writing until its container runs
peer   podman with a network has the Go plugins and the same chain; all others have no network
A start ends when the container runs, an end when nothing is left. Contenders take turns, each with one pod
first that is not measured; medians.
Many at once: ten calls at a time. Memory is the proportional set size (PSS) of what stays while all are idle:
ours with the agent's growth, pause processes and the spawner; ctr's with containerd's growth, and it has no
pause processes.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.report import Row
from bench.runner_cluster import deployment_rows
from bench.runner_ours import ARCHIVE, CONF_DIR, SETTINGS, manifest
from bench.runner_peers import FOREVER, Times, timed
from cni_plugins.journal import AGENT_CONFIG
from podwire.demo.busybox_image import BUSYBOX, find_busybox, write_archive
from podwire.demo.conflists import Json
from podwire.demo.containerd import Containerd
from podwire.demo.node_agent import NodeAgent
from podwire.demo.plugin_folder import PODWIRE, REFERENCE_FOLDER, install_ours
from podwire.demo.world import World
from tests.clients.podman import Podman

CHAIN = ("podman", "10.88.0.0/16"), ("podwire", "10.89.0.0/16")  # networks: the peer's, ours
PEERS = ("podman", "podman-none", "ctr", "runc", "crun")
MANY_OF = ("podman", "podman-none", "ctr")
OURS = ("cni", "none")
ROUNDS, TURNS, MANY = 5, 3, 50
MORE_TURNS = 2  # of two contenders between whom a limit does not hold: all samples count
QUICK_ROUNDS, QUICK_MANY = 3, 10
HOME = str(Path(__file__).parents[1])
Found = dict[str, Times]


def measure(arguments: list[str]) -> list[Row]:
    """Measure everything and return the rows."""
    parser = argparse.ArgumentParser(prog="bench runner")
    parser.add_argument("--quick", action="store_true", help="few rounds: figures for a first look")
    quick = parser.parse_args(arguments).quick
    rounds, many = (QUICK_ROUNDS, QUICK_MANY) if quick else (ROUNDS, MANY)
    with ExitStack() as stack:
        world = stack.enter_context(World())
        agent = _furnish(stack, world)
        found = _all(world, rounds, many, agent)
        persons = _persons_way(world, rounds)
    compared = [duel.row(found) for duel in (*ALONE, *_together(many))]
    return [*compared, *_beside(found, many), *persons, *deployment_rows(_say)]


def _furnish(stack: ExitStack, world: World) -> int:
    """Have all contenders in a world: podman with the Go plugins, and our agent, whose pid is returned."""
    write_archive(world.path(str(ARCHIVE)), find_busybox())
    install_ours(world)
    world.run(["sh", "-c", f"cp {REFERENCE_FOLDER}/* /opt/cni/bin/ && mkdir {CONF_DIR}"])
    for (name, subnet), folder in zip(CHAIN, ("/etc/cni/net.d", CONF_DIR), strict=True):
        world.path(f"{folder}/87-{name}.conflist").write_text(json.dumps(_network(name, subnet)))
    containerd = stack.enter_context(Containerd(world))
    containerd.import_images(ARCHIVE)
    Podman(world, ARCHIVE)
    agent = stack.enter_context(NodeAgent(world))  # for the plugins alone: pods are driven by the bench
    world.run(["mkdir", "-p", str(AGENT_CONFIG.parent)])
    world.path(str(AGENT_CONFIG)).write_text(SETTINGS)
    return int(agent.status()["pid"])


def _network(name: str, subnet: str) -> Json:
    """Return podman's own chain."""
    ipam = {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": subnet}]]}
    bridge = {
        "type": "bridge", "bridge": f"cni-{name}", "isGateway": True, "ipMasq": True, "hairpinMode": True,
        "ipam": ipam,
    }  # fmt: skip
    more = (
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "firewall"},
        {"type": "tuning"},
    )
    return {"cniVersion": "0.4.0", "name": name, "plugins": [bridge, *more]}


def _all(world: World, rounds: int, many: int, agent: int) -> Found:
    """Measure all contenders, in turns; where a limit does not hold, its two contenders once more."""
    found: Found = {}
    for turn in range(TURNS):
        at_once = many if turn == TURNS - 1 else 0
        for name in (*OURS, *PEERS):
            _turn(found, world, name, rounds, at_once, agent)
    for _ in range(MORE_TURNS):
        lost = [duel for duel in (*ALONE, *_together(many)) if duel.is_lost(found)]
        for name in dict.fromkeys(name for duel in lost for name in (duel.name, duel.peer)):
            _turn(found, world, name, rounds, many if any(one.is_of_many for one in lost) else 0, agent)
    for what in ("probed", "restart"):
        _add(found, "cni", world, ["bench.runner_ours", what, 0, many, agent])
    return found


def _turn(found: Found, world: World, name: str, rounds: int, many: int, agent: int) -> None:
    if name in OURS:
        _add(found, name, world, ["bench.runner_ours", name, rounds, many, agent])
    else:
        _add(found, name, world, ["bench.runner_peers", name, rounds, many if name in MANY_OF else 0])


def _add(found: Found, name: str, world: World, command: list[str | int]) -> None:
    _say(" ".join(map(str, command[:2])))
    argv = [sys.executable, "-m", *map(str, command)]
    times: Times = json.loads(world.run(argv, env={"PYTHONPATH": HOME}))
    for key, values in times.items():
        found.setdefault(name, {}).setdefault(key, []).extend(values)


@dataclass(frozen=True)
class Duel:
    """What one contender of ours and a peer are compared by; `limit`: ours may take so many times as long."""

    key: str
    said: str
    name: str
    peer: str
    limit: float | None = 1

    @property
    def is_of_many(self) -> bool:
        """Tell whether it is about many at once."""
        return self.key.endswith(" all")

    def row(self, found: Found) -> Row:
        """Return the medians."""
        ours, peers = (median(found[name][self.key]) for name in (self.name, self.peer))
        return Row(self.said, "ms", ours, peers, self.limit)

    def is_lost(self, found: Found) -> bool:
        """Tell whether the limit does not hold: a fault of ours, or of a moment on a busy machine."""
        return self.row(found).is_over


ALONE = (
    Duel("start", "create to running with a network; podman with one", "cni", "podman"),
    Duel("start", "create to running with a network; ctr without", "cni", "ctr"),
    Duel("start", "create to running, no network; podman", "none", "podman-none"),
    Duel("start", "create to running, no network; ctr", "none", "ctr"),
    Duel("start", "create to running, no network; runc", "none", "runc", None),
    Duel("start", "create to running, no network; crun", "none", "crun", None),
    Duel("end", "delete with a network; podman with one", "cni", "podman"),
    Duel("end", "delete with a network; ctr without", "cni", "ctr"),
    Duel("end", "delete, no network; podman", "none", "podman-none"),
    Duel("end", "delete, no network; ctr", "none", "ctr"),
    Duel("end", "delete, no network; runc", "none", "runc", None),
    Duel("end", "delete, no network; crun", "none", "crun", None),
    Duel("exec", "exec; podman", "none", "podman-none"),
    Duel("exec", "exec; ctr", "none", "ctr"),
    Duel("exec", "exec; runc", "none", "runc", None),
    Duel("exec", "exec; crun", "none", "crun", None),
)


def _together(many: int) -> list[Duel]:
    """Return what is measured of many at once."""
    return [
        Duel(f"{verb} all", f"{verb} {many} at once, {said}", name, peer)
        for verb in ("start", "end")
        for name, peer, said in (
            ("cni", "podman", "network; podman with one"),
            ("cni", "ctr", "network; ctr without"),
            ("none", "ctr", "no network; ctr"),
        )
    ]


def _beside(found: Found, many: int) -> list[Row]:
    """Return the rows about what stays."""
    kept = {name: median(found[name]["memory"]) / (1 << 20) for name in ("cni", "podman-none", "ctr")}
    return [
        Row(f"memory of an idle pod, of {many}; containerd and its shim", "MiB", kept["cni"], kept["ctr"], 1),
        Row(f"memory of an idle pod, of {many}; conmon", "MiB", kept["cni"], kept["podman-none"]),
        Row(
            f"memory of a pod with a probe every 10 s, of {many}; containerd and its shim, which ask none",
            "MiB",
            median(found["cni"]["memory probed"]) / (1 << 20),
            kept["ctr"],
        ),
        Row(f"killed agent: all {many} pods are known again", "ms", median(found["cni"]["restart"])),
    ]


def _persons_way(world: World, rounds: int) -> list[Row]:
    """Measure the command lines: an interpreter of ours each time, and a spawner for one pod."""
    _say("podwire pod run, podman run")
    ours, theirs = [], []
    for number in range(rounds):
        name = f"by-hand{number}"
        world.path(f"/run/{name}.yaml").write_text(manifest(name, "cni"))
        ours.append(timed(lambda name=name: world.run([*PODWIRE, "pod", "run", f"/run/{name}.yaml"])))  # type: ignore[misc]  # a lambda's default
        argv = ["podman", "run", "-d", f"--name={name}", "--log-driver=none", BUSYBOX, *FOREVER]
        theirs.append(timed(lambda argv=argv: world.run(["sh", "-c", " ".join(argv) + " >/dev/null"])))  # type: ignore[misc]  # the same
        world.run([*PODWIRE, "pod", "stop", "--grace", "0", name])
        world.run(["podman", "rm", "--force", "--time=0", name])
    return [Row("podwire pod run FILE; podman run -d", "ms", median(ours), median(theirs))]


def _say(what: str) -> None:
    print(f"bench runner: {what}", file=sys.stderr, flush=True)

"""Pod life measured against peers in the same run: podman, ctr, runc and crun, in one world.

ours   the agent, our plugins, a supervisor for each pod; from the order's writing until its container runs
peer   podman with a network has the Go plugins and the same chain; all others have no network
A start ends when the container runs, an end when nothing is left. Contenders take turns; medians.
Many at once: ten calls at a time. Memory is the proportional set size (PSS) of what stays while all are idle:
ours with the agent's growth, pause processes and the spawner; ctr's with containerd's growth, and it has no
pause processes.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
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
ROUNDS, TURNS, MANY = 6, 2, 50
QUICK_ROUNDS, QUICK_MANY = 4, 10
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
    return [*_alone(found), *_together(found, many), *_beside(found, many), *persons, *deployment_rows(_say)]


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
    """Measure all contenders, in turns."""
    found: Found = {}
    for turn in range(TURNS):
        is_last = turn == TURNS - 1
        for name in ("cni", "none"):
            _add(found, name, world, ["bench.runner_ours", name, rounds, many, agent])
        for name in PEERS:
            at_once = many if is_last and name in MANY_OF else 0
            _add(found, name, world, ["bench.runner_peers", name, rounds, at_once])
    _add(found, "cni", world, ["bench.runner_ours", "restart", 0, many, agent])
    return found


def _add(found: Found, name: str, world: World, command: list[str | int]) -> None:
    _say(" ".join(map(str, command[:2])))
    argv = [sys.executable, "-m", *map(str, command)]
    times: Times = json.loads(world.run(argv, env={"PYTHONPATH": HOME}))
    for key, values in times.items():
        found.setdefault(name, {}).setdefault(key, []).extend(values)


def _alone(found: Found) -> list[Row]:
    """Return the rows of one pod at a time."""
    return [
        _row(found, "start", "create to running with a network; podman with one", "cni", "podman", 1),
        _row(found, "start", "create to running with a network; ctr without", "cni", "ctr", 1),
        _row(found, "start", "create to running, no network; podman", "none", "podman-none", 1),
        _row(found, "start", "create to running, no network; ctr", "none", "ctr", 1),
        _row(found, "start", "create to running, no network; runc", "none", "runc", None),
        _row(found, "start", "create to running, no network; crun", "none", "crun", None),
        _row(found, "end", "delete with a network; podman with one", "cni", "podman", 1),
        _row(found, "end", "delete, no network; podman", "none", "podman-none", 1),
        _row(found, "end", "delete, no network; ctr", "none", "ctr", 1),
        _row(found, "end", "delete, no network; runc", "none", "runc", None),
        _row(found, "end", "delete, no network; crun", "none", "crun", None),
        *(
            _row(found, "exec", f"exec; {peer}", "none", name, 1 if name in MANY_OF else None)
            for name, peer in (("podman-none", "podman"), ("ctr", "ctr"), ("runc", "runc"), ("crun", "crun"))
        ),
    ]


def _together(found: Found, many: int) -> list[Row]:
    """Return the rows of many at once."""
    return [
        _row(found, f"{verb} all", f"{verb} {many} at once, {said}", name, peer, 1)
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
        Row(f"killed agent: all {many} pods are known again", "ms", median(found["cni"]["restart"])),
    ]


def _row(found: Found, key: str, said: str, name: str, peer: str, limit: float | None) -> Row:
    return Row(said, "ms", median(found[name][key]), median(found[peer][key]), limit)


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

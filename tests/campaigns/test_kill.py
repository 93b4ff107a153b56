"""SIGKILL at any instant: whatever an ADD or DEL was doing, DEL and GC leave nothing.

A forked child is the plugin; it has everything loaded, so that the instants are spread over its work and
not over an interpreter's start. The parent kills it after a random part of the time a whole run takes.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from tests.calls import Container, Json, Plugins, dump, run
from tests.rounds import rounds

pytestmark = pytest.mark.campaign

RUNS, SHARES = rounds(60), 2  # a share for each core
CHAIN: list[Json] = [
    {
        "type": "bridge",
        "bridge": "pod0",
        "isDefaultGateway": True,
        "ipMasq": True,
        "macspoofchk": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}], [{"subnet": "fd88::/64"}]]},
    },
    {"type": "portmap"},
    {"type": "firewall", "ingressPolicy": "same-bridge"},
    {"type": "tuning", "mtu": 1300, "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}},
    {
        "type": "bandwidth",
        "ingressRate": 10**7,
        "ingressBurst": 10**6,
        "egressRate": 10**7,
        "egressBurst": 10**6,
    },
]
OVERLAY: Json = {"type": "overlay", "delegate": {"bridge": "pod0", "isDefaultGateway": True, "ipMasq": True}}
CHAINS = {"bridge": CHAIN, "overlay": [OVERLAY, {"type": "portmap"}]}
LEASE = "FLANNEL_NETWORK=10.88.0.0/16\nFLANNEL_SUBNET=10.88.0.1/24\nFLANNEL_MTU=1450\n"
COMMON = {"cniVersion": "1.1.0", "name": "kill"}
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


@pytest.fixture
def world(host: None, tmp_path: Path) -> Iterator[Callable[[], Container]]:
    """Make a container anew for each run; offer our executables' names in CNI_PATH."""
    for name in PLUGIN_TYPES:
        (tmp_path / name).write_text("#!/bin/false\n# podwire plugin\n")
    made = 0

    def fresh() -> Container:
        nonlocal made
        made += 1
        run(["sh", "-c", "ip netns del one 2>/dev/null; ip netns add one"])
        return Container("one")

    yield fresh
    run(["sh", "-c", "ip netns del one 2>/dev/null || true"])


@pytest.mark.parametrize("kind", CHAINS)
@pytest.mark.parametrize("share", range(SHARES))
def test_killed_runs_leave_nothing(
    world: Callable[[], Container], tmp_path: Path, share: int, kind: str
) -> None:
    chain = CHAINS[kind]
    Path("/run/flannel/subnet.env").write_text(LEASE)
    for name in PLUGIN_TYPES:  # loaded once, here, so that no child spends its life on it
        load_plugin(name)
    plugins = Plugins(path=str(tmp_path))
    _act(plugins, world(), ("ADD", "DEL"), chain)
    whole = min(_time_of_a_run(plugins, world(), chain) for _ in range(5))
    _delete_all(plugins, Container("one"), chain)
    _collect_all(plugins, chain)
    clean = _without_lasting(dump())
    dice = random.Random(share)
    killed = 0
    for number in range(RUNS // SHARES):
        one = world()
        killed += _run_and_kill(plugins, one, dice.uniform(0, whole), chain)
        if number % 2:
            _collect_all(plugins, chain)  # GC alone must do for a container that is gone
            run(["ip", "netns", "del", "one"])
            _collect_all(plugins, chain)
        else:
            _delete_all(plugins, one, chain)
        left = _without_lasting(dump()) - clean
        assert not [line for line in left if "/run/netns/" not in line], f"run {number}"
    assert killed > RUNS // SHARES * 0.4, f"only {killed} runs were killed before their end"


def _time_of_a_run(plugins: Plugins, one: Container, chain: list[Json]) -> float:
    started = time.monotonic()
    _act(plugins, one, ("ADD", "DEL"), chain)
    return time.monotonic() - started


def _run_and_kill(plugins: Plugins, one: Container, after: float, chain: list[Json]) -> bool:
    """Act in a forked child and kill it after some seconds; return whether it was still at work."""
    child = os.fork()
    if child == 0:
        _act(plugins, one, ("ADD", "DEL"), chain)
        os._exit(0)
    descriptor = os.pidfd_open(child)
    ended, _, _ = select.select([descriptor], [], [], after)
    os.kill(child, signal.SIGKILL)
    os.close(descriptor)
    _, status = os.waitpid(child, 0)
    assert ended == [] or status == 0, f"the run failed by itself: {status}"
    return os.WIFSIGNALED(status)


def _act(plugins: Plugins, one: Container, verbs: tuple[str, ...], chain: list[Json]) -> None:
    result: Json | None = None
    for verb in verbs:
        for body in _bodies(chain, reverse=verb == "DEL"):
            config = body | ({"prevResult": result} if result else {})
            given = plugins.ask(verb, config, one)
            if given.status != 0:
                sys.stderr.write(given.stdout)
                os._exit(3)
            result = json.loads(given.stdout) if verb == "ADD" else result


def _bodies(chain: list[Json], *, reverse: bool = False) -> list[Json]:
    found = [COMMON | body | {"runtimeConfig": PORTS} for body in chain]
    return found[::-1] if reverse else found


def _delete_all(plugins: Plugins, one: Container, chain: list[Json]) -> None:
    for body in _bodies(chain, reverse=True):
        plugins.delete(body, one)


def _collect_all(plugins: Plugins, chain: list[Json]) -> None:
    for body in _bodies(chain):
        given = plugins.ask("GC", body | {"cni.dev/valid-attachments": []}, None)
        assert (given.status, given.stdout) == (0, ""), given.stdout


def _without_lasting(seen: frozenset[str]) -> frozenset[str]:
    """Leave out what outlives attachments: the round robin's place, the index, the lock, addresses' MACs."""
    return frozenset(
        line
        for line in seen
        if "last_reserved_ip" not in line and "/.podwire" not in line and "lock" not in line
    )

"""The agent is killed in the middle of bursts: every call ends, nothing leaks, no address comes twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from podwire.agent.lifecycle import AlreadyRunning, listening
from podwire.agent.server import Server
from podwire.agent.settings import AgentSettings
from tests.calls import Container, dump, run
from tests.rounds import rounds
from tests.ways import AGENT, write_launchers

pytestmark = pytest.mark.campaign

RUNS, SHARES = rounds(20), 2
SOCKET = Path("/run/podwire/agent.sock")
NET = {"cniVersion": "1.0.0", "name": "net"}
BRIDGE = NET | {
    "type": "bridge", "bridge": "pod0", "isGateway": True, "ipMasq": True,
    "ipam": {"type": "host-local", "subnet": "10.91.0.0/16"},
}  # fmt: skip
LASTING = ("last_reserved_ip", "/.podwire", "lock", "/run/netns/")


class Zygote:
    """A process that has everything loaded and makes agents of itself: one is there in milliseconds."""

    def __init__(self) -> None:
        asked, self._ask = os.pipe()
        self._told, tell = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._ask)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            while os.read(asked, 1):
                child = os.fork()
                if child == 0:
                    _be_agent()
                os.write(tell, child.to_bytes(4, "little"))
            os._exit(0)
        os.close(asked)

    def start(self) -> int:
        """Start an agent and return its process."""
        os.write(self._ask, b"!")
        return int.from_bytes(os.read(self._told, 4), "little")

    def close(self) -> None:
        """End it; agents are the caller's to end."""
        os.close(self._ask)
        os.waitpid(self._pid, 0)


def _be_agent() -> None:
    while True:
        with suppress(AlreadyRunning), listening(SOCKET) as listener:  # the killed one may not be gone yet
            Server(listener, AgentSettings()).run()


@dataclass
class Outcome:
    """What a pod's calls came to: addresses it was given, what was wrong with an answer.

    `was_at_work`: they had not ended when the agent was killed.
    """

    addresses: list[str]
    faults: list[str]
    was_at_work: bool = False


@pytest.fixture
def launchers(host: None, tmp_path: Path) -> Iterator[Path]:
    write_launchers(tmp_path / "bin", AGENT)
    yield tmp_path / "bin"


@pytest.mark.parametrize("share", range(SHARES))
def test_a_killed_agent_loses_nothing(launchers: Path, share: int) -> None:
    for name in PLUGIN_TYPES:
        load_plugin(name)
    pods = [Container(f"p{i}") for i in range(3)]
    for one in pods:
        run(["ip", "netns", "add", one.name])
    zygote, dice = Zygote(), random.Random(share)
    try:
        whole = min(_time_of_a_burst(launchers, pods, zygote) for _ in range(3))
        clean = _lasting_left_out(dump())
        struck = 0
        for number in range(RUNS // SHARES):
            outcomes, _, agent = _burst(launchers, pods, zygote, dice.uniform(0, whole))
            faults = [fault for one in outcomes for fault in one.faults]
            assert not faults, f"run {number}: {faults}"
            given = [address for one in outcomes for address in one.addresses]
            assert len(given) == len(set(given)), f"run {number}: {given}"
            struck += any(one.was_at_work for one in outcomes)
            _clean_up(launchers, pods, by_gc=bool(number % 2))
            os.kill(agent, signal.SIGKILL)
            left = _lasting_left_out(dump()) - clean
            assert not left, f"run {number}: {left}"
        assert struck > RUNS // SHARES * 0.4, f"only {struck} kills came while calls were at work"
    finally:
        zygote.close()
        for one in pods:
            run(["ip", "netns", "del", one.name])


def _time_of_a_burst(launchers: Path, pods: list[Container], zygote: Zygote) -> float:
    _, whole, agent = _burst(launchers, pods, zygote, None)
    os.kill(agent, signal.SIGKILL)
    return whole


def _burst(
    launchers: Path, pods: list[Container], zygote: Zygote, kill_after: float | None
) -> tuple[list[Outcome], float, int]:
    """Attach and detach all pods at once, killing the agent on the way: outcomes, seconds, the next agent."""
    agent = zygote.start()
    outcomes = [Outcome([], []) for _ in pods]
    threads = [
        threading.Thread(target=_live, args=(launchers, one, 9000 + i, outcomes[i]))
        for i, one in enumerate(pods)
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    if kill_after is not None:
        threads[0].join(kill_after)
        os.kill(agent, signal.SIGKILL)
        for outcome, thread in zip(outcomes, threads, strict=True):
            outcome.was_at_work = thread.is_alive()
        agent = zygote.start()
    for thread in threads:
        thread.join(60)
    return outcomes, time.monotonic() - started, agent


def _live(launchers: Path, pod: Container, port: int, outcome: Outcome) -> None:
    """ADD the chain, then DEL it; whatever an ADD ends with, DEL must succeed."""
    ports = {"portMappings": [{"hostPort": port, "containerPort": 80, "protocol": "tcp"}]}
    portmap = NET | {"type": "portmap", "runtimeConfig": ports}
    result = None
    for body in (BRIDGE, portmap):
        config = body | ({"prevResult": result} if result else {})
        status, said = _call(launchers, "ADD", config, pod)
        body_said = json.loads(said)
        if status != 0:
            if set(body_said) - {"cniVersion", "code", "msg", "details"} or body_said["code"] == 999:
                outcome.faults.append(said)
            break
        result = body_said
        outcome.addresses = [one["address"] for one in result["ips"]]
    for body in (portmap, BRIDGE):
        status, said = _call(launchers, "DEL", body, pod)
        if (status, said) != (0, ""):
            outcome.faults.append(f"DEL {status}: {said}")


def _call(launchers: Path, verb: str, config: dict[str, Any], pod: Container | None) -> tuple[int, str]:
    variables = {"CNI_COMMAND": verb, "CNI_PATH": str(launchers), "PATH": os.environ["PATH"]}
    variables |= {"PODWIRE_SOCKET": str(SOCKET), "PODWIRE_AGENT": "running"}
    if pod is not None:
        variables |= {"CNI_CONTAINERID": pod.name, "CNI_NETNS": pod.netns, "CNI_IFNAME": "eth0"}
    done = subprocess.run(
        [launchers / config["type"]], input=json.dumps(config).encode(), env=variables, capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout.decode()


def _clean_up(launchers: Path, pods: list[Container], *, by_gc: bool) -> None:
    """Do what a runtime does after a failure: DEL of everything, or GC."""
    for body in (NET | {"type": "portmap"}, BRIDGE):
        if by_gc:
            config = body | {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
            assert _call(launchers, "GC", config, None) == (0, "")
        else:
            assert all(_call(launchers, "DEL", body, one) == (0, "") for one in pods)


def _lasting_left_out(seen: frozenset[str]) -> frozenset[str]:
    return frozenset(line for line in seen if not any(word in line for word in LASTING))

"""An agent in the test's own namespace, and callers of it."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from linuxnet.netns import OWN_NETNS
from podwire.agent.client import ask
from podwire.agent.protocol import Reply, Request
from podwire.agent.server import Server
from podwire.agent.settings import AgentSettings
from tests.calls import Container, run
from tests.ways import running_agent

SOCKET = Path("/run/podwire/agent.sock")
NET = {"cniVersion": "1.0.0", "name": "net", "ipam": {"type": "host-local", "subnet": "10.70.0.0/16"}}
BRIDGE = NET | {"type": "bridge", "bridge": "pod0", "isGateway": True, "ipMasq": True}


@dataclass
class Caller:
    """Calls plugins through an agent's socket, as a launcher does. `path` is CNI_PATH."""

    path: Path
    server: Server
    environment: dict[str, str] = field(default_factory=dict)

    def ask(self, verb: str, config: dict[str, Any], pod: Container | None) -> Reply:
        """Make one call."""
        variables = {"CNI_COMMAND": verb, "CNI_PATH": str(self.path)} | self.environment
        descriptors = [os.open(OWN_NETNS, os.O_RDONLY)]
        if pod is not None:
            variables |= {"CNI_CONTAINERID": pod.name, "CNI_IFNAME": pod.ifname, "CNI_NETNS": pod.netns}
            if Path(pod.netns).exists():
                descriptors.append(os.open(pod.netns, os.O_RDONLY))
        try:
            return ask(SOCKET, Request(config["type"], variables, json.dumps(config).encode()), descriptors)
        finally:
            for one in descriptors:
                os.close(one)

    def add(self, config: dict[str, Any], pod: Container) -> dict[str, Any]:
        """ADD, which must succeed; return the result."""
        reply = self.ask("ADD", config, pod)
        assert reply.status == 0, reply
        result: dict[str, Any] = json.loads(reply.stdout)
        return result


@pytest.fixture
def settings() -> AgentSettings:
    """Return what the agent of a test goes by; a test module may replace it."""
    return AgentSettings()


@pytest.fixture
def caller(host: None, tmp_path: Path, settings: AgentSettings) -> Iterator[Caller]:
    """Run an agent, and hand out what calls it; our IPAM plugins are found where it says."""
    for name in ("host-local", "static"):
        (tmp_path / name).write_text("# podwire plugin\n")
    with running_agent(SOCKET, settings) as server:
        yield Caller(tmp_path, server)


@pytest.fixture
def pod(host: None) -> Iterator[Callable[[str], Container]]:
    """Make named namespaces; they end with the test."""
    made: list[str] = []

    def make(name: str) -> Container:
        run(["ip", "netns", "add", name])
        made.append(name)
        return Container(name)

    yield make
    for name in made:
        run(["sh", "-c", f"ip netns del {name} 2>/dev/null || true"])


@dataclass
class SlowIpam:
    """A foreign IPAM plugin that says when it is at work, and answers when it may."""

    folder: Path
    type: str = "slow"

    def __post_init__(self) -> None:
        for name in ("begun", "go"):
            os.mkfifo(self.folder / name)
        answer = '{"cniVersion":"1.0.0","ips":[{"address":"10.71.0.9/16","gateway":"10.71.0.1"}]}'
        script = (
            f'#!/bin/sh\ncat >/dev/null\n[ "$CNI_COMMAND" = ADD ] || exit 0\n'
            f"echo begun >{self.folder}/begun\nread line <{self.folder}/go\necho '{answer}'\n"
        )
        (self.folder / self.type).write_text(script)
        (self.folder / self.type).chmod(0o755)

    def wait_begun(self) -> None:
        """Wait until it is at work."""
        assert (self.folder / "begun").read_text() == "begun\n"

    def let_go(self) -> None:
        """Let it answer."""
        (self.folder / "go").write_text("go\n")


@pytest.fixture
def slow_ipam(tmp_path: Path) -> SlowIpam:
    """Make one where the caller looks for plugins."""
    return SlowIpam(tmp_path)


def in_background(act: Callable[[], object]) -> tuple[threading.Thread, list[Any]]:
    """Start a call; what it returns is in the list once the thread has ended."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(act()), daemon=True)
    thread.start()
    return thread, found


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Let this process open nothing more."""
    free = os.dup(0)  # the lowest number that is free
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or process is about to do; fail if it does not."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"

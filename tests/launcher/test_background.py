"""A call without an agent starts one for the next, in the background, with nothing of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from socket import AF_UNIX
from socket import socket as Socket  # `socket` is a fixture here
from typing import Any

import pytest

import cni_plugins.background as background
from podwire.agent.client import ask
from podwire.agent.protocol import STATUS, ProtocolError, Request
from podwire.install.launchers import Kind, launcher

BODY = json.dumps({"cniVersion": "1.1.0", "name": "n", "type": "static", "ipam": {"type": "static"}}).encode()
PATIENCE = 60.0  # seconds; an agent is there after half a one


@pytest.fixture
def socket(host: None, tmp_path: Path) -> Iterator[Path]:
    """Return where the agent will be; whoever is there afterwards is ended."""
    path = tmp_path / "agent.sock"
    yield path
    if path.exists():
        agent = status(path)["pid"]
        watched = os.pidfd_open(agent)
        os.kill(agent, signal.SIGTERM)
        os.waitid(os.P_PIDFD, watched, os.WEXITED) if _is_child(agent) else _wait_gone(path)
        os.close(watched)


def _is_child(pid: int) -> bool:
    return f"PPid:\t{os.getpid()}\n" in Path(f"/proc/{pid}/status").read_text()


def _wait_gone(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while path.exists():
        assert time.monotonic() < deadline


def status(path: Path) -> dict[str, Any]:
    """Return the agent's status, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            body: dict[str, Any] = json.loads(ask(path, Request(STATUS, {}, b"")).stdout)
            return body
        except (OSError, ProtocolError):
            assert time.monotonic() < deadline, "no agent was started"


def call(executable: Path, socket: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    variables = {
        "CNI_COMMAND": "STATUS", "PODWIRE_SOCKET": str(socket), "PATH": os.environ["PATH"], "SECRET": "x",
    }  # fmt: skip
    return subprocess.run(
        [executable], input=BODY, env=variables | more, capture_output=True, check=True, timeout=PATIENCE
    )


@pytest.mark.parametrize("kind", [Kind.C, Kind.PYTHON])
def test_an_agent_answers_the_next_call(socket: Path, tmp_path: Path, kind: Kind) -> None:
    executable = tmp_path / "static"
    executable.write_bytes(launcher("static", kind=kind))
    executable.chmod(0o755)

    call(executable, socket)  # returns although the agent lives on: it holds none of the caller's pipes
    first = status(socket)
    call(executable, socket)

    assert first["requests"] == []
    seen = status(socket)
    assert [one["number"] for one in seen["requests"]] == [1], seen
    agent = Path(f"/proc/{seen['pid']}")
    assert b"SECRET" not in (agent / "environ").read_bytes()
    assert (agent / "fd" / "1").readlink() == Path("/dev/null") and (agent / "cwd").readlink() == Path("/")


@pytest.mark.parametrize("forbidding", ["never", "running"])
def test_a_caller_may_forbid_it(monkeypatch: pytest.MonkeyPatch, forbidding: str) -> None:
    started: list[object] = []
    monkeypatch.setattr(os, "posix_spawn", lambda *a, **k: started.append(a))

    background.start_agent({"PODWIRE_AGENT": forbidding})

    assert started == []


@pytest.mark.parametrize(
    ("text", "is_started"),
    [("", True), ("[agent]\nstart = true", True), ("[agent]\nstart = false", False), ("[agent", False)],
)
def test_the_node_may_forbid_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, is_started: bool
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "posix_spawn", lambda path, command, *a, **k: started.append(command))
    monkeypatch.setattr(background, "AGENT_CONFIG", tmp_path / "agent.toml")
    (tmp_path / "agent.toml").write_text(text)

    background.start_agent({})

    assert [command[:4] for command in started] == [
        [sys.executable, "-I", "-m", "podwire.agent"]
    ] * is_started


def test_an_inherited_descriptor_is_closed() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)

    assert writer in background._inherited() and reader not in background._inherited()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("is_alive", [True, False])
def test_none_is_started_beside_one_that_listens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_alive: bool
) -> None:
    started: list[object] = []
    monkeypatch.setattr(os, "posix_spawn", lambda *a, **k: started.append(a))
    path = tmp_path / "agent.sock"
    with Socket(AF_UNIX) as listener:
        listener.bind(str(path))
        if is_alive:  # else it is what a killed agent leaves
            listener.listen()

        background.start_agent({"PODWIRE_SOCKET": str(path)})

    assert bool(started) is not is_alive

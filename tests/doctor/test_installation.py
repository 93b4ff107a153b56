"""The launchers and the agent: none, this version's, another's."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from cni_plugins.registry import PLUGIN_TYPES
from podwire.agent.protocol import Reply, encode_reply
from podwire.doctor.installation import look_at_agent, look_at_launchers
from podwire.doctor.verdict import State
from podwire.install.launchers import Kind, launcher
from tests.doctor.looks import worst
from tests.ways import running_agent

pytestmark = pytest.mark.usefixtures("host")


def test_launchers_of_another_installation_are_named(tmp_path: Path) -> None:
    for name in PLUGIN_TYPES[:3]:
        (tmp_path / name).write_bytes(launcher(name, kind=Kind.PYTHON))
    assert worst(look_at_launchers(tmp_path)).state is State.FINE
    (tmp_path / PLUGIN_TYPES[0]).write_bytes(launcher(PLUGIN_TYPES[0], "/opt/old/bin/python3", Kind.PYTHON))

    assert worst(look_at_launchers(tmp_path)).found == f"of another installation: {PLUGIN_TYPES[0]}"


def test_no_agent_is_lacking(tmp_path: Path) -> None:
    assert worst(look_at_agent(tmp_path / "agent.sock")).state is State.LACKING


def test_an_agent_of_this_version_is_fine() -> None:
    path = Path("/run/podwire/agent.sock")
    with running_agent(path):
        assert worst(look_at_agent(path)).state is State.FINE


def test_an_agent_of_another_version_is_risky(tmp_path: Path) -> None:
    path = tmp_path / "old.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_answer, args=(listener, b'{"version": "0.0.1", "pid": 7}'))
        thread.start()
        verdict = worst(look_at_agent(path))
        thread.join()

    assert verdict.state is State.RISKY and verdict.found.startswith("it is 0.0.1")


def _answer(listener: socket.socket, status: bytes) -> None:
    caller, _ = listener.accept()
    with caller:
        caller.recv(1 << 16)
        caller.sendall(encode_reply(Reply(0, status)))

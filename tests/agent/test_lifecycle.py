"""The agent as a process: how it starts, how it ends, who wakes it, what it tells."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cni_spec.errors import CniError
from linuxnet.netns import OWN_NETNS
from podwire.agent.client import ask
from podwire.agent.protocol import STATUS, Request
from podwire.agent.settings import AgentSettings, read_settings
from podwire.main import app
from tests.agent.conftest import BRIDGE, SOCKET, Caller
from tests.calls import Container

AGENT = [sys.executable, "-I", "-m", "podwire", "agent"]
ACTIVATE = """
import os, sys, socket
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


class Notifications:
    """Where an agent says how it is, and so when it is ready: no test looks at a clock."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(20)
        self.path = path

    def wait(self, state: str) -> None:
        """Wait until it has said so."""
        while self._socket.recv(100).decode() != state:
            pass


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def told(tmp_path: Path) -> Notifications:
    return Notifications(tmp_path / "notify")


@pytest.fixture
def start(host: None, told: Notifications) -> Iterator[Start]:
    """Start agents; those that still run are ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*options: str, before: tuple[str, ...] = (), **variables: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"NOTIFY_SOCKET": str(told.path)} | variables
        started.append(subprocess.Popen([*before, *AGENT, *options], env=environment, stderr=subprocess.PIPE))
        return started[-1]

    yield run
    for one in started:
        if one.poll() is None:
            one.kill()
        one.wait()
        if one.stderr is not None:
            one.stderr.close()


def status() -> int:
    """Return the process that answers."""
    return int(json.loads(ask(SOCKET, Request(STATUS, {}, b"")).stdout)["pid"])


def version() -> int:
    here = os.open(OWN_NETNS, os.O_RDONLY)
    try:
        return ask(SOCKET, Request("bridge", {"CNI_COMMAND": "VERSION"}, b"{}"), [here]).status
    finally:
        os.close(here)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_socket_goes(start: Start, told: Notifications, number: int) -> None:
    agent = start()
    told.wait("READY=1")
    assert status() == agent.pid and version() == 0

    agent.send_signal(number)

    told.wait("STOPPING=1")
    assert agent.wait(20) == 0 and not SOCKET.exists()


def test_a_signal_that_does_not_interrupt_the_loop_ends_it_too(start: Start, told: Notifications) -> None:
    agent = start()
    told.wait("READY=1")
    worker = max(int(path.name) for path in Path(f"/proc/{agent.pid}/task").iterdir())

    assert ctypes.CDLL(None).tgkill(agent.pid, worker, signal.SIGTERM) == 0

    told.wait("STOPPING=1")
    assert agent.wait(20) == 0


def test_after_a_kill_another_takes_its_place(start: Start, told: Notifications) -> None:
    first = start()
    told.wait("READY=1")
    first.kill()
    first.wait()
    assert SOCKET.exists()

    second = start()
    told.wait("READY=1")
    assert status() == second.pid


def test_the_second_of_two_leaves(start: Start, told: Notifications) -> None:
    first = start()
    told.wait("READY=1")

    second, silent = start(), start("--background")

    assert second.wait(20) == 1 and b"another agent serves" in second.communicate()[1]
    assert silent.wait(20) == 0 and silent.communicate()[1] == b""
    assert status() == first.pid


def test_a_socket_that_another_listens_on_is_not_taken(start: Start) -> None:
    with socket.socket(socket.AF_UNIX) as systemds:
        systemds.bind(str(SOCKET))
        systemds.listen()
        inode = SOCKET.stat().st_ino

        by_hand = start()
        assert by_hand.wait(20) == 1 and b"podwire-agent.socket" in by_hand.communicate()[1]
        silent = start("--background")
        assert silent.wait(20) == 0 and silent.communicate()[1] == b""
        assert SOCKET.stat().st_ino == inode


def test_its_folders_are_open_to_all_whatever_the_mask(
    start: Start, told: Notifications, tmp_path: Path
) -> None:
    folder = tmp_path / "run" / "podwire"
    tmp_path.chmod(0o700)

    start("--socket", str(folder / "agent.sock"), before=("sh", "-c", 'umask 077; exec "$0" "$@"'))

    told.wait("READY=1")
    modes = [path.stat().st_mode & 0o777 for path in (folder, folder.parent, tmp_path)]
    assert modes == [0o755, 0o755, 0o700]


def test_it_leaves_when_nobody_calls(start: Start, told: Notifications) -> None:
    agent = start("--idle", "0.3")
    told.wait("READY=1")

    assert agent.wait(20) == 0 and not SOCKET.exists()


def test_systemds_socket_is_used(start: Start, told: Notifications) -> None:
    agent = start(before=(sys.executable, "-c", ACTIVATE, str(SOCKET)))
    told.wait("READY=1")

    assert status() == agent.pid
    agent.terminate()
    assert agent.wait(20) == 0
    assert SOCKET.exists(), "it is systemd's, and wakes the next"


def test_the_watchdog_is_fed(start: Start, told: Notifications) -> None:
    start(WATCHDOG_USEC="400000")
    told.wait("READY=1")
    told.wait("WATCHDOG=1")
    told.wait("WATCHDOG=1")


def test_a_place_that_cannot_be_used_is_one_sentence(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    agent = start("--socket", str(tmp_path / "file" / "agent.sock"))

    _, said = agent.communicate(timeout=20)
    assert agent.returncode == 1 and said.count(b"\n") == 1 and b"/file/agent.lock: " in said


def test_it_holds_no_descriptor_of_its_starter(start: Start, told: Notifications) -> None:
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    agent = start()
    os.close(theirs)
    told.wait("READY=1")

    readable, _, _ = select.select([ours], [], [], 5)
    os.close(ours)
    assert readable and agent.poll() is None, "subprocess closes it; background.py does for the launcher"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[agent]\nworkers = 0", "agent.workers"),
        ("[agent]\nworker = 4", "[agent] has no key 'worker'"),
        ("[agents]\nworkers = 4", "there is no section [agents]"),
        ('[metrics]\nlisten = "0.0.0.0:9453"', "metrics.listen"),
        ("[agent\n", "agent.toml"),
        ('agent = "x"', "there is no section [agent]"),
    ],
)
def test_what_agent_toml_gets_wrong_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(text)

    with pytest.raises(CniError) as caught:
        read_settings(path)
    assert reason in caught.value.msg


def test_agent_toml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(
        '[agent]\nidle = 5\nqueue = 9\n[metrics]\nlisten = "127.0.0.1:9453"\n[log]\nto = "journald"\n'
    )

    settings = read_settings(path)

    assert settings.agent == AgentSettings(idle=5, queue=9) and settings.metrics.listen == "127.0.0.1:9453"
    assert read_settings(tmp_path / "none").agent == AgentSettings()


@pytest.mark.parametrize("command", [["agent", "status"], ["top", "--once"]])
def test_the_commands_show_what_it_does(
    caller: Caller, pod: Callable[[str], Container], command: list[str]
) -> None:
    caller.add(BRIDGE, pod("one"))

    table = CliRunner().invoke(app, command)
    body = CliRunner().invoke(app, [*command, "-o", "json"])

    assert table.exit_code == 0 and "bridge" in table.stdout
    assert json.loads(body.stdout)["requests"][0]["plugin"] == "bridge"


def test_without_an_agent_the_status_says_what_to_do(host: None) -> None:
    result = CliRunner().invoke(app, ["agent", "status"])

    assert result.exit_code == 1 and "podwire-agent.service" in result.stderr

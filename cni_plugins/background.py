"""Starting an agent for the next call, in the background, when this one had none (as gpg-agent does).

The started process has nothing of ours: no descriptor (a runtime waits for its pipes to close), no
terminal, no session, a few variables. Two that are started at once are one agent soon: the second leaves.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from cni_plugins.journal import AGENT_CONFIG

RUN_FOLDER = Path("/run/podwire")
FORBIDDING = ("never", "running")  # of PODWIRE_AGENT: do without an agent; use one that runs, start none
KEPT = ("PATH", "HOME", "LANG", "XDG_RUNTIME_DIR", "PODWIRE_SOCKET", "PODWIRE_LOG")


def start_agent(environment: Mapping[str, str]) -> None:
    """Start an agent, unless one listens, or the caller or the node's configuration forbids it. Never raises.

    One may listen although it did not serve this call: it serves another network namespace.
    """
    if environment.get("PODWIRE_AGENT") in FORBIDDING or not _is_allowed():
        return
    if listens(agent_socket(environment)):
        return
    command = [sys.executable, "-I", "-m", "podwire.agent", "--background"]
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    closed = [(os.POSIX_SPAWN_CLOSE, number) for number in _inherited()]
    kept = {name: environment[name] for name in KEPT if name in environment}
    try:
        os.posix_spawn(sys.executable, command, kept, file_actions=null + closed, setsid=True)
    except OSError:  # no more processes: the next call runs by itself, too
        return


def agent_socket(environment: Mapping[str, str]) -> Path:
    """Return where this user's launchers look for the agent."""
    if chosen := environment.get("PODWIRE_SOCKET"):
        return Path(chosen)
    if os.geteuid() == 0:
        return RUN_FOLDER / "agent.sock"
    return Path(environment.get("XDG_RUNTIME_DIR", "/nonexistent"), "podwire", "agent.sock")


def listens(path: Path) -> bool:
    """Tell whether somebody accepts callers at a socket, an agent or systemd for one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as agent:
        agent.setblocking(False)
        try:
            agent.connect(str(path))
        except BlockingIOError:  # it does, and has more callers than it can take
            return True
        except OSError:  # nobody there, or a path that is too long
            return False
    return True


def _inherited() -> list[int]:
    """Return the descriptors beyond the first three that a process of ours would get."""
    numbers = (int(one.name) for one in Path("/proc/self/fd").iterdir())
    return [number for number in numbers if number > 2 and _is_inheritable(number)]


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # the one that listed the others, closed since
        return False


def _is_allowed() -> bool:
    """Tell what `[agent] start` says; a file that nobody can read forbids it."""
    try:
        text = AGENT_CONFIG.read_text()
    except FileNotFoundError:  # most nodes have none
        return True
    except (OSError, UnicodeDecodeError):
        return False
    import tomllib  # 4 ms, spent only where there is a file to read

    try:
        agent = tomllib.loads(text).get("agent", {})
    except tomllib.TOMLDecodeError:
        return False
    return not (isinstance(agent, dict) and agent.get("start") is False)

"""The ways by which a plugin is called: as a function here, or by a launcher and an agent.

One agent serves each test, in a thread, in the test's own namespace. Which way is meant, and where the
launchers are, `tests/calls.py` reads from the environment: they are variables of a process's whole life.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cni_plugins.registry import PLUGIN_TYPES
from cni_plugins.skeleton import Answer
from podwire.agent.lifecycle import listening
from podwire.agent.server import Server
from podwire.agent.settings import AgentSettings
from podwire.install.launchers import Kind, launcher

PROCESS, AGENT, PYTHON = WAYS = ("process", "agent", "python-launcher")
FOLDER, SOCKET = "PODWIRE_TEST_LAUNCHERS", "PODWIRE_TEST_SOCKET"


@contextmanager
def running_agent(socket: Path, settings: AgentSettings | None = None) -> Iterator[Server]:
    """Serve on a socket, in a thread in this one's network namespace, while the block runs."""
    with listening(socket) as listener:
        server = Server(listener, settings or AgentSettings())
        thread = threading.Thread(target=server.run, name="agent", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join(30)
            assert not thread.is_alive(), "the agent did not stop"


def write_launchers(folder: Path, way: str) -> None:
    """Put a launcher of every plugin into a folder."""
    folder.mkdir(parents=True)
    for name in PLUGIN_TYPES:
        path = folder / name
        path.write_bytes(launcher(name, kind=Kind.C if way == AGENT else Kind.PYTHON))
        path.chmod(0o755)


def call_launcher(plugin: str, environment: Mapping[str, str], stdin: bytes) -> tuple[Answer, list[str]]:
    """Execute a launcher; return its answer and its warnings, without "podwire TYPE: " before them."""
    variables = dict(environment) | {"PATH": os.environ["PATH"], "PODWIRE_SOCKET": os.environ[SOCKET]}
    done = subprocess.run(
        [Path(os.environ[FOLDER], plugin)], input=stdin, env=variables, capture_output=True, check=False
    )
    lines = done.stderr.decode().splitlines()
    return Answer(done.returncode, done.stdout.decode()), [line.partition(": ")[2] for line in lines]

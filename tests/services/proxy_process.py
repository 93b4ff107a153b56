"""The proxy of a site, as a process in the node's namespace: `podwire proxy` and its settings."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.overlay.machines import ROOT, WITHIN

Settings = dict[str, Any]
HEALTH_PORT = 10256


class ProxyProcess:
    """Start it, kill it, read what it said."""

    def __init__(self, netns: str, folder: Path, settings: Settings) -> None:
        self._netns, self._folder = netns, folder
        self._process: subprocess.Popen[bytes] | None = None
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
        (folder / "agent.toml").write_text(f"[proxy]\n{lines}")

    def start(self) -> None:
        """Start it; does not wait."""
        command = [
            "ip", "netns", "exec", self._netns, sys.executable, "-m", "podwire", "proxy",
            "--config", str(self._folder / "agent.toml"), "--socket", str(self._folder / "socket"),
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def end(self, number: int = signal.SIGKILL) -> int:
        """End it by a signal; return its status."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        status = self._process.wait(WITHIN)
        self._process = None
        return status

    @property
    def pid(self) -> int:
        """Return its number; 0 while it does not run."""
        return self._process.pid if self._process else 0

    def log(self) -> str:
        """Return what it said lately."""
        path = self._folder / "log"
        return path.read_text()[-6000:] if path.exists() else ""

"""Machines in namespaces: a node with its process, a pod; and the commands that a test gives them."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linuxnet.netns import inside, open_netns

ROOT = Path(__file__).parents[2]
WITHIN = 60.0  # seconds for anything a test waits for, on a busy machine


def wait_until(is_so: Callable[[], object], what: str | Callable[[], str], within: float = WITHIN) -> None:
    """Look again and again until something is so; fail with `what` after the deadline."""
    end = time.monotonic() + within
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.01)  # between two looks: the kernel and other processes tell nobody


def run(*command: str, text: str = "") -> str:
    """Run a command and return what it printed; its words are in the error."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}\n{text}"
    return done.stdout


def ip(netns: str, *lines: str, is_forced: bool = False) -> None:
    """Run lines of `ip` in a namespace, "" for the underlay's."""
    where = ["-n", netns] if netns else []
    run("ip", *where, *(["-force"] if is_forced else []), "-batch", "-", text="\n".join(lines) + "\n")


@dataclass
class Pod:
    """A namespace behind a node. `addresses` by family."""

    netns: str
    addresses: dict[int, str] = field(default_factory=dict)

    def open(self) -> int:
        """Return a descriptor of its namespace; the caller closes it."""
        return open_netns(f"/run/netns/{self.netns}")


@dataclass
class Node:
    """One node: its namespace, its process if it runs, its pod if it has one."""

    name: str
    number: int
    folder: Path
    public: dict[int, str]
    settings: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    pod: Pod | None = None
    mtu: int = 1500  # of its uplink, bytes

    def start(self) -> None:
        """Start its process; does not wait."""
        (self.folder / "settings.json").write_text(json.dumps(self.settings))
        (self.folder / "said.json").unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "tests.overlay.node_process", f"/run/netns/{self.name}", str(self.folder),
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | self.environment
            )

    def set_clock(self, offset: int) -> None:
        """Set its wall clock, seconds from the true time; a process that runs sees it jump."""
        with (self.folder / "clock").open("r+b") as file:
            file.write(struct.pack("=q", offset))

    def end(self, number: int) -> None:
        """End the process by a signal and wait for it."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(WITHIN)
            self.process = None

    @property
    def said(self) -> dict[str, Any]:
        """Return what the process last said of itself."""
        try:
            body: dict[str, Any] = json.loads((self.folder / "said.json").read_text())
        except FileNotFoundError:  # it has only just begun
            return {"ready": False, "leased": False, "conditions": []}
        return body

    def conditions(self, name: str = "") -> dict[str, str]:
        """Return the messages of its conditions of a name, by what they are about."""
        found = self.said["conditions"]
        return {one["about"]: one["message"] for one in found if one["name"] == name or not name}

    @property
    def subnet_env(self) -> dict[str, str]:
        """Return the file's lines; empty while there is none."""
        try:
            text = (self.folder / "subnet.env").read_text()
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in text.splitlines())

    def log(self) -> str:
        """Return what the process has logged."""
        return (self.folder / "log").read_text()[-9000:]


def write_inside(netns: str, path: str, value: str) -> None:
    """Write a sysctl of a namespace."""
    descriptor = open_netns(f"/run/netns/{netns}")
    try:
        with inside(descriptor):
            Path("/proc/sys", path).write_text(value)
    finally:
        os.close(descriptor)

"""The node agent of a world: started, asked what it did, and how long that took."""

from __future__ import annotations

import json
import socket
import statistics
import sys
from types import TracebackType
from typing import Any

from podwire.demo.plugin_folder import PODWIRE, REFERENCE_FOLDER, has_reference_plugins
from podwire.demo.world import DEADLINE, World, WorldError

NOTIFY = "/run/podwire-notify"
RIVAL = "rival"  # a second host, for the Go plugins
ROUNDS = 10

Status = dict[str, Any]


class NodeAgent:
    """Hold a world's agent; a context manager that ends it.

    Raises:
        WorldError: it did not start.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(world.path(NOTIFY)))
            ready.settimeout(DEADLINE)
            self._process = world.start([*PODWIRE, "agent"], env={"NOTIFY_SOCKET": NOTIFY})
            try:
                ready.recv(64)
            except TimeoutError as error:
                raise WorldError(f"the agent was not ready within {DEADLINE:.0f} s") from error
        self._seen = self.status()

    def __enter__(self) -> NodeAgent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE)

    def status(self) -> Status:
        """Return what `podwire agent status` says."""
        status: Status = json.loads(self._world.run([*PODWIRE, "agent", "status", "-o", "json"]))
        return status

    def since_last(self, verb: str) -> list[tuple[str, float]]:
        """Return what plugins have done for a verb since this was asked last: type, milliseconds in all."""
        before, self._seen = _totals(self._seen, verb), self.status()
        now = _totals(self._seen, verb)
        changed = [plugin for plugin in now if now[plugin] != before.get(plugin)]
        return [(plugin, now[plugin] - before.get(plugin, 0.0)) for plugin in changed]


def _totals(status: Status, verb: str) -> dict[str, float]:
    """Return the milliseconds that each plugin has taken for a verb, in the order of a chain."""
    found: dict[str, float] = {}
    for one in status["requests"]:
        if one["verb"] == verb:
            found[one["plugin"]] = found.get(one["plugin"], 0.0) + one["mean"] * one["number"] * 1000
    order = ("bridge", "ptp", "portmap", "firewall", "tuning")
    return {plugin: found[plugin] for plugin in sorted(found, key=lambda name: [*order, name].index(name))}


def attach_times(world: World) -> dict[str, dict[str, float]]:
    """Measure a chain by the folder of a world and, on a host of its own, by the Go plugins if they are here.

    Returns:
        Median milliseconds by contender ("podwire", "Go plugins") and verb.
    """
    script = [sys.executable, "-P", "-m", "podwire.demo.attach_times"]
    said = {"podwire": world.run([*script, "/opt/cni/bin", str(ROUNDS)])}
    if has_reference_plugins():
        world.run(["ip", "netns", "add", RIVAL])
        world.run(["ip", "-n", RIVAL, "link", "set", "lo", "up"])
        theirs = ["ip", "netns", "exec", RIVAL, *script, str(REFERENCE_FOLDER), str(ROUNDS)]
        said["Go plugins"] = world.run(theirs)
    found = {name: json.loads(text) for name, text in said.items()}
    return {
        name: {verb: statistics.median(took) for verb, took in times.items()} for name, times in found.items()
    }

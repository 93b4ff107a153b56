"""The show without containerd: guests that are bare network namespaces, attached by `podwire cni`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from podwire.demo.conflists import PortMapping
from podwire.demo.lab import NETWORK, network
from podwire.demo.plugin_folder import PODWIRE
from podwire.demo.world import World

CONFLIST = f"/etc/cni/net.d/10-{NETWORK}.conflist"


class Namespace:
    """Hold a network namespace that `podwire cni add` has attached."""

    def __init__(self, world: World, name: str, ports: Sequence[PortMapping]) -> None:
        self._world = world
        self.name, self.container_id = name, f"demo-{name}"
        mappings = {"portMappings": [port.to_json() for port in ports]}
        self._options = [f"--container-id={self.container_id}", f"--cap-args={json.dumps(mappings)}"]
        world.run(["ip", "netns", "add", name])
        self._cni("add")

    def address(self) -> str:
        """Return its IPv4 address, as ip(8) shows it."""
        (link,) = json.loads(self._world.run(["ip", "-n", self.name, "-j", "addr", "show", "dev", "eth0"]))
        return str(next(entry["local"] for entry in link["addr_info"] if entry["family"] == "inet"))

    def execute(self, *command: str) -> str:
        """Run a command of busybox in it and return what it printed."""
        return self._world.run(["ip", "netns", "exec", self.name, "busybox", *command])

    def stop(self) -> None:
        """End what runs in it, detach it, and remove it."""
        self._world.run(["sh", "-c", f"kill $(ip netns pids {self.name}) 2>/dev/null; true"])
        self._cni("del")
        self._world.run(["ip", "netns", "del", self.name])

    def _cni(self, verb: str) -> None:
        self._world.run([*PODWIRE, "cni", verb, NETWORK, self.name, *self._options])


class PlainLab:
    """Make guests that are network namespaces of a world."""

    kind = "namespace"

    def __init__(self, world: World) -> None:
        self._world = world
        world.path(CONFLIST).write_text(json.dumps(network(), indent=2))

    def start(self, name: str, ports: Sequence[PortMapping] = ()) -> Namespace:
        """Make a namespace and attach it."""
        return Namespace(self._world, name, ports)

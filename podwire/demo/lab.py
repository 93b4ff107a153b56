"""Where guests come from: what the show asks of a runtime, and containerd as the first that gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from podwire.demo import conflists
from podwire.demo.conflists import Json, PortMapping
from podwire.demo.container import Container
from podwire.demo.containerd import Containerd

NETWORK = "podwire"
BRIDGE = "cni0"
SUBNET = "10.99.0.0/24"
GATEWAY = "10.99.0.1"


class Guest(Protocol):
    """One attached container or namespace."""

    name: str
    container_id: str  # what the plugins know it by

    def address(self) -> str:
        """Return its IPv4 address."""

    def execute(self, *command: str) -> str:
        """Run a command in it and return what it printed."""

    def stop(self) -> None:
        """End it and detach it from its network."""


class Lab(Protocol):
    """A runtime that attaches guests to the network of `network`."""

    kind: str  # "container", "namespace"

    def start(self, name: str, ports: Sequence[PortMapping] = ()) -> Guest:
        """Make a guest, attach it, and publish ports."""


def network(ports: Sequence[PortMapping] = ()) -> Json:
    """Describe the network of the show; `ports` only for a runtime that cannot ask for them."""
    chain = (
        conflists.bridge_plugin(BRIDGE, SUBNET),
        conflists.portmap_plugin(ports),
        conflists.FIREWALL,
        conflists.TUNING,
    )
    return conflists.network(NETWORK, *chain)


class ContainerdLab:
    """Make guests that are containers, by `ctr run --cni`."""

    kind = "container"

    def __init__(self, daemon: Containerd) -> None:
        self._daemon = daemon

    def start(self, name: str, ports: Sequence[PortMapping] = ()) -> Container:
        """Run a container; the ports go into the configuration, since ctr has no option for them."""
        self._daemon.set_network(network(ports))
        return self._daemon.start(name)

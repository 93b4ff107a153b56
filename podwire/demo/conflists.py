"""Write the network configurations that are shown and tested, as the values that go into a `.conflist`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Json = dict[str, object]

VERSION = "1.0.0"  # of the CNI specification; the newest that containerd 1.6 and podman 4 speak


@dataclass(frozen=True)
class PortMapping:
    """Publish a container's port on the host (CNI conventions, portMappings)."""

    host_port: int
    container_port: int
    protocol: str = "tcp"

    def to_json(self) -> Json:
        """Return the form that runtimeConfig.portMappings has."""
        return {"hostPort": self.host_port, "containerPort": self.container_port, "protocol": self.protocol}


def bridge_plugin(bridge: str, subnet: str) -> Json:
    """Join containers to a bridge that is their gateway, with addresses kept by host-local."""
    return {
        "type": "bridge",
        "bridge": bridge,
        "isDefaultGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]]},
    }


def ptp_plugin(subnet: str) -> Json:
    """Join each container to the host by a cable of its own."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}]}
    return {"type": "ptp", "ipMasq": True, "ipam": ipam}


def portmap_plugin(ports: Sequence[PortMapping] = ()) -> Json:
    """Publish the ports that the runtime asks for, or `ports` under a runtime that cannot ask.

    libcni overwrites `runtimeConfig` only where the runtime has something to say, so a list written into
    the configuration reaches the plugin under `ctr run --cni`, which has no option for ports.
    """
    plugin: Json = {"type": "portmap", "capabilities": {"portMappings": True}}
    if ports:
        plugin["runtimeConfig"] = {"portMappings": [port.to_json() for port in ports]}
    return plugin


FIREWALL: Mapping[str, object] = {"type": "firewall"}
TUNING: Mapping[str, object] = {"type": "tuning", "sysctl": {"net.core.somaxconn": "512"}}


def network(name: str, *plugins: Mapping[str, object]) -> Json:
    """Put plugins into one network, in the order they run."""
    return {"cniVersion": VERSION, "name": name, "plugins": [dict(plugin) for plugin in plugins]}

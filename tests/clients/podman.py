"""Run a podman of its own inside a world, with CNI as its network backend.

Images, containers and locks lie on the world's /run and /dev/shm, so the machine's podman is not touched.
podman removes a container's network itself, by a command that its monitor runs when the container ends.
"""

from __future__ import annotations

from pathlib import Path

from podwire.demo.world import World

# default_ulimits: podman's own defaults may not be raised to where CAP_SYS_RESOURCE is missing.
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
default_capabilities = ["CHOWN", "KILL", "NET_BIND_SERVICE", "NET_RAW", "SETGID", "SETUID"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "/run/podman/tmp"
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
network_config_dir = "/etc/cni/net.d"
"""
STORAGE_CONF = """
[storage]
driver = "overlay"
graphroot = "/run/podman/graph"
runroot = "/run/podman/run"
"""


class Podman:
    """Hold a podman that knows the images of an archive."""

    def __init__(self, world: World, archive: Path) -> None:
        self._world = world
        world.run(["mkdir", "-p", "/etc/containers", "/run/podman/tmp"])
        world.path("/etc/containers/containers.conf").write_text(CONTAINERS_CONF)
        world.path("/etc/containers/storage.conf").write_text(STORAGE_CONF)
        self.run("load", "--input", str(archive))

    def run(self, *arguments: str) -> str:
        """Run podman to its end and return what it printed."""
        return self._world.run(["podman", *arguments])

    def inspect(self, container: str, template: str) -> str:
        """Return one field of a container, as a Go template."""
        return self.run("inspect", "--format", template, container).strip()

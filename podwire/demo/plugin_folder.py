"""Fill a world's folder of CNI plugins: all of ours, all of another project's, or a mixture.

A runtime looks a plugin up by its file's name, so a folder of symbolic links decides, plugin by plugin,
whose executable runs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from podwire.demo.world import World

REFERENCE_FOLDER = Path("/usr/lib/cni")  # Debian's package containernetworking-plugins
OUR_FOLDER = "/opt/cni/podwire"
PODWIRE = (sys.executable, "-P", "-c", "from podwire.main import main; main()")  # the command line


def install_ours(world: World, folder: str = OUR_FOLDER) -> None:
    """Install podwire's plugins into `folder` of the world, as its users do."""
    world.run(["mkdir", "-p", folder])
    world.run([*PODWIRE, "install", "--to", folder])


def choose(world: World, origins: Mapping[str, str], folder: str = "/opt/cni/bin") -> None:
    """Make `folder` hold one link a plugin: its type to the folder its executable comes from."""
    world.run(["mkdir", "-p", folder])
    for plugin_type, origin in origins.items():
        world.run(["ln", "-sfn", f"{origin}/{plugin_type}", f"{folder}/{plugin_type}"])


def has_reference_plugins() -> bool:
    """Tell whether the Go reference plugins are installed on this machine."""
    return (REFERENCE_FOLDER / "bridge").exists()

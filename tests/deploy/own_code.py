"""This folder's code where the virtual environment finds podwire: another working tree's, perhaps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from podwire.demo.world import World

REPOSITORY = Path(__file__).parents[2]
INSTALLED = "import podwire; print(podwire.__path__[0])"
MOUNT = """
set -e
for map in "$1"/*/__init__.py; do
    package=$(basename "$(dirname "$map")")
    mount --bind "$1/$package" "$2/$package"
done
"""


def mount_own_code(world: World, root: str = "") -> None:
    """Put this folder's packages over the installed ones, below `root`, for whoever is in the world."""
    command = [sys.executable, "-I", "-c", INSTALLED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    installed = Path(done.stdout.strip()).parent
    if installed != REPOSITORY:
        world.run(["sh", "-c", MOUNT, "sh", str(REPOSITORY), f"{root}{installed}"])

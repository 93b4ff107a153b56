"""An ordinary user of a world, with a copy of podwire that this user can read wherever the checkout is.

A checkout in root's home, an interpreter of a virtual environment there: nothing of that can be reached by
others. So the packages that podwire takes are copied, to an environment of their own in the world's memory.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from podwire.demo.world import World

ROOT = Path(__file__).parents[2]
ROOMS = (
    "cni_spec", "linuxnet", "cluster_store", "ipam", "overlay", "service_proxy", "cni_plugins", "pod_runner",
    "podwire",
)  # fmt: skip
HOME = "/srv"  # in no folder that a node has of its own: the nodes of a lab see it as well
PYTHON = f"{HOME}/venv/bin/python"
PODWIRE = (PYTHON, "-P", "-c", "from podwire.main import main; main()")
USER = 54321  # nobody's account
DEADLINE = 120.0  # seconds; for one command, on a machine busy with other tests
FURNISH = f"""
mount -t tmpfs -o mode=755 tmpfs {HOME}
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p {HOME}/venv/bin /run/user/{USER} /run/podwire
chmod 700 /run/user/{USER}
chown {USER}:{USER} /run/user/{USER}
"""


class User:
    """Runs commands in a world without any right, and with an environment that says nothing."""

    def __init__(self, world: World, number: int = USER, *, before: tuple[str, ...] = ()) -> None:
        self.world, self.number = world, number
        ids = [f"--reuid={number}", f"--regid={number}", "--clear-groups"]
        self._become = [*before, "setpriv", *ids, "--"]

    def enter(self, *words: str) -> list[str]:
        """Put a command of ours behind what makes it this user's."""
        program = [*PODWIRE, *words[1:]] if words[0] == "podwire" else list(words)
        return [*self._become, "env", "-u", "XDG_RUNTIME_DIR", "HOME=/tmp", *program]

    def run(self, *words: str) -> str:
        """Run a command, which must succeed, and return what it printed."""
        return self.world.run(self.enter(*words), timeout=DEADLINE)

    def attempt(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command, whatever comes of it."""
        return self.world.attempt(self.enter(*words), timeout=DEADLINE)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command."""
        return self.world.start(self.enter(*words))


def install(world: World, like: World | None = None) -> None:
    """Copy what is needed into the world, readable for everybody; `like` is a world that has it."""
    world.run(["sh", "-ec", FURNISH])
    home = world.path(HOME) / "venv"
    if like is None:
        _furnish(home)
        rooms = [str(_packages(Path(HOME) / "venv") / room) for room in ROOMS]
        world.run([PYTHON, "-m", "compileall", "-q", *rooms])  # the user may not write there
        world.run(["chmod", "-R", "a+rX", HOME])
    else:
        shutil.copytree(like.path(HOME) / "venv", home, symlinks=True, dirs_exist_ok=True)


def _packages(home: Path) -> Path:
    return home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _furnish(home: Path) -> None:
    packages = _packages(home)
    real = Path(sys.executable).resolve()
    (home / "bin/python").symlink_to(real)
    (home / "pyvenv.cfg").write_text(f"home = {real.parent}\ninclude-system-site-packages = false\n")
    for room in ROOMS:
        shutil.copytree(ROOT / room, packages / room, ignore=shutil.ignore_patterns("__pycache__"))
    for one in _needed("podwire", {}).values():
        _copy(one, packages)
    about = distribution("podwire")
    metadata = packages / f"podwire-{about.version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(about.read_text("METADATA") or "")


def _needed(name: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """Return what a distribution takes, but for its extras and itself."""
    for said in distribution(name).requires or ():
        match = re.match(r"[\w.-]+", said)
        if match is None or "extra ==" in said or match[0] in found:
            continue
        try:
            found[match[0]] = distribution(match[0])
        except PackageNotFoundError:  # for other systems or versions of Python
            continue
        _needed(match[0], found)
    return found


def _copy(one: Distribution, packages: Path) -> None:
    for name in _files(one):
        target = packages / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(str(one.locate_file(str(name))), target)  # with its time, which its bytecode names


def _files(one: Distribution) -> Iterator[Path]:
    for name in map(Path, one.files or ()):
        if ".." not in name.parts:
            yield name

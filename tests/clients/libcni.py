"""Tools that attach a namespace with libcni: ours around Debian's library, and any cnitool of the machine."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podwire.demo.world import World
from tests.clients.harness import CONF_FOLDER, folder_of_executables

SOURCE = Path(__file__).with_name("libcni_tool") / "main.go"
GOPATH = Path("/usr/share/gocode")  # where Debian's golang-*-dev packages put their sources
LIBRARY = GOPATH / "src/github.com/containernetworking/cni/libcni"


def missing() -> str | None:
    """Say what keeps libcni_tool from being built here; None if nothing does."""
    if shutil.which("go") is None:
        return "not installed: go"
    return None if LIBRARY.exists() else "not installed: golang-github-appc-cni-dev"


def build() -> Path:
    """Compile libcni_tool, once for every state of its source and of the library."""
    digest = hashlib.sha256()
    for source in (SOURCE, *sorted(LIBRARY.glob("*.go"))):
        digest.update(source.read_bytes())
    target = folder_of_executables() / f"libcni_tool-{digest.hexdigest()[:16]}"
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process of pytest builds it, the others have it then
        if not target.exists():
            _compile(target)
    return target


def _compile(target: Path) -> None:
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": ""}
    subprocess.run(["go", "build", "-o", fresh, "."], cwd=SOURCE.parent, env=environment, check=True)
    fresh.rename(target)


def find_cnitool() -> Path | None:
    """Return the machine's own cnitool: $CNITOOL, or the one on PATH."""
    found = os.environ.get("CNITOOL") or shutil.which("cnitool")
    return Path(found) if found else None


class Tool:
    """Hold one executable with cnitool's command line, run inside a world."""

    def __init__(self, world: World, executable: Path, cni_path: str = "/opt/cni/bin") -> None:
        self._world, self._executable = world, executable
        self._environment = {"NETCONFPATH": CONF_FOLDER, "CNI_PATH": cni_path}

    def attempt(
        self, verb: str, network: str, netns: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a verb, whatever comes of it; `netns` is a name under /run/netns."""
        argv = [str(self._executable), verb, network, f"/run/netns/{netns}"]
        return self._world.attempt(argv, env={**self._environment, **(env or {})})

    def run(self, verb: str, network: str, netns: str, env: Mapping[str, str] | None = None) -> Any:
        """Run a verb that must succeed, and return the result it prints, if any."""
        done = self.attempt(verb, network, netns, env)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, f"{verb} {network} {netns}: {said}"
        return json.loads(done.stdout) if done.stdout.strip() else None


def container_id(netns: str) -> str:
    """Return the container id that cnitool derives from a namespace's path."""
    return "cnitool-" + hashlib.sha512(f"/run/netns/{netns}".encode()).hexdigest()[:20]

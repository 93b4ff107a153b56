"""Run a containerd of its own inside a world, and containers through its command line, ctr.

Roots, sockets and images lie on the world's /run, so the machine's own containerd, if there is one, is not
touched. containerd says by itself when it is ready (sd_notify(3)). `ctr run --cni` reads the network from
/etc/cni/net.d and plugins from /opt/cni/bin, both fixed in ctr; they are the world's own.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from podwire.demo.busybox_image import BUSYBOX, PAUSE
from podwire.demo.conflists import Json
from podwire.demo.container import Container
from podwire.demo.world import DEADLINE, World, WorldError

FOLDER = "/run/containerd"
SOCKET = f"{FOLDER}/containerd.sock"
CONF_FOLDER = "/etc/cni/net.d"
UNUSED = ("aufs", "btrfs", "devmapper", "zfs")  # snapshotters whose probing only fills the log

# restrict_oom_score_adj and disable_apparmor let pods start where those two may not be set (no
# CAP_SYS_RESOURCE, no AppArmor); where they may, nothing is lost here.
CONFIGURATION = f"""
version = 2
root = "{FOLDER}/root"
state = "{FOLDER}/state"
disabled_plugins = {json.dumps([f"io.containerd.snapshotter.v1.{name}" for name in UNUSED])}
[grpc]
address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "{CONF_FOLDER}"
"""


def is_available() -> bool:
    """Tell whether this machine has what containers need: containerd, its ctr, and runc."""
    return all(shutil.which(tool) for tool in ("containerd", "ctr", "runc"))


class Containerd:
    """Hold a running containerd; a context manager that ends it. Its shims end with the world."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.path(FOLDER).mkdir()
        world.path(f"{FOLDER}/config.toml").write_text(CONFIGURATION)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(world.path(f"{FOLDER}/notify")))
            ready.settimeout(DEADLINE)
            self._process = self._start()
            self._wait_ready(ready)

    def __enter__(self) -> Containerd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE)

    def log(self) -> str:
        """Return what containerd has written so far."""
        return self.world.path(f"{FOLDER}/log").read_text(errors="replace")

    def import_images(self, archive: Path, namespace: str = "default") -> None:
        """Read a docker archive; the CRI looks for images in the namespace k8s.io."""
        self.ctr("images", "import", str(archive), namespace=namespace)

    def set_network(self, conflist: Json) -> None:
        """Make this the one network that the next container joins."""
        target = self.world.path(f"{CONF_FOLDER}/10-podwire.conflist")
        target.write_text(json.dumps(conflist, indent=2))

    def ctr(self, *arguments: str, namespace: str = "default") -> str:
        """Run ctr to its end and return what it printed."""
        return self.world.run(["ctr", f"--address={SOCKET}", f"--namespace={namespace}", *arguments])

    def start(self, name: str, script: str = "true") -> Container:
        """Attach and start a container; return when `script` has run in it. It then stays until stopped."""
        return Container(self.world, ["ctr", f"--address={SOCKET}"], BUSYBOX, name, script)

    def _start(self) -> subprocess.Popen[bytes]:
        with self.world.path(f"{FOLDER}/log").open("wb") as log:
            return self.world.start(
                ["containerd", "--config", f"{FOLDER}/config.toml"],
                env={"NOTIFY_SOCKET": f"{FOLDER}/notify"}, stderr=log.fileno(),
            )  # fmt: skip

    def _wait_ready(self, ready: socket.socket) -> None:
        try:
            ready.recv(64)
        except TimeoutError as error:
            raise WorldError(f"containerd was not ready within {DEADLINE:.0f} s: {self.log()}") from error

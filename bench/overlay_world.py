"""Where the overlay is measured: namespaces without names, wires between them, etcd and agents in them.

Nothing here has a name that others could see: a namespace is a descriptor, folders are private mounts of the
bench's process, and what is started ends with it, however that ends.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import make_mounts_private
from cluster_store.opening import open_store
from cluster_store.store import Store, StoreUnavailable
from linuxnet.netns import CLONE_NEWNET, inside
from linuxnet.scratch import open_scratch_netns

PRIVATE = (
    "/run/netns", "/run/podwire", "/run/flannel", "/var/lib/cni", "/var/lib/podwire", "/etc/podwire",
)  # fmt: skip
ETCD_PORT = 2379
START = 20.0  # seconds; etcd is there after 0.3, an agent after 0.4
LOOK = 0.01  # seconds between two looks at what has no event


@dataclass(frozen=True)
class Box:
    """One network namespace, lo up."""

    netns: int

    @property
    def path(self) -> str:
        """Return what `ip` takes for it."""
        return f"/proc/{os.getpid()}/fd/{self.netns}"

    def run(self, *commands: str) -> str:
        """Run command lines one after the other; return what the last one printed."""
        said = ""
        with inside(self.netns):
            for command in commands:
                done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    raise RuntimeError(f"{command}: {done.stderr.strip() or done.stdout.strip()}")
                said = done.stdout
        return said

    def batch(self, program: str, lines: Sequence[str]) -> float:
        """Feed lines to `ip`, `bridge` or `nft`; return the seconds it took."""
        command = ["nft", "-f", "-"] if program == "nft" else [program, "-batch", "-"]
        with inside(self.netns):
            started = time.perf_counter()
            subprocess.run(command, input="\n".join(lines), text=True, check=True)
            return time.perf_counter() - started

    def start(self, command: Sequence[str], *, folder: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program that ends with this one; `folder` is its /etc/podwire, if it needs one."""
        whole = ["setpriv", "--pdeathsig", "KILL", *command]
        if folder is not None:
            mount = 'mount --bind "$0" /etc/podwire && exec "$@"'
            whole = ["unshare", "--mount", "sh", "-c", mount, str(folder), *whole]
        with inside(self.netns):
            return subprocess.Popen(whole, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def make_world_private() -> None:
    """Give this process folders and a network namespace of its own."""
    make_mounts_private(PRIVATE)
    leave_netns()


def leave_netns() -> None:
    """Move this process, as long as it is one thread, into a network namespace of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "a network namespace of one's own needs root")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@contextmanager
def boxes(number: int) -> Iterator[list[Box]]:
    """Make namespaces; they are gone afterwards, with all that is in them."""
    with ExitStack() as stack:
        made = []
        for _ in range(number):
            box = Box(open_scratch_netns())
            stack.callback(os.close, box.netns)
            box.run("ip link set lo up")
            made.append(box)
        yield made


def join(left: Box, name: str, right: Box, other: str, *, mtu: int = 1500) -> None:
    """Lay a wire between two namespaces, both ends up."""
    left.run(f"ip link add name {name} mtu {mtu} up type veth peer name {other} mtu {mtu} netns {right.path}")
    right.run(f"ip link set {other} up")


def make_segment(hub: Box, nodes: Sequence[Box], *, mtu: int = 1500) -> list[str]:
    """Join nodes by one Ethernet segment, a bridge in `hub`; return their addresses."""
    hub.run(f"ip link add name segment mtu {mtu} up type bridge")
    addresses = []
    for number, node in enumerate(nodes, 1):
        join(node, "eth0", hub, f"port{number}", mtu=mtu)
        hub.run(f"ip link set port{number} master segment")
        addresses.append(f"192.168.77.{number}")
        node.run(f"ip addr add {addresses[-1]}/24 dev eth0")
    return addresses


@contextmanager
def etcd(box: Box, address: str = "127.0.0.1") -> Iterator[str]:
    """Run an etcd in a namespace, and yield its URL as agent.toml takes it."""
    with scratch_folder("etcd") as folder:
        client, peer = f"http://{address}:{ETCD_PORT}", f"http://{address}:{ETCD_PORT + 1}"
        command = ["etcd", "--data-dir", str(folder), "--unsafe-no-fsync", "--logger", "zap"]
        command += ["--log-outputs", "/dev/null"]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        command += ["--initial-cluster", f"default={peer}", "--quota-backend-bytes", str(1 << 30)]
        server = box.start(command)
        url = f"etcd://{address}:{ETCD_PORT}"
        try:
            with opened(box, url) as store:
                wait_until(lambda: _answers(store, server), "etcd answers")
            yield url
        finally:
            server.kill()
            server.wait()


@contextmanager
def opened(box: Box, url: str) -> Iterator[Store]:
    """Open a store from within a namespace; the calling thread is in there meanwhile."""
    store = open_store(url)
    with inside(box.netns):
        try:
            yield store
        finally:
            store.close()


@contextmanager
def agent(box: Box, name: str, registry: str, *, net_conf: Path | None = None) -> Iterator[Agent]:
    """Run the real agent with an overlay, its state in a folder of its own."""
    with scratch_folder(name) as folder:
        write_settings(folder, name, registry, net_conf)
        command = [sys.executable, "-I", "-m", "podwire.agent", "--socket", f"{folder}/agent.sock"]
        started = time.monotonic()
        one = Agent(box.start(command, folder=folder), folder, started)
        try:
            yield one
        finally:
            one.process.terminate()
            one.process.wait()


@dataclass(frozen=True)
class Agent:
    """A running agent; `started` is when, by the monotonic clock, before anything was done for it."""

    process: subprocess.Popen[bytes]
    folder: Path
    started: float

    @property
    def socket(self) -> Path:
        """Return where it is asked."""
        return self.folder / "agent.sock"

    def memory(self, what: str = "VmRSS") -> float:
        """Return its memory in MiB; "VmHWM" is the most it ever had."""
        return memory_of(self.process.pid, what)

    def cpu(self) -> float:
        """Return the seconds of processor it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: proc(5)


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """Make a folder in memory, and remove it with all that is in it."""
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", dir="/run/podwire") as folder:
        yield Path(folder)


def write_settings(folder: Path, name: str, registry: str, net_conf: Path | None = None) -> None:
    """Write agent.toml for a node whose files all lie in one folder."""
    lines = ("[overlay]", f'registry = "{registry}"', f'node = "{name}"', f'state = "{folder}/state"',
             f'subnet_env = "{folder}/subnet.env"', f'net_conf = "{net_conf or ""}"')  # fmt: skip
    (folder / "agent.toml").write_text("\n".join(lines) + "\n")


def memory_of(pid: int | str, what: str = "VmRSS") -> float:
    """Return a process's memory in MiB, by its line in /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no {what}: it has ended")


def wait_until(is_so: Callable[[], bool], what: str, within: float = START) -> None:
    """Look until something is so.

    Raises:
        RuntimeError: it was not in time.
    """
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"after {within:g} s it is still not so that {what}")
        time.sleep(LOOK)


def say(what: str) -> None:
    """Tell who waits what is going on."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


def _answers(store: Store, server: subprocess.Popen[bytes]) -> bool:
    if server.poll() is not None:
        raise RuntimeError(f"etcd has ended with status {server.returncode}")
    try:
        store.read("/")
    except StoreUnavailable:
        return False
    return True

"""The ground that nodes stand on: one process 1 for the whole lab, the segments, the router and etcd.

The lab's process 1 holds a network, mount and pid namespace, in which every node is made. When it is killed,
the kernel ends every process of the lab (pid_namespaces(7)), and links, mounts and files go with the last
of them: a lab cannot end by halves.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from cni_spec.errors import MISSING_TOOL, CniError
from linuxnet.netns import inside, open_netns
from podwire.lab.blueprint import ETCD_PORT, IMAGES, PODS, SHARED, Blueprint, RegistryKind, router, router6
from podwire.lab.errors import LabError
from podwire.lab.finding import mark
from podwire.lab.folder import LabFolder
from podwire.lab.inside import begin_machine, go, root, run, start

ETCD_DEADLINE = 30.0  # seconds from its start to the first client's connection
ETCD_LOOK = 0.02  # seconds between two attempts to connect
ETCD = "etcd"
BLOCKED = "no_registry"  # nodes whose packets to etcd are dropped: `lab break NODE registry`

# Whoever wrote no line has been killed. The machine's names of namespaces are not ours to keep alive.
BEGIN = """
read -r line && [ "$line" = go ] || exit 1
set -e
mount --make-rprivate /
mount -t proc proc /proc
while read -r _ _ _ _ place _; do
    case "$place" in /run/netns | /run/netns/* | /var/run/netns/*) echo "$place" ;; esac
done </proc/self/mountinfo | tac | while read -r place; do
    umount -l "$place" 2>/dev/null || :  # it went with the one it stood on
done
"""
# SIGCHLD ignored stays ignored over exec, so that the kernel reaps the orphans that process 1 inherits.
REST = """
echo furnished
exec env --ignore-signal=CHLD sleep infinity </dev/null >/dev/null 2>&1
"""
GROUND = f"""{BEGIN}
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p {SHARED}/bin {SHARED}/new {SHARED}/shared/registry {SHARED}/shared/services {SHARED}/etcd
mkdir -p {PODS} {IMAGES}
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
{REST}"""

ETCD_RULES = f"""
table inet lab {{
    set {BLOCKED} {{ type ipv4_addr; }}
    chain input {{
        type filter hook input priority filter;
        ip saddr @{BLOCKED} tcp dport {ETCD_PORT} drop
    }}
}}
"""


def begin_ground(folder: LabFolder) -> subprocess.Popen[bytes]:
    """Begin to make the lab's process 1."""
    machine = begin_machine(GROUND, mark(folder.name))
    go(machine)
    return machine


def lay_segments(blueprint: Blueprint, pid: int) -> None:
    """Make the bridges that are the segments, with the router's address on each."""
    lines = []
    for number in blueprint.segments:
        link = segment(number)
        lines += [
            f"link add {link} mtu {blueprint.mtu} type bridge",
            f"addr add {router(number)}/16 dev {link}",
            f"addr add {router6(number)}/64 dev {link} nodad",
            f"link set {link} up",
        ]
    run(pid, ["ip", "-batch", "-"], "\n".join(lines))


def segment(number: int) -> str:
    """Return the name of a segment's bridge."""
    return f"segment{number + 1}"


def install_plugins(pid: int) -> None:
    """Put the plugins' executables where every node sees them, as `podwire install` does."""
    from cni_plugins.registry import PLUGIN_TYPES
    from podwire.install.launchers import launcher

    for name in PLUGIN_TYPES:
        path = root(pid, f"{SHARED}/bin/{name}")
        path.write_bytes(launcher(name))
        path.chmod(0o755)


def start_etcd(folder: LabFolder, pid: int) -> None:
    """Start etcd beside the segments, behind what can keep nodes away from it."""
    run(pid, ["nft", "-f", "-"], ETCD_RULES)
    run_etcd(folder, pid)


def run_etcd(folder: LabFolder, pid: int) -> None:
    """Run etcd on what it has; nothing it keeps outlives the lab, so it need not write it through."""
    url = f"http://{router(0)}:{ETCD_PORT}"
    argv = [
        ETCD, f"--data-dir={SHARED}/etcd", f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level=error",
    ]  # fmt: skip
    start(pid, argv, {}, folder.logs / "etcd.log")


def await_registry(blueprint: Blueprint, folder: LabFolder, pid: int) -> None:
    """Wait until etcd takes connections; a folder is there at once."""
    if blueprint.registry is not RegistryKind.ETCD:
        return
    deadline = time.monotonic() + ETCD_DEADLINE
    while not _answers(pid):
        if time.monotonic() > deadline:
            said = Path(folder.logs / "etcd.log").read_text()[-2000:]
            raise LabError(f"etcd takes no connections after {ETCD_DEADLINE:.0f} s", said)
        time.sleep(ETCD_LOOK)


def require_tools(blueprint: Blueprint) -> None:
    """Look for what a lab is made with. Raises CniError, code 107, naming the package."""
    needed = {"ip": "iproute2", "nsenter": "util-linux", "mount": "mount"}
    if blueprint.registry is RegistryKind.ETCD:
        needed |= {ETCD: "etcd-server", "nft": "nftables"}
    for tool, package in needed.items():
        if shutil.which(tool) is None:
            raise CniError(MISSING_TOOL, f"a lab needs {tool}, which is not here: install {package}")


def _answers(pid: int) -> bool:
    netns = open_netns(f"/proc/{pid}/ns/net")
    try:
        with inside(netns), socket.socket() as client:
            return client.connect_ex((router(0), ETCD_PORT)) == 0
    finally:
        os.close(netns)

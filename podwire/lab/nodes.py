"""One node: a network, mount and pid namespace with an agent of its own, plugged into a segment.

Its /run is new, /etc, /opt and /var are the machine's under an overlay in memory, and where podwire and CNI
keep things is empty. What it shares with the other nodes is at /run/lab.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

from cluster_store.file_changes import FileChanges
from podwire.lab.blueprint import (
    AGENT_SOCKET,
    NET_CONF,
    PLUGINS,
    SHARED,
    Blueprint,
    conflist,
    router,
    router6,
)
from podwire.lab.errors import LabError
from podwire.lab.finding import end, is_in, mark
from podwire.lab.folder import LabFolder
from podwire.lab.ground import BEGIN, REST, segment
from podwire.lab.inside import begin_machine, go, root, run, start
from podwire.lab.own_folders import own_folders
from podwire.lab.places import is_rootless

AGENT_DEADLINE = 30.0  # seconds from its start to its socket, on a machine busy with others
UPLINK = "eth0"
PODWIRE = (sys.executable, "-P", "-c", "from podwire.main import main; main()")  # the command line

FOLDERS = "@folders@"  # own_folders

NODE = f"""{BEGIN}
mount -t tmpfs -o mode=755 tmpfs {SHARED}/new
mkdir -p {SHARED}/new/lab {SHARED}/new/netns {SHARED}/new/cgroup
mount --rbind /sys/fs/cgroup {SHARED}/new/cgroup
mount -t sysfs sysfs /sys
mount -n --move {SHARED}/new/cgroup /sys/fs/cgroup
mount --bind {SHARED} {SHARED}/new/lab
mount -n --move {SHARED}/new /run
{FOLDERS}
for folder in /etc/cni /etc/podwire {PLUGINS} /var/lib/cni /var/lib/podwire /dev/shm; do
    mkdir -p $folder
    mount -t tmpfs -o mode=755 tmpfs $folder
done
mkdir -p /etc/cni/net.d /run/flannel /run/podwire
mount --bind {SHARED}/bin {PLUGINS}
hostname "${{PODWIRE_LAB#*/}}"
rm -f /etc/resolv.conf
echo "nameserver {router(0)}" >/etc/resolv.conf  # where nobody answers: a lab has its own names only
ip link set lo up
{REST}"""


def begin_node(blueprint: Blueprint, lab: int, node: str) -> subprocess.Popen[bytes]:
    """Begin to make a node's process 1 within the lab's."""
    machine = begin_machine(_script(node), mark(blueprint.name, node), lab)
    go(machine)
    return machine


def _script(node: str) -> str:
    """Return what furnishes a node."""
    folders = own_folders(is_rootless=is_rootless())
    return NODE.replace(FOLDERS, folders).replace("${PODWIRE_LAB#*/}", node)


def plug_in(blueprint: Blueprint, lab: int, nodes: dict[str, int]) -> None:
    """Lay a cable from each node to its segment, and give the nodes their addresses."""
    lines = []
    for node, pid in nodes.items():
        ends = f"{node} mtu {blueprint.mtu} type veth peer name {UPLINK} mtu {blueprint.mtu} netns {pid}"
        lines += [f"link add {ends}", f"link set {node} master {segment(blueprint.segment_of(node))} up"]
    run(lab, ["ip", "-batch", "-"], "\n".join(lines))
    for node, pid in nodes.items():
        run(pid, ["ip", "-batch", "-"], "\n".join(_addressing(blueprint, node)))


def _addressing(blueprint: Blueprint, node: str) -> Iterable[str]:
    number = blueprint.segment_of(node)
    yield f"link set {UPLINK} up"
    yield f"addr add {blueprint.address(node)}/16 dev {UPLINK}"
    yield f"route add default via {router(number)}"
    if blueprint.dual_stack:  # else tunnels would be as small as those over IPv6 must be
        yield f"addr add {blueprint.address6(node)}/64 dev {UPLINK} nodad"
        yield f"route add ::/0 via {router6(number)}"


def configure(blueprint: Blueprint, node: str, pid: int) -> None:
    """Write a node's configuration, as its owner would."""
    for path, text in (
        ("/etc/podwire/agent.toml", blueprint.agent_toml(node)),
        (NET_CONF, blueprint.net_conf()),
        ("/etc/cni/net.d/10-lab.conflist", conflist()),
    ):
        root(pid, path).write_text(text)


def start_agent(folder: LabFolder, node: str, pid: int) -> None:
    """Start a node's agent."""
    start(pid, [*PODWIRE, "agent"], {"HOME": "/root"}, folder.logs / f"{node}.log")


def await_agent(folder: LabFolder, node: str, pid: int) -> None:
    """Wait until a node's agent listens. Raises LabError if it does not; its log says why."""
    deadline = time.monotonic() + AGENT_DEADLINE
    changes = FileChanges(root(pid, AGENT_SOCKET).parent)
    try:
        while not agent_of(pid):
            left = deadline - time.monotonic()
            if left <= 0:
                log = folder.logs / f"{node}.log"
                raise LabError(f"the agent of {node} does not listen after {AGENT_DEADLINE:.0f} s; see {log}")
            select.select([changes.fd], [], [], left)
            changes.take()
    finally:
        changes.close()


def agent_of(pid: int) -> int:
    """Return the process that listens on a node's agent socket, 0 if none does.

    The kernel names the listener in numbers of our pid namespace (unix(7), SO_PEERCRED).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(1.0)
        with suppress(OSError):  # nobody listens
            caller.connect(str(root(pid, AGENT_SOCKET)))
            credentials = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            found, _, _ = struct.unpack("3i", credentials)
            return int(found) if is_in(found, pid) else 0
    return 0


def kill_agent(pid: int) -> int:
    """Kill a node's agent, as a defect would; return which process it was, 0 if there was none."""
    if agent := agent_of(pid):
        end([agent])
    return agent


def unplug(lab: int, node: str) -> None:
    """Take a node's cable away, which is gone with the node, but not at once."""
    with suppress(OSError):
        subprocess.run(
            ["nsenter", f"--net=/proc/{lab}/ns/net", "ip", "link", "del", node],
            capture_output=True, check=False, env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        )  # fmt: skip

"""The tunnel's UDP ports: free, ours, or whose. Tried by setting a device up, where none of ours is."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from linuxnet.errors import KernelError
from linuxnet.netlink import Netlink
from linuxnet.vxlan import Vxlan
from linuxnet.vxlan_ports import is_port_free, vxlan_devices
from overlay.devices import own_devices
from podwire.doctor.cluster import Cluster
from podwire.doctor.verdict import State, Verdict

UDP_TABLES = ("/proc/thread-self/net/udp", "/proc/thread-self/net/udp6")  # proc_pid_net(5)


def look_at_ports(cluster: Cluster) -> Iterator[Verdict]:
    """Yield a verdict on the port of either tunnel mode."""
    netlink = Netlink()
    try:
        devices = [one for one in vxlan_devices(netlink) if one.is_up]  # a port is bound by who is up
        for mode, port in (("vxlan", cluster.vxlan_port), ("vxlan-gpe", cluster.gpe_port)):
            yield _look_at(netlink, mode, port, [one for one in devices if one.port == port])
    finally:
        netlink.close()


def _look_at(netlink: Netlink, mode: str, port: int, devices: list[Vxlan]) -> Verdict:
    name, breaks = f"UDP port {port}", f"overlay mode {mode}: its device cannot be set up (EADDRINUSE)"
    own = own_devices(netlink)
    if ours := [one for one in devices if one.name in own]:
        return Verdict(name, State.FINE, f"ours: {describe(ours[0])}", breaks)
    try:
        is_free = is_port_free(netlink, port, gpe=mode == "vxlan-gpe")
    except KernelError as error:
        if error.errno != errno.EPERM:
            return Verdict(
                name, State.LACKING, str(error), breaks, "a kernel with CONFIG_VXLAN, or its module"
            )
        return _without_a_trial(name, mode, port, devices, breaks)
    if is_free:
        shared = ", ".join(map(describe, devices))
        return Verdict(name, State.FINE, f"shared with {shared}" if shared else "free", breaks)
    return _taken(name, port, devices, breaks)


def _without_a_trial(name: str, mode: str, port: int, devices: list[Vxlan], breaks: str) -> Verdict:
    is_external = mode == "vxlan-gpe"
    others = [one for one in devices if one.is_external != is_external]
    if others or _socket_inodes(port) - {0}:  # the kernel's own sockets have inode 0
        return _taken(name, port, others, breaks)
    return Verdict(name, State.UNSEEN, "only root can try it", breaks, "sudo podwire doctor")


def _taken(name: str, port: int, devices: list[Vxlan], breaks: str) -> Verdict:
    if devices:
        found = "taken by " + ", ".join(map(describe, devices))
        remove = f"ip link del {devices[0].name}"
    else:
        found, remove = f"taken by {_program(port)}", f"ss -ulpn sport = :{port}, and stop that program"
    advice = f'{remove}; or choose another in net-conf.json: "Backend": {{"Port": …}}, the same on every node'
    return Verdict(name, State.LACKING, found, breaks, advice)


def _program(port: int) -> str:
    """Name the process that has a socket on a port, as far as one may look."""
    wanted = {f"socket:[{inode}]" for inode in _socket_inodes(port)}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(entry) in wanted for entry in os.scandir(folder)):  # noqa: PTH115
                return f"{(folder.parent / 'comm').read_text().strip()} (pid {folder.parent.name})"
        except OSError:  # gone, or another user's
            continue
    return "a program's socket"


def _socket_inodes(port: int) -> set[int]:
    found = set()
    for table in UDP_TABLES:
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        rows = [line.split() for line in lines]
        found |= {int(row[9]) for row in rows if int(row[1].rpartition(":")[2], 16) == port}
    return found


def describe(device: Vxlan) -> str:
    """Name a device and what it says of its port."""
    return f"{device.name} {'external' if device.is_external else f'vni {device.vni}'}"

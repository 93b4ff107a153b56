"""Who receives VXLAN on which UDP port, and whether one more device may: a port's users must agree.

Devices share a port if their VNIs differ and `external`, `gpe`, `gbp` and `udp6zerocsumrx` are equal. What
does not agree is made without complaint, and refused with EADDRINUSE when it is set up (vxlan_sock_add in
drivers/net/vxlan/vxlan_core.c), so that only a trial can tell.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from linuxnet.errors import KernelError
from linuxnet.pyroute import Pyroute

TRIAL_NAME = "podwire-trial"
TRIAL_VNI = 0xFFFFFE  # the last but one of 24 bits: nobody counts up to it


@dataclass(frozen=True)
class VxlanDevice:
    """A VXLAN device; `vni` 0 where each packet says its own; `link`: the index of what it is on, or 0."""

    index: int
    name: str
    alias: str
    mtu: int
    is_up: bool
    vni: int
    port: int
    link: int
    is_external: bool
    is_gpe: bool
    is_gbp: bool

    def __str__(self) -> str:
        flags = {"external": self.is_external, "gpe": self.is_gpe, "gbp": self.is_gbp}
        said = [name for name, is_set in flags.items() if is_set]
        return " ".join([self.name, *([f"vni {self.vni}"] if not self.is_external else []), *said])


def vxlan_devices(netlink: Pyroute) -> list[VxlanDevice]:
    """Return the VXLAN devices of the namespace."""
    found = []
    for message in netlink.request("link", "dump"):
        info = message.get_attr("IFLA_LINKINFO")
        if info is None or info.get_attr("IFLA_INFO_KIND") != "vxlan":
            continue
        data = info.get_attr("IFLA_INFO_DATA")
        device = VxlanDevice(
            index=message["index"],
            name=message.get_attr("IFLA_IFNAME"),
            alias=message.get_attr("IFLA_IFALIAS") or "",
            mtu=message.get_attr("IFLA_MTU"),
            is_up=bool(message["flags"] & 1),  # IFF_UP (linux/if.h)
            vni=data.get_attr("IFLA_VXLAN_ID") or 0,
            port=data.get_attr("IFLA_VXLAN_PORT"),
            link=data.get_attr("IFLA_VXLAN_LINK") or 0,
            is_external=bool(data.get_attr("IFLA_VXLAN_COLLECT_METADATA")),
            is_gpe=data.get_attr("IFLA_VXLAN_GPE") is not None,
            is_gbp=data.get_attr("IFLA_VXLAN_GBP") is not None,
        )
        found.append(device)
    return found


def is_port_free(netlink: Pyroute, port: int, *, gpe: bool) -> bool:
    """Set up a device on a port, remove it, and tell whether the kernel let it.

    Raises:
        KernelError: it refused for another reason: rights, or a kernel without VXLAN.
    """
    _remove_trial(netlink)  # of a process that was killed in its own
    try:
        netlink.request("link", "add", ifname=TRIAL_NAME, kind="vxlan", vxlan_port=port, **_MODES[gpe])
        netlink.request("link", "set", ifname=TRIAL_NAME, state="up")
    except KernelError as error:
        if error.errno not in (
            errno.EADDRINUSE,
            errno.EEXIST,
        ):  # EEXIST: there is one external device already
            raise
        return False
    finally:
        _remove_trial(netlink)
    return True


_MODES = {
    False: {"vxlan_id": TRIAL_VNI},
    True: {"vxlan_collect_metadata": 1, "vxlan_gpe": True, "vxlan_learning": 0},
}


def _remove_trial(netlink: Pyroute) -> None:
    try:
        netlink.request("link", "del", ifname=TRIAL_NAME)
    except KernelError as error:
        if error.errno not in (errno.ENODEV, errno.EPERM):  # EPERM: then none could be made either
            raise

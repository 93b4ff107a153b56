"""Who receives VXLAN on which UDP port, and whether one more device may: a port's users must agree.

Devices share a port if their VNIs differ and `external`, `gpe`, `gbp` and `udp6zerocsumrx` are equal. What
does not agree is made without complaint, and refused with EADDRINUSE when it is set up (vxlan_sock_add in
drivers/net/vxlan/vxlan_core.c), so that only a trial can tell.
"""

from __future__ import annotations

import errno

from linuxnet.errors import Busy, KernelError
from linuxnet.netlink import Netlink
from linuxnet.vxlan import Vxlan, create_vxlan, find_vxlan, remove_vxlan

TRIAL_NAME = "podwire-trial"
TRIAL_VNI = 0xFFFFFE  # the last but one of 24 bits: nobody counts up to it


def vxlan_devices(netlink: Netlink) -> list[Vxlan]:
    """Return the VXLAN devices of the namespace."""
    names = [link.name for link in netlink.links() if link.kind == "vxlan"]
    return [device for name in names if (device := find_vxlan(netlink, name)) is not None]


def is_port_free(netlink: Netlink, port: int, *, gpe: bool) -> bool:
    """Set up a device on a port, remove it, and tell whether the kernel let it.

    Raises:
        KernelError: it refused for another reason: rights, or a kernel without VXLAN.
    """
    vni = 0 if gpe else TRIAL_VNI
    try:
        _remove_trial(netlink)  # of a process that was killed in its own
        create_vxlan(netlink, Vxlan(TRIAL_NAME, port, vni, is_external=gpe))
    except Busy:
        return False
    except KernelError as error:
        if error.errno != errno.EEXIST:  # there is one external device already
            raise
        return False
    finally:
        _remove_trial(netlink)
    return True


def _remove_trial(netlink: Netlink) -> None:
    try:
        remove_vxlan(netlink, TRIAL_NAME)
    except KernelError as error:
        if error.errno != errno.EPERM:  # then none could be made either
            raise

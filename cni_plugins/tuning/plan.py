"""What an ADD of tuning does, as values."""

from __future__ import annotations

from typing import Any

from cni_plugins.tuning.config import Wishes, sysctl_path
from linuxnet.links import LinkState
from linuxnet.op import Op, Where
from linuxnet.sysctls import Sysctl


def plan(wishes: Wishes, ifname: str) -> tuple[Op, ...]:
    """List the operations, in the reference's order: sysctls first, then the link, a field each."""
    sysctls = [Sysctl(Where.CONTAINER, sysctl_path(k, ifname), v) for k, v in wishes.sysctl.items()]
    states = [
        LinkState(Where.CONTAINER, ifname, **{key: value}) for key, value in wanted_state(wishes).items()
    ]
    return *sysctls, *states


def wanted_state(wishes: Wishes) -> dict[str, Any]:
    """Return what is wanted of the link, under `LinkState`'s names."""
    keys = ("mac", "promisc", "mtu", "allmulti", "txqlen")
    return {key: getattr(wishes, key) for key in keys if getattr(wishes, key) is not None}

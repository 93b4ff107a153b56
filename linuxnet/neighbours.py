"""Neighbours: which link address an IP address has, said by us and not asked on the wire."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netaddr import IPAddress

from linuxnet.errors import KernelError
from linuxnet.kernel import Kernel
from linuxnet.op import Inverse, Op, Where

NUD_PERMANENT = 0x80  # linux/neighbour.h


@dataclass(frozen=True)
class Neighbour:
    """A permanent entry of a link's neighbour table; `mac` in the kernel's spelling."""

    where: Where
    ifname: str
    address: IPAddress
    mac: str

    def __str__(self) -> str:
        entry = f"{self.address} lladdr {self.mac} dev {self.ifname} nud permanent"
        return f"ip {self.where}neighbour replace {entry}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Set it; the inverse puts back what was said of the address before."""
        if self.difference(kernel) is None:
            return None
        before = self._seen(kernel)
        fields = {"lladdr": self.mac, "state": NUD_PERMANENT, **_place(kernel, self)}
        kernel.at(self.where).request("neigh", "replace", **fields)
        if before is not None and before["state"] & NUD_PERMANENT:
            return Neighbour(self.where, self.ifname, self.address, before["lladdr"])
        return RemoveNeighbour(self)

    def difference(self, kernel: Kernel) -> str | None:
        """Compare the entry."""
        seen = self._seen(kernel)
        if seen is None or not seen["state"] & NUD_PERMANENT:
            return f"neighbour {self.address} is missing on {self.ifname}"
        said = seen.get("lladdr")
        return (
            None
            if said == self.mac
            else f"neighbour {self.address} on {self.ifname} is {said}, not {self.mac}"
        )

    def _seen(self, kernel: Kernel) -> Mapping[str, Any] | None:
        link = kernel.at(self.where).find_link(self.ifname)
        entries = kernel.at(self.where).neighbours(link.index) if link else []
        return next((one for one in entries if one.get("dst") == str(self.address)), None)


@dataclass(frozen=True)
class RemoveNeighbour(Inverse):
    """Take an entry away; gone already, with or without the link, is fine."""

    entry: Neighbour

    def __str__(self) -> str:
        return f"ip {self.entry.where}neighbour del {self.entry.address} dev {self.entry.ifname}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove it if it is there."""
        try:
            kernel.at(self.entry.where).request("neigh", "del", **_place(kernel, self.entry))
        except KernelError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):  # gone: what we wanted
                raise
        return None


def _place(kernel: Kernel, entry: Neighbour) -> dict[str, Any]:
    return {"dst": str(entry.address), "ifindex": kernel.at(entry.where).get_link(entry.ifname).index}

"""Addresses on links."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netaddr import IPNetwork

from linuxnet.errors import Conflict, KernelError
from linuxnet.kernel import Kernel
from linuxnet.links import is_idle
from linuxnet.op import Inverse, Op, Where
from linuxnet.rtnetlink import IFA_F_NODAD

IFA_F_DADFAILED = 0x08
IFA_F_NOPREFIXROUTE = 0x200  # no route to the address's network comes with it


@dataclass(frozen=True)
class Address:
    """An address with its network's prefix length (its host bits are the address).

    IPv6 addresses skip duplicate-address detection (1.4 to 2 s) unless `dad`: the pool hands out each
    once. `shared`: a gateway's address on a bridge, which stays as long as the bridge. `bare`: without the
    route to its network that the kernel would add.
    """

    where: Where
    ifname: str
    address: IPNetwork
    dad: bool = False
    shared: bool = False
    bare: bool = False

    def __str__(self) -> str:
        options = " nodad" if self._skips_dad() else ""
        options += " noprefixroute" if self.bare else ""
        return f"ip {self.where}address add {self.address} dev {self.ifname}{options}"

    def _skips_dad(self) -> bool:
        return self.address.version == 6 and not self.dad

    def apply(self, kernel: Kernel) -> Op | None:
        """Add it; one that is there already is fine."""
        if self.shared:
            _ = kernel.shared
        try:
            kernel.at(self.where).request("addr", "add", **self._fields(kernel))
        except KernelError as error:
            if error.errno == errno.EEXIST:
                return None
            raise
        return RemoveAddress(self.where, self.ifname, self.address, self.shared)

    def difference(self, kernel: Kernel) -> str | None:
        """Look for it, and for a failed duplicate-address detection."""
        link = kernel.at(self.where).find_link(self.ifname)
        seen = (
            [a for a in kernel.at(self.where).addresses(link.index) if is_same(a, self.address)]
            if link
            else []
        )
        if not seen:
            return f"address {self.address} is missing on {self.ifname}"
        if seen[0]["flags"] & IFA_F_DADFAILED:
            return f"address {self.address} on {self.ifname} is a duplicate of another machine's"
        return None

    def _fields(self, kernel: Kernel) -> dict[str, Any]:
        index = kernel.at(self.where).index_of(self.ifname)
        found: dict[str, Any] = {
            "index": index, "address": str(self.address.ip), "prefixlen": self.address.prefixlen,
        }  # fmt: skip
        flags = IFA_F_NODAD * self._skips_dad() | IFA_F_NOPREFIXROUTE * self.bare
        if flags:
            found["flags"] = flags
        if self.address.version == 4 and self.address.prefixlen < 31:
            found["broadcast"] = str(self.address.broadcast)
        return found


@dataclass(frozen=True)
class RemoveAddress(Inverse):
    """Take an address off a link; gone already, with or without the link, is fine."""

    where: Where
    ifname: str
    address: IPNetwork
    shared: bool = False

    def __str__(self) -> str:
        return f"ip {self.where}address delete {self.address} dev {self.ifname}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove it, unless it is shared and somebody else is at work."""
        link = kernel.at(self.where).find_link(self.ifname)
        if link is None or (self.shared and not is_idle(kernel, link)):
            return None
        remove_address(kernel, self.where, link.index, self.address)
        return None


@dataclass(frozen=True)
class GatewayAddress:
    """The gateway's address on a bridge that attachments share.

    Another address of the same family whose network overlaps is in the way: an error, or taken off where
    the configuration says `forceAddress`. IPv6 networks that do not overlap live side by side; those of
    IPv4 do if `several`, else any other IPv4 address is in the way, as in the reference.
    """

    bridge: str
    address: IPNetwork
    force: bool = False
    several: bool = False

    def __str__(self) -> str:
        return str(self._add())

    def _add(self) -> Address:
        return Address(Where.HOST, self.bridge, self.address, shared=True)

    def apply(self, kernel: Kernel) -> Op | None:
        """Add it after what is in the way is gone. Raises Conflict if something is and must stay."""
        _ = kernel.shared
        index = kernel.host.index_of(self.bridge)
        seen = kernel.host.addresses(index)
        others = self._in_the_way(seen)
        if not others and any(is_same(one, self.address) for one in seen):
            return None
        if others and not self.force:
            raise Conflict(
                f"bridge {self.bridge} has the address {others[0]} already, which is not {self.address}; "
                '"forceAddress": true would replace it'
            )
        for other in others:
            remove_address(kernel, Where.HOST, index, other)
        added = kernel.apply(self._add())
        if added is None and not others:
            return None
        return ReplaceAddresses(added, tuple(Address(Where.HOST, self.bridge, one) for one in others))

    def difference(self, kernel: Kernel) -> str | None:
        """Look for the address."""
        return self._add().difference(kernel)

    def _in_the_way(self, seen: Iterable[Mapping[str, Any]]) -> list[IPNetwork]:
        mine = self.address
        others = [
            network_of(a)
            for a in seen
            if a["address"] and not is_same(a, mine) and not network_of(a).ip.is_link_local()
        ]
        return [
            other
            for other in others
            if other.version == mine.version
            and (
                (mine.version == 4 and not self.several) or other.cidr in mine.cidr or mine.cidr in other.cidr
            )
        ]


@dataclass(frozen=True)
class ReplaceAddresses(Inverse):
    """Take a gateway's address off its bridge again and put back those that were in its way."""

    remove: Op | None
    restore: tuple[Address, ...]

    def __str__(self) -> str:
        return "; ".join(str(op) for op in (self.remove, *self.restore) if op is not None)

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove, then restore."""
        for op in (self.remove, *self.restore):
            if op is not None:
                kernel.apply(op)
        return None


def remove_address(kernel: Kernel, where: Where, index: int, address: IPNetwork) -> None:
    """Take one address off; gone already is fine."""
    try:
        kernel.at(where).request(
            "addr", "del", index=index, address=str(address.ip), prefixlen=address.prefixlen
        )
    except KernelError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):  # gone: what we wanted
            raise


def network_of(seen: Mapping[str, Any]) -> IPNetwork:
    """Return an address the kernel showed, with its prefix length."""
    return IPNetwork(f"{seen.get('local') or seen['address']}/{seen['prefixlen']}")


def is_same(seen: Mapping[str, Any], wanted: IPNetwork) -> bool:
    """Tell whether an address the kernel showed is this one, prefix length and all."""
    found = network_of(seen)
    return found.ip == wanted.ip and found.prefixlen == wanted.prefixlen

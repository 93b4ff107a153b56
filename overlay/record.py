"""NodeRecord: what one node tells the others: which subnets are behind it and how it is spoken to.

A registry keeps it in flannel's form, with what flannel does not know beside it (`flannel_form.py`). The
receiver's record decides: who sends to a node uses a mode that this node offers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from overlay.subnet import Subnet

WIRE_VERSION = 1  # of what nodes say to each other beyond flannel; a reader skips what is newer


class Mode(StrEnum):
    """How packets reach a node."""

    VXLAN = "vxlan"  # classic, as flannel does
    GPE = "vxlan-gpe"  # VXLAN-GPE without Ethernet, by external mode
    DIRECT = "direct"  # plain routes: the underlay is one segment


@dataclass(frozen=True, slots=True)
class Offer:
    """One way in. `port` is UDP's, 0 for the network's own; the MACs are the VTEPs' by outer family."""

    mode: Mode
    port: int = 0
    vni: int = 0
    mac4: str = ""
    mac6: str = ""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node. The first subnet of a family is its lease's, others are blocks that it took later.

    `key` is what the registry calls the lease: flannel's "10.244.17.0-24", or the Kubernetes Node's name.
    `node` is the node's own name, "" where a flanneld wrote the record. `boot` tells one life of the
    node's kernel from another. Offers come in the order the node prefers. `mtu` in bytes, of its underlay;
    0: it does not say. `created` orders claims: of two that overlap the lower is the owner. `is_live` False:
    its liveness has expired, its ownership has not. `block_of`: the lease it is a further block of.
    """

    key: str
    subnets: tuple[Subnet, ...]
    public4: str = ""
    public6: str = ""
    offers: tuple[Offer, ...] = ()
    node: str = ""
    boot: str = ""
    mtu: int = 0
    zone: str = ""
    wire_version: int = 0  # 0: a flanneld's
    created: int = 0
    is_live: bool = True
    block_of: str = ""

    def offer(self, mode: Mode) -> Offer | None:
        """Return the node's offer of a mode."""
        return next((one for one in self.offers if one.mode is mode), None)

    def subnets_of(self, version: int) -> tuple[Subnet, ...]:
        """Return the subnets of a family."""
        return tuple(one for one in self.subnets if one.version == version)

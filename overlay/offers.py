"""What this node offers the others, also while its mode, port or VNI changes. Pure.

Make before break: the new way in is offered beside the old one, which goes when every node that lives has the
new one as well and a while has passed. Who sends takes the first offer that it can speak, so that all change
over one by one, and nothing is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from overlay.net_conf import NetConf
from overlay.record import Mode, NodeRecord, Offer

GRACE = 10.0  # seconds after which everybody has seen what everybody offers


def vtep_mac(node: str, outer: int) -> str:
    """Return the MAC that a node's VTEP has for good: a local address made of the node's name."""
    digest = hashlib.sha256(f"{node} {outer}".encode()).digest()
    return bytes([digest[0] & 0xFC | 0x02, *digest[1:6]]).hex(":")


def with_known_macs(wanted: NodeRecord, before: NodeRecord | None, node: str) -> NodeRecord:
    """Return a record with the MACs its lease has had, where those wanted are only made of the name.

    A flanneld's device goes with a reboot, and its random MAC is known from the lease alone: flannel's nodes,
    which would keep a dead entry of it for ever, need not learn another.
    """
    known = before.offer(Mode.VXLAN) if before else None
    if known is None:
        return wanted
    offers = tuple(_with_macs(one, known, node) if one.mode is Mode.VXLAN else one for one in wanted.offers)
    return replace(wanted, offers=offers)


def configured_offer(conf: NetConf, mac4: str, mac6: str) -> Offer:
    """Return the offer that the network's configuration asks for. The MACs are of this node's VTEPs."""
    backend = conf.backend
    if backend.mode is Mode.DIRECT:
        return Offer(Mode.DIRECT)
    macs = (mac4, mac6) if backend.mode is Mode.VXLAN else ("", "")
    return Offer(backend.mode, backend.tunnel_port, backend.vni, *macs)


def offers_now(wanted: Offer, before: Iterable[Offer]) -> tuple[Offer, ...]:
    """Return what to offer: the wanted way first, then those that others may still use."""
    kept = [one for one in before if not is_same_way(one, wanted)]
    return (wanted, *kept)


def may_drop_old(wanted: Offer, others: Iterable[NodeRecord]) -> bool:
    """Tell whether every node can be spoken to in the new way: then nobody needs the old one.

    A flanneld says no port, and has the network's; it learns a new VNI when it is started again, and a new
    mode never: so long the old way stays.
    """
    return all(
        any(is_same_way(replace(offer, port=offer.port or wanted.port), wanted) for offer in record.offers)
        for record in others
        if record.is_live
    )


def is_same_way(one: Offer, other: Offer) -> bool:
    """Tell whether two offers are spoken to by the same device; MACs are the receiver's business."""
    return (one.mode, one.port, one.vni) == (other.mode, other.port, other.vni)


def _with_macs(offer: Offer, known: Offer, node: str) -> Offer:
    mac4 = known.mac4 if known.mac4 and offer.mac4 == vtep_mac(node, 4) else offer.mac4
    mac6 = known.mac6 if known.mac6 and offer.mac6 == vtep_mac(node, 6) else offer.mac6
    return replace(offer, mac4=mac4, mac6=mac6)

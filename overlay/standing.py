"""Standing: finds out where this node stands, and makes it so: uplinks, offers, devices, sysctls.

Called at the start and whenever a link, an address or the configuration has changed; where nothing has,
nothing is done.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from linuxnet.errors import Busy
from linuxnet.netlink import Netlink
from linuxnet.tunnel_guard import Boundaries
from linuxnet.vxlan import find_vxlan
from overlay.devices import (
    ensure_devices,
    offered_devices,
    own_devices,
    remove_devices,
    write_sysctl,
)
from overlay.mtu import inner_mtu
from overlay.net_conf import NetConf
from overlay.offers import configured_offer, offers_now, vtep_mac
from overlay.place import Place, Tunnel, TunnelKey, Uplink
from overlay.record import WIRE_VERSION, Mode, NodeRecord, Offer
from overlay.settings import OverlaySettings
from overlay.subnet import Subnet
from overlay.uplinks import find_uplinks

log = logging.getLogger("podwire.overlay")


@dataclass(frozen=True)
class Standing:
    """Where the node stands. `record` is what it tells others; `mtu` in bytes, for its pods."""

    place: Place
    record: NodeRecord
    mtu: int
    troubles: tuple[tuple[str, str], ...] = ()  # (name of a condition, message)


def draft_record(
    netlink: Netlink,
    settings: OverlaySettings,
    conf: NetConf,
    *,
    boot: str,
    targets: Collection[str],
    before: NodeRecord | None = None,
) -> tuple[NodeRecord | None, dict[int, Uplink]]:
    """Return what this node would tell of itself, and its uplinks; None if it has none."""
    own = set(own_devices(netlink).values())
    uplinks = find_uplinks(netlink, settings, targets, networks=conf.networks, own=own)
    uplinks = _of_network(uplinks, conf, settings)
    if not uplinks:
        return None, uplinks
    macs = {outer: _mac(netlink, settings, conf, outer, before) for outer in uplinks}
    mac4, mac6 = macs.get(4, ""), macs.get(6, "")
    offer = configured_offer(conf, mac4, mac6)
    offers = [
        replace(one, mac4=mac4, mac6=mac6) if one.mode is Mode.VXLAN else one
        for one in offers_now(offer, before.offers if before else ())
    ]
    record = NodeRecord(
        key=before.key if before else "", subnets=before.subnets if before else (),
        public4=uplinks[4].address if 4 in uplinks else "",
        public6=uplinks[6].address if 6 in uplinks else "",
        offers=tuple(offers), node=settings.node_name, boot=boot, mtu=_underlay(conf, uplinks),
        zone=settings.zone, wire_version=WIRE_VERSION, created=before.created if before else 0,
    )  # fmt: skip
    return record, uplinks


def stand(
    netlink: Netlink,
    settings: OverlaySettings,
    conf: NetConf,
    record: NodeRecord,
    uplinks: dict[int, Uplink],
    blocks: Iterable[NodeRecord] = (),
) -> Standing:
    """Make the devices of a record's offers and return the place that results.

    Raises:
        KernelError: the kernel refused what should work.
    """
    wanted = offered_devices(record.offers, uplinks, port=conf.backend.tunnel_port, mtu=conf.backend.mtu)
    tunnels, refused = ensure_devices(netlink, wanted, record.subnets)
    blocks = tuple(blocks)
    place = Place(
        key=record.key, node=record.node, subnets=subnets_of(record, blocks),
        networks=conf.networks, tunnels=tunnels, uplinks=uplinks, has_blackhole=conf.blackhole,
        is_direct=conf.backend.direct_routing or conf.backend.mode is Mode.DIRECT,
        port=conf.backend.tunnel_port or Place.port, keys=frozenset(one.key for one in blocks),
    )  # fmt: skip
    usable = tuple(one for one in record.offers if _is_usable(one, tunnels, conf))
    troubles = [("TunnelRefused", message) for message in refused.values()]
    troubles += [("Forwarding", message) for message in _forward(conf, settings) if message]
    return Standing(
        place,
        replace(record, offers=usable or record.offers),
        pod_mtu(conf, record, uplinks),
        tuple(troubles),
    )


def drop_old_devices(netlink: Netlink, place: Place) -> list[str]:
    """Delete tunnels of ours that no offer needs any more."""
    return remove_devices(netlink, {one.name for one in place.tunnels.values()})


def pod_mtu(conf: NetConf, record: NodeRecord, uplinks: dict[int, Uplink]) -> int:
    """Return the MTU for pods: what fits every way in that is offered, over every outer family."""
    sizes = [
        inner_mtu(conf.backend.mtu or uplink.mtu, offer.mode, outer)
        for offer in record.offers
        for outer, uplink in uplinks.items()
    ]
    return min(sizes)


def boundaries(conf: NetConf, settings: OverlaySettings, place: Place) -> Boundaries | None:
    """Return the configuration's part of the guard; None if nothing of it is wanted."""
    if not settings.guard and not settings.masquerade:
        return None
    networks = tuple(map(str, conf.networks))
    tunnels = place.tunnels.values() if settings.guard else ()
    return Boundaries(
        ports=tuple(sorted({one.port for one in tunnels})),
        gpe_ports=tuple(sorted({one.port for one in tunnels if one.mode is Mode.GPE})),
        pods=networks,
        plain=(*networks, *conf.no_masquerade, *settings.no_masquerade),
        masquerades=settings.masquerade,
    )


def _of_network(uplinks: dict[int, Uplink], conf: NetConf, settings: OverlaySettings) -> dict[int, Uplink]:
    """Leave out uplinks of a family that the network has not, as flannel does, unless it is all there is.

    Who has named an address of that family wants it used.
    """
    named = {4: settings.public_ip, 6: settings.public_ipv6}
    found = {outer: one for outer, one in uplinks.items() if outer in conf.versions or named[outer]}
    return found or uplinks


def _underlay(conf: NetConf, uplinks: dict[int, Uplink]) -> int:
    return conf.backend.mtu or min(one.mtu for one in uplinks.values())


def _mac(
    netlink: Netlink, settings: OverlaySettings, conf: NetConf, outer: int, before: NodeRecord | None
) -> str:
    """Return a VTEP's MAC: the one it was published with, a device's, or one made of the name."""
    known = next((one for one in before.offers if one.mode is Mode.VXLAN), None) if before else None
    if known is not None and (mac := known.mac4 if outer == 4 else known.mac6):
        return mac
    name = f"flannel.{conf.backend.vni}" if outer == 4 else f"flannel-v6.{conf.backend.vni}"
    try:
        seen = find_vxlan(netlink, name)
    except Busy:  # told when the device is to be made
        seen = None
    return seen.mac if seen is not None else vtep_mac(settings.node_name, outer)


def _is_usable(offer: Offer, tunnels: dict[TunnelKey, Tunnel], conf: NetConf) -> bool:
    port = offer.port or conf.backend.tunnel_port
    return offer.mode is Mode.DIRECT or any(
        (offer.mode, outer, port, offer.vni) in tunnels for outer in (4, 6)
    )


def _forward(conf: NetConf, settings: OverlaySettings) -> list[str]:
    """See that the node forwards; return why not."""
    paths = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}
    found = [write_sysctl(paths[version], "1") for version in conf.versions]
    if settings.forward_use_pmtu:
        found.append(write_sysctl("ipv4/ip_forward_use_pmtu", "1"))
    return found


def subnets_of(record: NodeRecord, blocks: Iterable[NodeRecord]) -> tuple[Subnet, ...]:
    """Return all subnets of this node, the lease's first."""
    return (*record.subnets, *(subnet for block in blocks for subnet in block.subnets))

"""The cluster's networks against the host's other routes: docker0, a VPN, the underlay itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from linuxnet.netlink import Netlink
from linuxnet.numbers import OVERLAY_PROTOCOL
from linuxnet.rtnetlink_answers import Link
from overlay.subnet import Subnet, enclosing
from podwire.doctor.cluster import Cluster
from podwire.doctor.verdict import State, Verdict

BREAKS = "packets for those addresses: they go to one of the two, never to the other"
RT_TABLE_LOCAL, RTN_UNICAST = 255, 1  # linux/rtnetlink.h
OUR_KINDS = ("vxlan", "veth")  # tunnels and pods
OUR_BRIDGES = ("cni0", "podwire")  # and names that start so


def look_at_overlaps(cluster: Cluster) -> Iterator[Verdict]:
    """Yield a verdict on every route of others that overlaps; one that says so if there is none."""
    netlink = Netlink()
    try:
        links = {link.index: link for link in netlink.links()}
        routes = [one for one in netlink.routes() if one["table"] != RT_TABLE_LOCAL and "dst" in one]
    finally:
        netlink.close()
    bridges = {link.master for link in links.values() if link.kind == "veth" and link.alias}
    found = [
        verdict
        for route in routes
        if route["type"] == RTN_UNICAST and route["proto"] != OVERLAY_PROTOCOL
        for verdict in _judge(route, links.get(route.get("oif", 0)), cluster, bridges)
    ]
    known = "no overlap" if cluster.networks else "the cluster's networks are not known here"
    yield from found or [Verdict("overlapping networks", State.FINE, known, BREAKS)]


def _judge(
    route: Mapping[str, Any], link: Link | None, cluster: Cluster, bridges: set[int | None]
) -> Iterator[Verdict]:
    if link is not None and _is_ours(link, bridges):
        return
    seen = enclosing(route["dst"], route["dst_len"])
    for network in cluster.networks:
        if not seen.overlaps(network) or (network.covers(seen) and _has_gateway(route)):
            continue  # a gateway inside: a peer that is reached directly
        where = f" dev {link.name}" if link else ""
        found = f"route {seen}{where} overlaps with the cluster's {network}"
        yield Verdict("overlapping networks", _severity(seen, network), found, BREAKS, _advice(seen, where))


def _severity(seen: Subnet, network: Subnet) -> State:
    """A wider route loses against peers' longer ones: only what is behind it is cut off."""
    return State.BROKEN if network.covers(seen) else State.RISKY


def _advice(seen: Subnet, where: str) -> str:
    if where == " dev docker0":
        return 'give Docker another network: "bip" and "default-address-pools" in /etc/docker/daemon.json'
    return f"ip route del {seen}{where}, or choose another Network in net-conf.json"


def _is_ours(link: Link, bridges: set[int | None]) -> bool:
    return link.kind in OUR_KINDS or link.index in bridges or link.name.startswith(OUR_BRIDGES)


def _has_gateway(route: Mapping[str, Any]) -> bool:
    return "gateway" in route or "via" in route

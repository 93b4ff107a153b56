"""Pods' MTU against the tunnel's, the tunnel's against its uplink's, and wrong checksums."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from linuxnet.netlink import Netlink
from linuxnet.rtnetlink_answers import Link
from linuxnet.vxlan import Vxlan
from linuxnet.vxlan_ports import vxlan_devices
from overlay.mtu import inner_mtu
from overlay.record import Mode
from podwire.doctor.cluster import Cluster
from podwire.doctor.verdict import State, Verdict

SNMP = Path("/proc/thread-self/net/snmp")  # per network namespace


def look_at_sizes(cluster: Cluster) -> Iterator[Verdict]:
    """Yield a verdict on every tunnel device and on what is larger than it may be; then on checksums."""
    netlink = Netlink()
    try:
        links = {link.index: link for link in netlink.links()}
        tunnels = [one for one in vxlan_devices(netlink) if one.is_up]
        ways = [route.get("oif", 0) for route in netlink.routes() if route["dst_len"] == 0]
    finally:
        netlink.close()
    uplink = next((links[one] for one in ways if one in links), None)
    for tunnel in tunnels:
        yield _tunnel(tunnel, links.get(tunnel.link) or uplink)
    if tunnels:
        yield _pods(list(links.values()), min(one.mtu for one in tunnels), cluster)
    yield _checksums()


def _tunnel(tunnel: Vxlan, uplink: Link | None) -> Verdict:
    name, breaks = f"MTU of {tunnel.name}", "throughput: large packets become two outer fragments, or none"
    mode, outer = Mode.GPE if tunnel.is_external else Mode.VXLAN, 6 if ":" in tunnel.local else 4
    room = inner_mtu(uplink.mtu, mode, outer) if uplink else tunnel.mtu
    if uplink is None or tunnel.mtu <= room:
        return Verdict(name, State.FINE, f"{tunnel.mtu}", breaks)
    found = f"{tunnel.mtu}, and {uplink.name} has room for {room}"
    return Verdict(name, State.RISKY, found, breaks, f"ip link set {tunnel.name} mtu {room}")


def _pods(links: list[Link], room: int, cluster: Cluster) -> Verdict:
    breaks = "large packets of pods to other nodes, where ICMP does not come back"
    bridges = {link.master for link in links if link.kind == "veth" and link.master}
    large = [one for one in links if one.mtu > room and one.index in bridges]
    if large:
        found = ", ".join(f"{one.name} has {one.mtu}" for one in large)
        advice = (
            "; ".join(f"ip link set {one.name} mtu {room}" for one in large) + "; then make its pods anew"
        )
        return Verdict("MTU of pods", State.RISKY, f"{found}, the tunnel {room}", breaks, advice)
    if cluster.mtu is not None and cluster.mtu > room:
        found = f"{cluster.subnet_env} says {cluster.mtu}, the tunnel has {room}"
        advice = "restart the daemon that writes it, then make the pods anew"
        return Verdict("MTU of pods", State.RISKY, found, breaks, advice)
    return Verdict("MTU of pods", State.FINE, f"at most {room}", breaks)


def _checksums() -> Verdict:
    breaks = (
        "connections over the tunnel, by delays of up to 63 s: a network card writes wrong outer checksums"
    )
    names, values = (line.split()[1:] for line in SNMP.read_text().splitlines() if line.startswith("Udp:"))
    seen = dict(zip(names, map(int, values), strict=True))
    wrong = seen.get("InCsumErrors", 0)
    if not wrong:
        return Verdict("UDP checksums", State.FINE, "all were right", breaks)
    found = f"{wrong} of {seen['InDatagrams'] + seen['InErrors']} datagrams came with a wrong one"
    advice = "on the senders: ethtool -K flannel.1 tx-checksum-ip-generic off"
    return Verdict("UDP checksums", State.RISKY, found, breaks, advice)

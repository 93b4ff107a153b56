"""Sysctls that decide whether a pod's packets pass: forwarding, reverse path, router advertisements."""

from __future__ import annotations

from collections.abc import Iterator

from linuxnet.netlink import Netlink
from linuxnet.numbers import ALIAS_PREFIX
from linuxnet.rtnetlink_answers import Link
from linuxnet.sysctls import ROOT
from podwire.doctor.cluster import Cluster
from podwire.doctor.verdict import State, Verdict

STRICT, LOOSE = 1, 2  # rp_filter (Documentation/networking/ip-sysctl.rst); the larger of "all" and a link's
TUNNEL_KINDS = ("vxlan", "bridge")


def look_at_sysctls(cluster: Cluster) -> Iterator[Verdict]:
    """Yield a verdict on each, in the network namespace of the caller's thread."""
    netlink = Netlink()
    try:
        links = list(netlink.links())
        uplinks = _uplinks(netlink, links)
    finally:
        netlink.close()
    has_pods = any(link.alias.startswith(ALIAS_PREFIX) for link in links)
    yield _forwarding("IPv4 forwarding", "ipv4/ip_forward", has_pods)
    if read_number("ipv6/conf/all/forwarding") is not None:
        needs_six = any(one.version == 6 for one in cluster.networks)
        yield _forwarding("IPv6 forwarding", "ipv6/conf/all/forwarding", has_pods and needs_six)
        yield _advertisements(uplinks)
    yield _reverse_path([link.name for link in links if link.kind in TUNNEL_KINDS])
    yield _bridged_packets()


def read_number(path: str) -> int | None:
    """Return a sysctl below /proc/sys/net, None if there is none."""
    try:
        return int((ROOT / path).read_text())
    except FileNotFoundError:
        return None


def _forwarding(name: str, path: str, is_needed: bool) -> Verdict:
    breaks = "every packet between a pod and anything that is not on its bridge"
    if read_number(path) == 1:
        return Verdict(name, State.FINE, "1", breaks)
    if not is_needed:
        return Verdict(name, State.FINE, "0; the first pod's ADD sets it", breaks)
    return Verdict(name, State.BROKEN, "0, and there are pods", breaks, _write(path, 1))


def _advertisements(uplinks: list[str]) -> Verdict:
    breaks = "the host's own IPv6 default route: it ends when the router's lifetime does"
    name = "router advertisements"
    deaf = [one for one in uplinks if read_number(f"ipv6/conf/{one}/accept_ra") == 1 and _forwards(one)]
    if not deaf:
        return Verdict(name, State.FINE, "accept_ra fits forwarding", breaks)
    found = f"ignored on {', '.join(deaf)}: it forwards, and accept_ra is 1"
    advice = "; ".join(_write(f"ipv6/conf/{one}/accept_ra", 2) for one in deaf)
    return Verdict(name, State.RISKY, found, breaks, advice)


def _forwards(ifname: str) -> bool:
    return read_number(f"ipv6/conf/{ifname}/forwarding") == 1


def _uplinks(netlink: Netlink, links: list[Link]) -> list[str]:
    """Return the links that a default route leads to, and devices that are no virtual ones."""
    ways = {route.get("oif") for route in netlink.routes() if "dst" not in route and route["dst_len"] == 0}
    return [
        one.name for one in links
        if one.is_up and one.name != "lo" and (one.index in ways or (not one.kind and one.master is None))
    ]  # fmt: skip


def _reverse_path(names: list[str]) -> Verdict:
    breaks = "packets of pods that come back another way than they went (direct routes, several uplinks)"
    over_all = read_number("ipv4/conf/all/rp_filter") or 0
    strict = [one for one in names if max(over_all, read_number(f"ipv4/conf/{one}/rp_filter") or 0) == STRICT]
    if over_all != STRICT and not strict:
        return Verdict("rp_filter", State.FINE, str(over_all), breaks)
    where = ", ".join(strict) or "all"
    advice = _write("ipv4/conf/all/rp_filter", LOOSE)
    return Verdict("rp_filter", State.RISKY, f"strict on {where}", breaks, advice)


def _bridged_packets() -> Verdict:
    breaks = "services and policies between pods of one bridge: packets pass beside the rules"
    seen = read_number("bridge/bridge-nf-call-iptables")
    if seen:
        return Verdict("bridge-nf-call-iptables", State.FINE, "1", breaks)
    advice = _write("bridge/bridge-nf-call-iptables", 1)
    if seen is None:
        return Verdict(
            "bridge-nf-call-iptables",
            State.LACKING,
            "no br_netfilter here",
            breaks,
            f"modprobe br_netfilter; {advice}",
        )
    return Verdict("bridge-nf-call-iptables", State.LACKING, "0", breaks, advice)


def _write(path: str, value: int) -> str:
    """Return the command that sets a sysctl; parts are separated by "/", since link names may hold dots."""
    return f"sysctl -w net/{path}={value}"

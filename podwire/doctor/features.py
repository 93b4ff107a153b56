"""The things that are tried, and how: links, queueing disciplines, nf_tables expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from linuxnet.nft import Nft
from linuxnet.pyroute import Pyroute

Probe = Callable[["Bench"], None]
ROOT_HANDLE, ROOT_PARENT = 0x10000, 0xFFFFFFFF  # 1:, TC_H_ROOT (linux/pkt_sched.h)
PORT_MAP = "add map inet probe p { type inet_proto . inet_service : ipv4_addr . inet_service; }; "
NFT_TABLE = "add table inet probe; add chain inet probe nat { type nat hook prerouting priority -100; }; "


@dataclass(frozen=True)
class Bench:
    """Where things are tried: sockets in a scratch namespace, and a link of it to stand on."""

    netlink: Pyroute
    nft: Nft
    parent: int


@dataclass(frozen=True)
class Feature:
    """One thing to try. `option` is what builds it into a kernel."""

    name: str
    probe: Probe
    needed_by: str
    option: str
    vital: bool = False


def link(kind: str, **fields: Any) -> Probe:
    """Return a probe that makes a link of a kind."""

    def probe(bench: Bench) -> None:
        bench.netlink.request("link", "add", ifname="probe0", kind=kind, **fields)
        bench.netlink.request("link", "del", ifname="probe0")

    return probe


def stacked(kind: str, **fields: Any) -> Probe:
    """Return a probe that makes a link of a kind on top of another."""
    return lambda bench: link(kind, link=bench.parent, **fields)(bench)


def qdisc(kind: str, **fields: Any) -> Probe:
    """Return a probe that shapes a link."""

    def probe(bench: Bench) -> None:
        place = {"index": bench.parent, "handle": ROOT_HANDLE, "parent": ROOT_PARENT}
        bench.netlink.request("tc", "add", kind=kind, **place, **fields)
        bench.netlink.request("tc", "del", index=bench.parent, parent=ROOT_PARENT)

    return probe


def nft(commands: str) -> Probe:
    """Return a probe that runs nft commands, in a table `inet probe` with a chain `nat`."""

    def probe(bench: Bench) -> None:
        bench.nft.run(NFT_TABLE + commands)
        bench.nft.run("delete table inet probe")

    return probe


_TBF = {"rate": 125_000, "burst": 12_500, "limit": 25_000}  # bytes (a second)
FEATURES = (
    Feature("veth", link("veth"), "bridge, ptp", "VETH", vital=True),
    Feature("bridge", link("bridge"), "bridge", "BRIDGE", vital=True),
    Feature("nf_tables inet", nft(""), "ipMasq, portmap, firewall", "NF_TABLES_INET", vital=True),
    Feature(
        "nft masquerade",
        nft(
            "add chain inet probe m { type nat hook postrouting priority 100; }; "
            "add rule inet probe m masquerade"
        ),
        "ipMasq",
        "NFT_MASQ",
        vital=True,
    ),
    Feature(
        "nft dnat by map",
        nft(PORT_MAP + "add rule inet probe nat dnat ip to meta l4proto . th dport map @p"),
        "portmap",
        "NFT_NAT",
    ),
    Feature(
        "nft fib", nft("add rule inet probe nat fib daddr type local counter"), "portmap", "NFT_FIB_INET"
    ),
    Feature(
        "nft numgen",
        nft("add rule inet probe nat meta mark set numgen random mod 2"),
        "services",
        "NFT_NUMGEN",
    ),
    Feature(
        "nft jhash", nft("add rule inet probe nat meta mark set jhash ip saddr mod 2"), "services", "NFT_HASH"
    ),
    Feature(
        "nf_tables bridge",
        nft("add table bridge probe; delete table bridge probe"),
        "macspoofchk",
        "NF_TABLES_BRIDGE",
    ),
    Feature(
        "nft flowtables",
        nft("add flowtable inet probe f { hook ingress priority 0; devices = { lo }; }"),
        "faster forwarding",
        "NF_FLOW_TABLE_INET",
    ),
    Feature(
        "bridge VLAN filtering",
        link("bridge", br_vlan_filtering=1),
        "bridge: vlan, vlanTrunk",
        "BRIDGE_VLAN_FILTERING",
    ),
    Feature("ifb", link("ifb"), "bandwidth: egress", "IFB"),
    Feature("tbf", qdisc("tbf", **_TBF), "bandwidth", "NET_SCH_TBF"),
    Feature("htb", qdisc("htb"), "shaping by class", "NET_SCH_HTB"),
    Feature("fq_codel", qdisc("fq_codel"), "short queues behind a limit", "NET_SCH_FQ_CODEL"),
    Feature("netem", qdisc("netem", delay=1000), "trials of bad networks", "NET_SCH_NETEM"),
    Feature("vxlan", link("vxlan", vxlan_id=1, vxlan_port=8472), "the overlay", "VXLAN"),
    Feature("macvlan", stacked("macvlan", macvlan_mode="bridge"), "macvlan of the reference", "MACVLAN"),
    Feature("ipvlan", stacked("ipvlan", ipvlan_mode=0), "ipvlan of the reference", "IPVLAN"),
    Feature(
        "802.1Q", stacked("vlan", vlan_id=2), "vlan of the reference, bridge gateways on VLANs", "VLAN_8021Q"
    ),
    Feature("dummy", link("dummy"), "dummy of the reference", "DUMMY"),
    Feature("vrf", link("vrf", vrf_table=10), "vrf of the reference", "NET_VRF"),
    Feature("wireguard", link("wireguard"), "encrypted overlays", "WIREGUARD"),
    Feature("geneve", link("geneve", geneve_id=1, geneve_remote="192.0.2.1"), "other overlays", "GENEVE"),
)
FILES = (
    ("conntrack", "/proc/sys/net/netfilter/nf_conntrack_max", "NAT", "NF_CONNTRACK", True),
    (
        "br_netfilter",
        "/proc/sys/net/bridge/bridge-nf-call-iptables",
        "rules between pods of a bridge",
        "BRIDGE_NETFILTER",
        False,
    ),
    ("IPv6", "/proc/sys/net/ipv6", "IPv6 and dual stack", "IPV6", False),
    ("cgroups", "/sys/fs/cgroup", "the pod runner", "CGROUPS", False),
    ("user namespaces", "/proc/self/ns/user", "the pod runner", "USER_NS", False),
)

"""What stands around a plugin: an uplink with a default route; for chained plugins an interface."""

from __future__ import annotations

from typing import Any

from conformance.world.looking import ip, links, run
from conformance.world.namespaces import Netns, make_netns

Json = dict[str, Any]
UPLINK, OUTSIDE = "up0", "outside"
BRIDGE = "given0"
GATEWAYS = ("10.92.0.1", "fd92::1")


def make_uplink() -> Netns:
    """Give the host an uplink (192.0.2.1/24, 2001:db8::1/64) with default routes to the netns `outside`."""
    outside = make_netns(OUTSIDE)
    run("ip", "link", "add", UPLINK, "type", "veth", "peer", "name", "eth0", "netns", OUTSIDE)
    _batch(
        f"""addr add 192.0.2.1/24 dev {UPLINK}
        addr add 2001:db8::1/64 dev {UPLINK} nodad
        link set {UPLINK} up"""
    )
    _batch(
        """link set lo up
        addr add 192.0.2.2/24 dev eth0
        addr add 2001:db8::2/64 dev eth0 nodad
        link set eth0 up""",
        outside.path,
    )
    _batch(f"route add default via 192.0.2.2 dev {UPLINK}\nroute add ::/0 via 2001:db8::2 dev {UPLINK}")
    return outside


def give_interface(netns: Netns, ifname: str, number: int, version: str) -> Json:
    """Join a container to a bridge as an interface plugin would, and return the result for the CNI version.

    All is the same each time for a number, also MAC addresses. The container has 10.92.0.<number + 1>/24 and
    fd92::<number + 1>/64, and default routes (its first interface alone); the host's end is `given<number>`.
    """
    host_end = f"given{number}"
    if BRIDGE not in links():
        _batch(
            f"""link add {BRIDGE} address {_mac(0, 1)} type bridge
            addr add {GATEWAYS[0]}/24 dev {BRIDGE}
            addr add {GATEWAYS[1]}/64 dev {BRIDGE} nodad
            link set {BRIDGE} up"""
        )
    _batch(
        f"link add {host_end} address {_mac(1, number)} type veth "
        f"peer name {ifname} address {_mac(2, number)} netns {netns.name}"
    )
    _batch(f"link set {host_end} master {BRIDGE} up")
    four, six = f"10.92.0.{number + 1}/24", f"fd92::{number + 1:x}/64"
    ways: list[Json] = []
    if not ip("route", "show", "default", netns=netns.path):
        ways = [{"dst": "0.0.0.0/0", "gw": GATEWAYS[0]}, {"dst": "::/0", "gw": GATEWAYS[1]}]
    _batch(
        f"""link set lo up
        link set {ifname} up
        addr add {four} dev {ifname}
        addr add {six} dev {ifname} nodad"""
        + "".join(f"\nroute add {way['dst']} via {way['gw']}" for way in ways),
        netns.path,
    )
    return _result(netns, ifname, host_end, (four, six), ways, version)


def _result(
    netns: Netns, ifname: str, host_end: str, given: tuple[str, str], routes: list[Json], version: str
) -> Json:
    if version in ("0.1.0", "0.2.0"):
        family = ("ip4", "ip6")
        both = {
            name: {"ip": given[at], "gateway": GATEWAYS[at], "routes": routes[at : at + 1]}
            for at, name in enumerate(family)
        }
        return {"cniVersion": version, **both, "dns": {}}
    here, there = links(), links(netns.path)
    interfaces = [
        {"name": BRIDGE, "mac": here[BRIDGE]["address"]},
        {"name": host_end, "mac": here[host_end]["address"]},
        {"name": ifname, "mac": there[ifname]["address"], "sandbox": netns.path},
    ]
    old = version in ("0.3.0", "0.3.1", "0.4.0")
    ips = [
        ({"version": "46"[at]} if old else {})
        | {"address": given[at], "gateway": GATEWAYS[at], "interface": 2}
        for at in range(2)
    ]
    return {"cniVersion": version, "interfaces": interfaces, "ips": ips, "routes": routes, "dns": {}}


def _mac(kind: int, number: int) -> str:
    """Return a MAC address (locally administered) of 0 the bridge, 1 a host's end, 2 a container's."""
    return f"0a:5c:0{kind}:00:{number >> 8:02x}:{number & 255:02x}"


def _batch(lines: str, netns: str = "") -> None:
    run("ip", "-batch", "-", netns=netns, stdin="\n".join(line.strip() for line in lines.splitlines()) + "\n")

"""What the overlay asks of a kernel, tried with the host's own `ip` and in libnftables."""

from __future__ import annotations

import subprocess
from contextlib import suppress

from linuxnet.errors import KernelError, MissingTool
from linuxnet.iptables import SEARCH_PATH
from podwire.doctor.features import Bench, Feature, Probe, nft

LIFETIME = 5  # seconds for a handful of netlink messages
GPE_DEVICE = ("link add probe1 type vxlan external gpe dstport 4790", "link set probe1 up")
TO_A_NODE = "nexthop add id 7 encap ip id 1 dst 192.0.2.1 dev probe1"  # RFC 5737's addresses for examples
RAW_SET = "add set inet probe s { typeof ip saddr . @th,336,32; flags interval; }; "
RAW_RULE = "add chain inet probe raw { type filter hook prerouting priority -300; }; "


def ip(*lines: str, device: tuple[str, ...] = GPE_DEVICE) -> Probe:
    """Return a probe that runs commands of `ip`, on a device that goes again with what is on it."""

    def probe(_: Bench) -> None:
        try:
            _batch(*device, *lines)
        finally:
            with suppress(KernelError):  # it was not even made: what refused it is what counts
                _batch("link del probe1")

    return probe


def _batch(*lines: str) -> None:
    environment = {"PATH": SEARCH_PATH, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["ip", "-batch", "-"], input="\n".join(lines) + "\n", env=environment, capture_output=True,
            text=True, timeout=LIFETIME, check=False,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise MissingTool("`ip` does not run; install iproute2") from error
    if done.returncode != 0:
        raise KernelError(0, "ip " + lines[-1], done.stderr.strip())


OVERLAY_FEATURES = (
    Feature("vxlan-gpe", ip(), "overlay mode vxlan-gpe", "VXLAN"),
    Feature(
        "nexthop objects",
        ip("nexthop add id 7 dev probe1", "route add 198.51.100.0/24 nhid 7"),
        "the overlay",
        "INET (Linux 5.3)",
    ),
    Feature(
        "nexthop with encapsulation",
        ip(TO_A_NODE, "route add 198.51.100.0/24 nhid 7"),
        "overlay mode vxlan-gpe",
        "LWTUNNEL",
    ),
    Feature(
        "mtu lock routes",
        ip("route add 198.51.100.0/24 dev probe1 mtu lock 1400"),
        "a path MTU of each peer's own",
        "INET",
    ),
    Feature(
        "nft raw payload in sets",
        nft(RAW_SET + RAW_RULE + "add rule inet probe raw ip saddr . @th,336,32 @s accept"),
        "the guard of the tunnel port: a peer's spoofed inner addresses",
        "NF_TABLES (nft 0.9.7)",
    ),
    Feature(
        "nft notrack",
        nft(RAW_RULE + "add rule inet probe raw udp dport 8472 notrack"),
        "tunnel flows beside conntrack",
        "NFT_CT",
    ),
)  # fmt: skip

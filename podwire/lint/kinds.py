"""What kinds of plugins there are, and which capabilities runtimes know."""

from __future__ import annotations

INTERFACE_TYPES = frozenset(
    {"bridge", "ptp", "overlay", "flannel", "macvlan", "ipvlan", "vlan", "dummy", "tap", "host-device"}
)  # make the container's interface
OVERLAY_TYPES = frozenset({"overlay", "flannel"})  # leave that to a delegate
META_TYPES = frozenset(
    {"portmap", "bandwidth", "firewall", "tuning", "sbr", "vrf"}
)  # work on one that is there
IPAM_TYPES = frozenset({"host-local", "static", "dhcp"})  # give addresses to one that makes an interface

# Plugins of the reference project that podwire has not; their keys are not judged.
FOREIGN_TYPES = ("dhcp", "dummy", "host-device", "ipvlan", "macvlan", "sbr", "tap", "vlan", "vrf")

# CNI conventions (CONVENTIONS.md), Dynamic Plugin specific fields
CAPABILITIES = (
    "aliases", "bandwidth", "cgroupPath", "deviceID", "dns", "infinibandGUID", "ipRanges", "ips", "mac",
    "portMappings",
)  # fmt: skip

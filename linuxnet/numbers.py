"""Marks, tables, priorities, groups and names in use: the one table.

Whoever needs another number takes it here, with a line that says how it was chosen and who else lives
near it. Nothing of this may change without a way to find what the old number made.
"""

from __future__ import annotations

# Links
VETH_PREFIX = "veth"  # + 8 hex of sha256(container id, ifname): 12 bytes of the 15 that IFNAMSIZ allows;
# NetworkManager's and udev's rules match on it, and the reference plugins use it too
IFB_PREFIX = "bwp"  # + 12 hex of sha512(network + container id): the reference bandwidth plugin's name
ALIAS_PREFIX = "podwire "  # of a link's alias (IFALIASZ allows 255 bytes); the attachment's mark follows
LINK_GROUP = 0x7077  # "pw"; of links whose ADD has not named their owner yet; iproute2 users count from 1
DOOMED_GROUP = 0x7064  # "pd"; of links that are being deleted together

# nft (netfilter hook priorities: linux/netfilter_ipv4.h)
NFT_TABLE = "podwire"  # in families inet and bridge
NFT_COMMENT_LIMIT = 127  # bytes; NFTNL_UDATA_COMMENT_MAXLEN is 128 with the closing NUL

# iptables (the reference plugins' names, so that either can clean up after the other)
MASQUERADE_CHAIN_PREFIX = "CNI-"  # + 24 hex of sha512(network + container id)
HOSTPORT_MARK_BIT = 13  # portmap's markMasqBit; kube-proxy has 14 and 15, Calico 16 and up

# Routes, nexthops, neighbours
OVERLAY_PROTOCOL = 0x9C  # of everything that leads to other nodes; iproute2's rt_protos names none near it
NEXTHOP_BASE, NEXTHOP_BITS = 0x70000000, 28  # of nexthop numbers; FRR and others count from 1
BLACKHOLE_PRIORITY = 0xFFFFFFF0  # of the cluster's unreachable route: after anybody's

# Overlay
NFT_OVERLAY_TABLE = "podwire_overlay"  # in family inet; a node's, not an attachment's
PROBE_PORT = 8471  # UDP, on tunnel addresses; one below VXLAN's

# Services
SERVICES_PROTOCOL = 157  # rtm_protocol of local routes for DNS; beside OVERLAY_PROTOCOL
NFT_SERVICES_TABLE = "podwire_services"  # in family inet; a node's
MASQUERADE_MARK = 0x4000  # bit 14 of a packet's mark: kube-proxy's, which this stands in for
SCRATCH_MARKS = (0x70000000, 0x7FFFFFFF)  # of a connection's mark, between the hooks of its first packet
SCRATCH_HASH = 0x70000000  # + slot, 65,536 more for a Local list's
SCRATCH_ID = 0x70100000  # + number of a service port whose clients are remembered

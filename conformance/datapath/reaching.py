"""Who reaches whom: the host, containers of one network, a neighbour on the uplink, the outside, itself."""

from __future__ import annotations

from ipaddress import ip_interface

from conformance.case import Case
from conformance.clause import Kind, Level, clause, expect
from conformance.datapath.promised import OUTSIDE, Joined, changes_for, join
from conformance.datapath.roads import have_neighbour, stand_ready
from conformance.datapath.talking import (
    HEADERS,
    Silence,
    connect,
    echo,
    exchange_datagrams,
    told,
)

INTERFACE = frozenset({Kind.INTERFACE})
NOT_IPAM = frozenset({Kind.INTERFACE, Kind.CHAINED})
NEIGHBOUR = 250  # a host number that no container has, in each of their networks


@clause("datapath-host", Level.DATAPATH, "beyond", "lets host and container talk", kinds=INTERFACE)
def host(case: Case) -> None:
    """Host and container reach each other by ICMP, UDP and TCP, in both families, with large packets too.

    Promised as `host`. The host's address is the container's gateway, as far as it has one.
    """
    (one,) = join(case, "host")
    for family, own in one.addresses.items():
        with told("from the host to the container"):
            converse("", one.netns, own, one.mtu)
        if family in one.gateways:
            with told("from the container to the host"):
                converse(one.netns, "", one.gateways[family], one.mtu)
    case.note("ICMP, UDP and TCP between host and container", sorted(one.addresses.values()))


@clause("datapath-peers", Level.DATAPATH, "beyond", "lets containers of one network talk", kinds=INTERFACE)
def peers(case: Case) -> None:
    """Two containers of one network reach each other by ICMP, UDP and TCP. Promised as `peers`."""
    first, second = join(case, "peers", 2)
    for family, address in second.addresses.items():
        with told("from one container to another"):
            converse(first.netns, second.netns, address, first.mtu)
        with told("from one container to another, back"):
            converse(second.netns, first.netns, first.addresses[family], first.mtu)
    case.note("ICMP, UDP and TCP between two containers", sorted(second.addresses.values()))


@clause("datapath-segment", Level.DATAPATH, "beyond", "joins the uplink's segment", kinds=INTERFACE)
def segment(case: Case) -> None:
    """A container reaches a neighbour on its parent's own segment, without routing. Promised as `segment`."""
    (one,) = join(case, "segment")
    theirs = {family: _neighbour(one, family) for family in one.addresses}
    have_neighbour(case.outside.path, theirs, "eth0")
    stand_ready(case.outside.path)
    for family, address in theirs.items():
        with told("from the container to a neighbour on the uplink's segment"):
            converse(one.netns, case.outside.path, address.partition("/")[0], one.mtu)
        with told("from a neighbour on the uplink's segment to the container"):
            converse(case.outside.path, one.netns, one.addresses[family], one.mtu)


@clause("datapath-outside", Level.DATAPATH, "beyond", "leads to the outside and back", kinds=NOT_IPAM)
def outside(case: Case) -> None:
    """A container reaches a host beyond the uplink by ICMP, UDP and TCP. Promised as `outside`."""
    (one,) = join(case, "outside")
    for family in one.addresses:
        with told("from the container to the outside"):
            converse(one.netns, case.outside.path, OUTSIDE[family], one.mtu)
    case.note("ICMP, UDP and TCP from the container to the outside", [OUTSIDE[one] for one in one.addresses])


@clause(
    "datapath-forward", Level.DATAPATH, "beyond", "lets packets through a closed firewall", kinds=NOT_IPAM
)
def forward(case: Case) -> None:
    """Where the host forwards nothing (iptables' FORWARD has the policy DROP), a container's packets pass.

    Answers to what the container asked come back. Promised as `forward`.
    """
    changes_for(case, "forward")
    for program in ("iptables", "ip6tables"):
        case.do(program, "--policy", "FORWARD", "DROP")
    (one,) = join(case, "forward")
    for family in one.addresses:
        with told("from the container to the outside, through a host whose policy is to forward nothing"):
            exchange_datagrams(one.netns, case.outside.path, OUTSIDE[family])
            connect(one.netns, case.outside.path, OUTSIDE[family])


@clause("datapath-mtu", Level.DATAPATH, "beyond", "gives the MTU that was asked for", kinds=NOT_IPAM)
def mtu(case: Case) -> None:
    """A packet of exactly the MTU that was asked for leaves in one piece; one byte more does not.

    Promised as `mtu`, by a configuration whose key `mtu` says how many bytes.
    """
    wanted = changes_for(case, "mtu")["mtu"]
    (one,) = join(case, "mtu")
    expect(one.mtu == wanted, f"the MTU {wanted} was asked for; the container's interface has {one.mtu}")
    for family, gateway in one.gateways.items():
        with told("from the container to the host, with an MTU of its own"):
            echo(one.netns, gateway, wanted - HEADERS[family], whole=True)
        try:
            echo(one.netns, gateway, wanted - HEADERS[family] + 1, whole=True)
        except Silence:
            continue
        expect(False, f"a packet of {wanted + 1} bytes left in one piece; the MTU {wanted} was asked for")


@clause("datapath-loopback", Level.DATAPATH, "beyond", "lets a container talk to itself", kinds=NOT_IPAM)
def loopback(case: Case) -> None:
    """In the container, programs reach each other at 127.0.0.1 and ::1. Promised as `loopback`."""
    changes_for(case, "loopback")
    attachment = case.attachment()
    case.add(attachment, case.config(attachment, changes_for(case, "loopback")))
    for address in ("127.0.0.1", "::1"):
        with told("within the container"):
            converse(attachment.netns.path, attachment.netns.path, address, 0)


def converse(here: str, there: str, to: str, mtu: int) -> None:
    """Speak ICMP, UDP and TCP with an address; with `mtu` (bytes) also by packets of it and larger ones."""
    echo(here, to)
    if mtu:
        family = 6 if ":" in to else 4
        echo(here, to, mtu - HEADERS[family], whole=True)
        echo(here, to, 3 * mtu)
        exchange_datagrams(here, there, to, size=2 * mtu)
    exchange_datagrams(here, there, to)
    connect(here, there, to)


def _neighbour(one: Joined, family: int) -> str:
    found = (ip_interface(ip["address"]) for ip in (one.attachment.result or {})["ips"])
    network = next(address.network for address in found if address.version == family)
    return f"{network[NEIGHBOUR]}/{network.prefixlen}"


CLAUSES = (host, peers, segment, outside, forward, mtu, loopback)

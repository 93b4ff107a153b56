"""Pods' MTU, the tunnel's, and datagrams with wrong checksums: planted with `ip` and a raw socket."""

from __future__ import annotations

import socket
import struct

import pytest

from podwire.doctor.cluster import Cluster
from podwire.doctor.packet_sizes import look_at_sizes
from podwire.doctor.verdict import State
from tests.doctor.looks import CLUSTER, ip, mend, named

pytestmark = pytest.mark.usefixtures("host")

UPLINK = ("link add up0 type veth peer up1", "link set up0 up", "route add default dev up0")
TUNNEL = ("link add vx1 mtu 1450 type vxlan id 1 dstport 8472", "link set vx1 up")
POD = ("link add cni0 type bridge", "link add pod0 type veth peer pod1", "link set pod0 master cni0")


def test_a_tunnel_that_is_too_large_for_its_uplink_is_mended() -> None:
    ip(*UPLINK, *TUNNEL, "link set vx1 mtu 1500")
    verdict = named(look_at_sizes(CLUSTER), "MTU of vx1")
    assert verdict.state is State.RISKY and "room for 1450" in verdict.found

    mend(verdict)
    assert named(look_at_sizes(CLUSTER), "MTU of vx1").state is State.FINE


def test_gpe_needs_less_room() -> None:
    ip(*UPLINK, "link add vx2 mtu 1464 type vxlan external gpe dstport 4790", "link set vx2 up")

    assert named(look_at_sizes(CLUSTER), "MTU of vx2").state is State.FINE


def test_a_bridge_that_is_larger_than_the_tunnel_is_mended() -> None:
    ip(*UPLINK, *TUNNEL, *POD)
    assert named(look_at_sizes(CLUSTER), "MTU of pods").state is State.RISKY

    mend(named(look_at_sizes(CLUSTER), "MTU of pods"))
    assert named(look_at_sizes(CLUSTER), "MTU of pods").state is State.FINE


def test_a_subnet_env_of_before_is_found() -> None:
    ip(*UPLINK, *TUNNEL)

    assert "says 1500" in named(look_at_sizes(Cluster(mtu=1500)), "MTU of pods").found


def test_wrong_checksums_are_counted() -> None:
    assert named(look_at_sizes(CLUSTER), "UDP checksums").state is State.FINE
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        sender.sendto(struct.pack("!HHHH", 9, port, 12, 0xBAD) + b"data", ("127.0.0.1", 0))
        receiver.sendto(b"afterwards", ("127.0.0.1", port))  # comes second: the first has been judged
        assert receiver.recv(64) == b"afterwards"

    assert named(look_at_sizes(CLUSTER), "UDP checksums").found.startswith("1 of 2 ")

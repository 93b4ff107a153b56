"""The tunnel's ports: a device that does not agree, a program's socket, ours; and nothing stays."""

from __future__ import annotations

import os
import socket

import pytest

from overlay.devices import ALIAS
from podwire.doctor.cluster import Cluster
from podwire.doctor.tunnel_ports import look_at_ports
from podwire.doctor.verdict import State, Verdict
from tests.calls import dump, run
from tests.doctor.looks import ip, mend, named

pytestmark = pytest.mark.usefixtures("host")

CLASSIC = "link add vx1 type vxlan id 1 dstport 8472"
GPE = "link add vx2 type vxlan external gpe dstport 4790"


def _at(port: int, cluster: Cluster | None = None) -> Verdict:
    before = dump()
    verdict = named(look_at_ports(cluster or Cluster()), f"UDP port {port}")
    assert dump() == before
    return verdict


def test_free_ports_are_fine() -> None:
    assert _at(8472).found == _at(4790).found == "free"


def test_a_classic_device_shares_its_port() -> None:
    ip(CLASSIC, "link set vx1 up")

    assert _at(8472).state is State.FINE and "vx1 vni 1" in _at(8472).found


def test_an_external_device_does_not_and_its_removal_mends_it() -> None:
    ip("link add vx2 type vxlan external dstport 8472", "link set vx2 up")
    verdict = _at(8472)
    assert verdict.state is State.LACKING and "vx2" in verdict.found

    mend(verdict)
    assert _at(8472).found == "free"


def test_a_second_gpe_device_is_refused_once_the_first_is_up() -> None:
    ip(GPE)
    assert _at(4790).found == "free"
    ip("link set vx2 up")

    assert _at(4790).state is State.LACKING and "vx2" in _at(4790).found


def test_a_device_of_ours_is_not_disturbed() -> None:
    ip(GPE, "link set vx2 up")
    run(["ip", "link", "set", "vx2", "alias", ALIAS])

    assert _at(4790).found == "ours: vx2 external"


def test_a_program_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 8472))
        verdict = _at(8472)

    assert verdict.state is State.LACKING and f"pid {os.getpid()}" in verdict.found


def test_other_ports_are_tried_where_they_are_asked_for() -> None:
    ip("link add vx2 type vxlan external dstport 9999", "link set vx2 up")

    assert _at(9999, Cluster(vxlan_port=9999)).state is State.LACKING


def test_a_trial_that_was_killed_is_removed() -> None:
    ip("link add podwire-trial type vxlan id 5 dstport 8472")
    verdict = named(look_at_ports(Cluster()), "UDP port 4790")

    assert verdict.found == "free" and "podwire-trial" not in str(dump())

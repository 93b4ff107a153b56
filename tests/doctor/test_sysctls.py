"""Sysctls and limits: what is set wrong is found, and the command given sets it right."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from podwire.doctor.limits import judge_clock, judge_fill, look_at_limits
from podwire.doctor.sysctls import look_at_sysctls
from podwire.doctor.verdict import State, Verdict
from tests.doctor.looks import CLUSTER, ip, mend, named

pytestmark = pytest.mark.usefixtures("host")


def _set(path: str, value: int) -> None:
    Path("/proc/sys/net", path).write_text(str(value))


def _look(name: str) -> Verdict:
    return named(look_at_sysctls(CLUSTER), name)


def test_no_forwarding_matters_as_soon_as_there_are_pods() -> None:
    _set("ipv4/ip_forward", 0)
    assert _look("IPv4 forwarding").state is State.FINE
    ip("link add veth1 type veth peer veth2")
    subprocess.run(["ip", "link", "set", "veth1", "alias", "podwire net pod eth0"], check=True)

    assert _look("IPv4 forwarding").state is State.BROKEN
    mend(_look("IPv4 forwarding"))
    assert _look("IPv4 forwarding").state is State.FINE


def test_a_strict_reverse_path_is_risky_on_tunnels_and_bridges() -> None:
    ip("link add br.7 type bridge")
    _set("ipv4/conf/all/rp_filter", 0)
    _set("ipv4/conf/br.7/rp_filter", 1)
    assert "br.7" in _look("rp_filter").found

    mend(_look("rp_filter"))
    assert _look("rp_filter").state is State.FINE


def test_a_forwarding_uplink_that_ignores_its_router_is_found() -> None:
    ip("link add up0 type veth peer up1", "link set up0 up", "route add default dev up0")
    _set("ipv6/conf/all/forwarding", 1)
    _set("ipv6/conf/up0/accept_ra", 1)
    assert "up0" in _look("router advertisements").found

    mend(_look("router advertisements"))
    assert _look("router advertisements").state is State.FINE


def test_bridged_packets_beside_the_rules_are_found() -> None:
    switch = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not switch.exists():
        pytest.skip("this kernel has no br_netfilter")
    switch.write_text("0")
    assert _look("bridge-nf-call-iptables").state is State.LACKING

    mend(_look("bridge-nf-call-iptables"))
    assert _look("bridge-nf-call-iptables").state is State.FINE


@pytest.mark.parametrize(("used", "state"), [(0, "fine"), (79, "fine"), (80, "risky"), (100, "broken")])
def test_a_table_that_fills_up_is_risky_before_it_is_full(used: int, state: str) -> None:
    assert judge_fill("conntrack entries", used, 100, "new connections", "more").state == state


@pytest.mark.parametrize(("state", "status", "is_fine"), [(0, 0x2001, True), (5, 0, False), (0, 0x40, False)])
def test_a_clock_that_nobody_keeps_is_risky(state: int, status: int, is_fine: bool) -> None:
    assert (judge_clock(state, status).state is State.FINE) is is_fine


def test_every_limit_is_looked_at() -> None:
    seen = {one.name: one for one in look_at_limits()}

    assert {"conntrack entries", "inotify", "open files", "file descriptors", "clock"} <= set(seen)
    assert seen["IPv4 neighbours"].state is State.UNSEEN  # gc_thresh3 is not shown in this namespace

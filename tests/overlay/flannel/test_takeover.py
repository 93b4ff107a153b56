"""A node that was flannel's becomes ours: subnet, MAC and device stay, and no running flow notices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from overlay.subnet import parse_subnet
from tests.overlay.flannel.conftest import Start
from tests.overlay.flannel.flannel_node import leave, leave_peer
from tests.overlay.flannel.kernel import PROTOCOL, Route, improved, live, recorded
from tests.overlay.flannel.pods import Flow, pods
from tests.overlay.flannel.recordings import ETCD_CASES, Recording, recording
from tests.overlay.flannel.running import FlannelEtcd, see
from tests.overlay.flannel.underlay import Underlay

NOTHING_LOST = (0, 0, 0)
STALE = [("10.244.201.0/24", "192.168.77.201", "0e:00:00:00:00:c9")]
STALE6 = [("fd00:244:0:c9::/64", "fd77::c9", "0e:00:00:00:06:c9")]


def address_in(case: Recording, node: int) -> str:
    subnet = case.lease(node).key.partition("-")[0]
    return parse_subnet(f"{subnet}/24").nth(2)


def indexes(underlay: Underlay) -> dict[str, int]:
    return {one["ifname"]: one["ifindex"] for one in underlay[2].see("link")}


@pytest.mark.parametrize("case", ETCD_CASES, ids=str)
def test_a_running_node_is_taken_over_unnoticed(
    case: Recording, underlay: Underlay, etcd: FlannelEtcd, start: Start
) -> None:
    case.need()
    for number in (1, 2):
        leave(underlay[number], recorded(case, f"n{number}"))
    if recorded(case, "n2").devices:
        for subnet, public, mac in STALE + (STALE6 if case.is_dual else []):
            leave_peer(underlay[2], subnet, public, mac)
    etcd.configure(case.config())
    for lease in case.leases().values():
        etcd.put(lease)
    before = indexes(underlay)

    with (
        pods((underlay[1], address_in(case, 1)), (underlay[2], address_in(case, 2))) as (first, second),
        Flow(second, first) as flow,
        Flow(first, second) as back,
    ):
        node = start(2, etcd.registry)
        node.wait_ready()
        node.see(improved(recorded(case, "n2"), *case.networks, is_new=False))
        node.stop()
        assert (flow.end(), back.end()) == (NOTHING_LOST, NOTHING_LOST)

    after = indexes(underlay)
    assert {name: after[name] for name in before} == before
    assert [one for one in etcd.all_keys() if "subnets/" in one] == sorted(
        f"subnets/{one.key}" for one in case.leases().values()
    )


@pytest.mark.parametrize("name", ["c_directrouting", "g_hostgw"])
def test_a_plain_route_may_be_anybodys_until_its_subnet_is_a_nodes(
    name: str, underlay: Underlay, etcd: FlannelEtcd, start: Start
) -> None:
    """flannel's to a node that has gone looks as an administrator's: it stays, and is in nobody's way."""
    case = recording(name).need()
    leave(underlay[2], recorded(case, "n2"))
    underlay[2].ip("route", "add", "10.244.201.0/24", "via", "192.168.77.201", "dev", "eth0")
    etcd.configure(case.config())
    for lease in case.leases().values():
        etcd.put(lease)
    node = start(2, etcd.registry)
    expected = improved(recorded(case, "n2"), *case.networks, is_new=False)
    stale = Route("unicast", "10.244.201.0/24", "192.168.77.201", "eth0", False, 0, "boot", False)
    node.see(replace(expected, routes=expected.routes | {stale}))

    vtep = {"BackendData": {"VNI": 1, "VtepMAC": "0e:00:00:00:00:c9"}} if case.lease(1).mac4 else {}
    peer = case.lease(1).with_members(PublicIP="192.168.77.9", **vtep)
    etcd.put(replace(peer, key="10.244.201.0-24"))

    ours = stale._replace(gateway="192.168.77.9", protocol=PROTOCOL, by_nexthop=True)
    see(lambda: live(node.node).routes, expected.routes | {ours})

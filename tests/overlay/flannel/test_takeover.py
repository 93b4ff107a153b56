"""A node that was flannel's becomes ours: subnet, MAC and device stay, and no running flow notices."""

from __future__ import annotations

import pytest

from overlay.subnet import parse_subnet
from tests.overlay.flannel.conftest import Start
from tests.overlay.flannel.flannel_node import leave, leave_peer
from tests.overlay.flannel.kernel import improved, recorded
from tests.overlay.flannel.pods import Flow, pods
from tests.overlay.flannel.recordings import VXLAN_CASES, Recording
from tests.overlay.flannel.running import FlannelEtcd
from tests.overlay.flannel.underlay import Underlay

NOTHING_LOST = (0, 0, 0)
STALE = [("10.244.201.0/24", "192.168.77.201", "0e:00:00:00:00:c9")]
STALE6 = [("fd00:244:0:c9::/64", "fd77::c9", "0e:00:00:00:06:c9")]


def address_in(case: Recording, node: int) -> str:
    subnet = case.lease(node).key.partition("-")[0]
    return parse_subnet(f"{subnet}/24").nth(2)


def indexes(underlay: Underlay) -> dict[str, int]:
    return {one["ifname"]: one["ifindex"] for one in underlay[2].see("link")}


@pytest.mark.parametrize("case", VXLAN_CASES, ids=str)
def test_a_running_node_is_taken_over_unnoticed(
    case: Recording, underlay: Underlay, etcd: FlannelEtcd, start: Start
) -> None:
    case.need()
    for number in (1, 2):
        leave(underlay[number], recorded(case, f"n{number}"))
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

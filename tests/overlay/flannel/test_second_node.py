"""What flannel wrote makes our node program what flannel's second node had, device by device."""

from __future__ import annotations

import pytest

from tests.overlay.flannel.conftest import Start
from tests.overlay.flannel.kernel import improved, recorded
from tests.overlay.flannel.recordings import ETCD_CASES, Recording, recording
from tests.overlay.flannel.running import FlannelEtcd


@pytest.mark.parametrize("case", ETCD_CASES, ids=str)
def test_the_second_node_has_what_flannels_had(case: Recording, etcd: FlannelEtcd, start: Start) -> None:
    case.need()
    etcd.configure(case.config())
    for lease in case.leases().values():
        etcd.put(lease)

    node = start(2, etcd.registry)

    node.wait_ready()
    node.see(improved(recorded(case, "n2"), *case.networks))


def test_a_peer_off_the_link_goes_through_the_tunnel(etcd: FlannelEtcd, start: Start) -> None:
    """With DirectRouting: one neighbour on the wire by a plain route, one behind a router by the tunnel."""
    case = recording("c_directrouting").need()
    etcd.configure(case.config("with_offlink_peer"))
    for lease in case.leases("with_offlink_peer").values():
        etcd.put(lease)

    node = start(1, etcd.registry)

    node.see(improved(recorded(case, "n1_offlink_peer", devices="n1"), *case.networks))

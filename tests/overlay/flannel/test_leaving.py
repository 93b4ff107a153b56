"""A node of flannel's that stops, is revoked, comes back and is revoked again, as our first node sees it."""

from __future__ import annotations

import pytest

from tests.overlay.flannel.conftest import Start
from tests.overlay.flannel.flannel_node import leave
from tests.overlay.flannel.kernel import improved, live, recorded
from tests.overlay.flannel.recordings import recording
from tests.overlay.flannel.running import FlannelEtcd, see
from tests.overlay.flannel.underlay import Underlay

LEAVING = recording("f_leave")
NETWORKS = ("10.244.0.0/16", "fd00:244::/48")
BOTH_UP, STOPPED, REVOKED, BACK, REVOKED_AGAIN = (
    "1_both_up", "2_n2_stopped_sigterm", "3_n2_lease_revoked", "4_n2_back", "5_n2_revoked_while_running",
)  # fmt: skip


def test_the_first_node_follows_as_flannels_did(etcd: FlannelEtcd, start: Start) -> None:
    LEAVING.need()
    etcd.configure(LEAVING.config(BOTH_UP))
    etcd.put(LEAVING.lease(1, BOTH_UP))
    second = etcd.put(LEAVING.lease(2, BOTH_UP))
    node = start(1, etcd.registry)
    node.see(improved(recorded(LEAVING, f"n1_{BOTH_UP}"), *NETWORKS))
    assert recorded(LEAVING, f"n1_{STOPPED}") == recorded(LEAVING, f"n1_{BOTH_UP}")

    etcd.revoke(second)
    node.see(improved(recorded(LEAVING, f"n1_{REVOKED}"), *NETWORKS))

    second = etcd.put(LEAVING.lease(2, BACK))
    node.see(improved(recorded(LEAVING, f"n1_{BACK}"), *NETWORKS))

    etcd.revoke(second)
    node.see(improved(recorded(LEAVING, f"n1_{REVOKED_AGAIN}"), *NETWORKS))


def test_a_lease_revoked_while_its_node_lives_is_published_again(etcd: FlannelEtcd, start: Start) -> None:
    """flanneld exits, and leaves all its own state behind."""
    LEAVING.need()
    etcd.configure(LEAVING.config(BOTH_UP))
    etcd.put(LEAVING.lease(1, BOTH_UP))
    granted = etcd.put(LEAVING.lease(2, BOTH_UP))
    node = start(2, etcd.registry)
    node.wait_ready()
    published = etcd.value(f"subnets/{LEAVING.lease(2, BOTH_UP).key}")
    before = live(node.node)

    etcd.revoke(granted)

    see(lambda: etcd.value(f"subnets/{LEAVING.lease(2, BOTH_UP).key}"), published)
    assert live(node.node) == before
    assert node.overlay.is_ready


def test_a_lease_that_ended_in_an_outage_is_published_again(etcd: FlannelEtcd, start: Start) -> None:
    LEAVING.need()
    etcd.configure(LEAVING.config(BOTH_UP))
    granted = etcd.put(LEAVING.lease(2, BOTH_UP))
    node = start(2, etcd.registry)
    node.wait_ready()
    key = f"subnets/{LEAVING.lease(2, BOTH_UP).key}"
    published = etcd.value(key)
    node.stop()
    etcd.revoke(granted)
    assert etcd.value(key) == ""

    start(2, etcd.registry).wait_ready()

    see(lambda: etcd.value(key), published)


@pytest.mark.parametrize("step", [STOPPED, REVOKED_AGAIN])
def test_what_a_stopped_flanneld_left_of_a_revoked_peer_goes(
    underlay: Underlay, etcd: FlannelEtcd, start: Start, step: str
) -> None:
    """flanneld leaves everything on its node, and takes nothing of it away when it is started again."""
    LEAVING.need()
    leave(underlay[2], recorded(LEAVING, f"n2_{step}"))
    etcd.configure(LEAVING.config(BOTH_UP))
    etcd.put(LEAVING.lease(2, BOTH_UP))

    node = start(2, etcd.registry)

    kernel = recorded(LEAVING, f"n2_{step}")
    assert kernel.routes and kernel.neighbours and kernel.fdb
    node.see(improved(kernel.without_peers(), *NETWORKS, is_new=False))

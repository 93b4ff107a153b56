"""What flannel wrote makes our node program what flannel's second node had, device by device."""

from __future__ import annotations

import pytest

from tests.overlay.flannel.conftest import Start
from tests.overlay.flannel.kernel import improved, recorded
from tests.overlay.flannel.recordings import ETCD_CASES, Recording
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

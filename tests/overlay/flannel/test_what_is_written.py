"""What we write is what flannel writes: keys, values byte by byte, times to live, subnet.env."""

from __future__ import annotations

import json

import pytest

from tests.overlay.flannel.conftest import Start
from tests.overlay.flannel.flannel_node import leave
from tests.overlay.flannel.kernel import recorded
from tests.overlay.flannel.recordings import ETCD_CASES, Recording
from tests.overlay.flannel.running import FlannelEtcd
from tests.overlay.flannel.underlay import Underlay

OURS = ',"Podwire":'  # the member that is ours: the last, so that all before it can be flannel's


@pytest.mark.parametrize("case", ETCD_CASES, ids=str)
def test_a_lease_is_flannels_to_the_letter(
    case: Recording, underlay: Underlay, etcd: FlannelEtcd, start: Start
) -> None:
    """As after a flanneld whose lease was lost: its subnet.env and its device are all that tells."""
    case.need()
    leave(underlay[2], recorded(case, "n2"))
    etcd.configure(case.config())
    etcd.put(case.lease(1))

    node = start(2, etcd.registry, subnet_env=case.text("n2.subnet.env"))
    node.wait_ready()

    expected = case.lease(2)
    assert f"subnets/{expected.key}" in etcd.all_keys()
    written = etcd.value(f"subnets/{expected.key}")
    assert written[: written.index(OURS)] + "}" == expected.value
    assert list(json.loads(written)) == [*expected.body, "Podwire"]
    assert etcd.ttl(f"subnets/{expected.key}") == 86400
    assert etcd.value(f"subnets/{case.lease(1).key}") == case.lease(1).value


@pytest.mark.parametrize("case", ETCD_CASES, ids=str)
def test_a_lease_that_is_taken_up_keeps_its_key_and_its_time(
    case: Recording, etcd: FlannelEtcd, start: Start
) -> None:
    case.need()
    etcd.configure(case.config())
    granted = {address: etcd.put(lease) for address, lease in case.leases().items()}

    start(2, etcd.registry).wait_ready()

    expected = case.lease(2)
    written = etcd.value(f"subnets/{expected.key}")
    assert written[: written.index(OURS)] + "}" == expected.value
    assert etcd.ttl_id(f"subnets/{expected.key}") == granted["192.168.77.2"]
    assert sorted(one for one in etcd.all_keys() if one.startswith("subnets/")) == sorted(
        f"subnets/{one.key}" for one in case.leases().values()
    )


@pytest.mark.parametrize("case", ETCD_CASES, ids=str)
def test_subnet_env_is_flannels_but_for_the_mtu_over_ipv6(
    case: Recording, etcd: FlannelEtcd, start: Start
) -> None:
    """flannel says 1450 in dual stack, where its own tunnel over IPv6 has 1430."""
    case.need()
    etcd.configure(case.config())
    for lease in case.leases().values():
        etcd.put(lease)

    node = start(2, etcd.registry)
    node.wait_ready()

    flannels = case.text("n2.subnet.env")
    if case.is_dual:
        assert "FLANNEL_MTU=1450\n" in flannels
        flannels = flannels.replace("FLANNEL_MTU=1450\n", "FLANNEL_MTU=1430\n")
    assert node.subnet_env.read_text() == flannels

"""What flanneld gets wrong, seen at a real one: podwire does not."""

from __future__ import annotations

import pytest

from tests.overlay.flannel.conftest import Start
from tests.overlay.flannel.kernel import Kernel, improved, live, recorded
from tests.overlay.flannel.recordings import OWN, Lease, Recording
from tests.overlay.flannel.running import FlannelEtcd, Running, see
from tests.overlay.flannel.underlay import Underlay

CASE = Recording(OWN / "dual")
ALONE = improved(recorded(CASE, "n2").without_peers(), *CASE.networks)
GRACE = 60.0  # seconds; an old way in goes some time after the new one is there


def peer(number: int, *, mac: int = 0, host: int = 0) -> Lease:
    """Return the lease of one more node of flannel's; `mac`, `host`: of another device, another address."""
    key = f"10.244.{number}.0-24&fd00:244:0:{number}::-64"
    four, six = (f"0e:0{family}:00:00:00:{mac or number:02x}" for family in (4, 6))
    members = {
        "PublicIP": f"192.168.77.{host or number}", "PublicIPv6": f"fd77::{host or number}",
        "BackendData": {"VNI": 1, "VtepMAC": four}, "BackendV6Data": {"VNI": 1, "VtepMAC": six},
    }  # fmt: skip
    return Lease(key, CASE.lease(1).with_members(**members).value, 0)


def alone_with(*leases: Lease) -> Kernel:
    """Return what the second node has when these are the others."""
    kernel = ALONE
    for one in leases:
        kernel = kernel.with_peer(one)
    return kernel


@pytest.fixture
def second(etcd: FlannelEtcd, start: Start) -> Running:
    """Give the second node with peers 50 and 51."""
    etcd.configure(CASE.config())
    for lease in (CASE.lease(2), peer(50), peer(51)):
        etcd.put(lease)
    node = start(2, etcd.registry)
    node.see(alone_with(peer(50), peer(51)))
    return node


def test_what_left_or_changed_in_a_downtime_leaves_nothing(
    second: Running, etcd: FlannelEtcd, start: Start
) -> None:
    """flanneld never lists the kernel: routes, neighbours and FDB entries stay for ever."""
    for number in (52, 53):
        etcd.put(peer(number))
    second.see(alone_with(*map(peer, (50, 51, 52, 53))))
    second.stop()

    etcd.remove(peer(50))
    etcd.put(peer(51, mac=99))
    etcd.put(peer(52, host=99))
    assert live(second.node) == alone_with(*map(peer, (50, 51, 52, 53)))

    start(2, etcd.registry).see(alone_with(peer(51, mac=99), peer(52, host=99), peer(53)))


def test_a_changed_mac_leaves_no_old_entry(second: Running, etcd: FlannelEtcd) -> None:
    """flanneld keeps the dead FDB entry beside the new one."""
    etcd.put(peer(50, mac=98))

    second.see(alone_with(peer(50, mac=98), peer(51)))


def test_a_changed_address_is_followed(second: Running, etcd: FlannelEtcd) -> None:
    etcd.put(peer(50, host=98))

    second.see(alone_with(peer(50, host=98), peer(51)))


@pytest.mark.parametrize("devices", [["flannel.1"], ["flannel-v6.1"], ["flannel.1", "flannel-v6.1"]])
def test_a_deleted_device_is_made_again_with_everything(second: Running, devices: list[str]) -> None:
    """flanneld makes it again without any route, and never watches the one over IPv6."""
    before = live(second.node)

    for name in devices:
        second.node.ip("link", "del", name)

    second.see(before)


@pytest.mark.campaign
def test_a_changed_vni_leaves_no_old_device(second: Running, etcd: FlannelEtcd) -> None:
    """flanneld makes the new device, and the old one stays with all that leads into it."""
    etcd.remove(peer(51))
    etcd.configure(CASE.config().replace('"Type":"vxlan"', '"Type":"vxlan","VNI":7'))
    data = {name: {**peer(50).body[name], "VNI": 7} for name in ("BackendData", "BackendV6Data")}
    etcd.put(peer(50).with_members(**data))

    expected = {("flannel.7", 7), ("flannel-v6.7", 7)}
    see(lambda: {(one.name, one.vni) for one in live(second.node).devices}, expected, within=GRACE)
    kernel = live(second.node)
    assert {one.dev for one in kernel.routes if one.kind == "unicast"} == {"flannel.7", "flannel-v6.7"}
    assert {one.dev for one in kernel.fdb} == {"flannel.7", "flannel-v6.7"}
    assert second.condition("NotProgrammed") == ""


def test_a_reservation_of_ones_own_subnet_stays_without_an_end(etcd: FlannelEtcd, start: Start) -> None:
    """flanneld writes it again with 24 hours."""
    etcd.configure(CASE.config())
    etcd.put(CASE.lease(2), ttl=0)

    node = start(2, etcd.registry)
    node.wait_ready()

    key = f"subnets/{CASE.lease(2).key}"
    assert "Podwire" in etcd.value(key)
    assert etcd.ttl_id(key) == "0"


def test_a_reservation_for_another_is_not_touched(
    etcd: FlannelEtcd, underlay: Underlay, start: Start
) -> None:
    etcd.configure(CASE.config())
    reserved = CASE.lease(2).with_members(PublicIP="192.168.77.77", PublicIPv6="fd77::77")
    etcd.put(reserved, ttl=0)

    node = start(2, etcd.registry, subnet_env=CASE.text("n2.subnet.env"))
    node.wait_ready()

    assert etcd.value(f"subnets/{reserved.key}") == reserved.value
    assert etcd.ttl_id(f"subnets/{reserved.key}") == "0"
    assert node.subnet_env.read_text() != CASE.text("n2.subnet.env")

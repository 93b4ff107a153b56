"""Other networks' devices, a cni0 of another subnet, the order of conflists, overlapping routes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from linuxnet.numbers import OVERLAY_PROTOCOL
from overlay.devices import ALIAS
from overlay.net_conf import NetConf
from overlay.state import State as OverlayState
from overlay.state import save_state
from podwire.doctor.cluster import Cluster, look_at_cluster, read_cluster
from podwire.doctor.host_files import HostFiles
from podwire.doctor.leftovers import look_at_conflists, look_at_leftovers
from podwire.doctor.overlaps import look_at_overlaps
from podwire.doctor.verdict import State
from podwire.install.launchers import Kind, launcher
from tests.calls import run
from tests.doctor.looks import CLUSTER, ip, mend, named, worst

pytestmark = pytest.mark.usefixtures("host")

SUBNET_ENV = (
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("name", ["flannel.1", "vxlan.calico", "cilium_host", "kube-bridge"])
def test_a_device_without_its_daemon_is_a_leftover(name: str, tmp_path: Path) -> None:
    ip(f"link add {name} type bridge")
    verdict = worst(look_at_leftovers(CLUSTER, HostFiles(tmp_path)))
    assert verdict.state is State.RISKY and name in verdict.found

    mend(verdict)
    assert worst(look_at_leftovers(CLUSTER, HostFiles(tmp_path))).state is State.FINE


def test_flannels_device_with_its_subnet_env_is_in_use(tmp_path: Path) -> None:
    ip("link add flannel.1 type bridge")
    _write(tmp_path / "run/flannel/subnet.env", SUBNET_ENV)

    assert worst(look_at_leftovers(CLUSTER, HostFiles(tmp_path))).state is State.FINE


def test_a_bridge_of_another_subnet_is_found(tmp_path: Path) -> None:
    ip("link add cni0 type bridge", "address add 10.244.7.1/24 dev cni0")
    assert worst(look_at_leftovers(CLUSTER, HostFiles(tmp_path))).state is State.FINE
    ip("address add 10.244.9.1/24 dev cni0")

    verdict = worst(look_at_leftovers(CLUSTER, HostFiles(tmp_path)))
    assert verdict.state is State.BROKEN and "10.244.9.0/24" in verdict.found
    mend(verdict)
    assert worst(look_at_leftovers(CLUSTER, HostFiles(tmp_path))).state is State.FINE


def test_a_foreign_conflist_before_ours_is_found(tmp_path: Path) -> None:
    (tmp_path / "opt/cni/bin").mkdir(parents=True)
    (tmp_path / "opt/cni/bin/bridge").write_bytes(launcher("bridge", kind=Kind.PYTHON))
    for name, kind in (("10-calico.conflist", "calico"), ("20-podwire.conflist", "bridge")):
        body = {"cniVersion": "1.0.0", "name": kind, "plugins": [{"type": kind}]}
        _write(tmp_path / "etc/cni/net.d" / name, json.dumps(body))
    verdict = worst(look_at_conflists(HostFiles(tmp_path)))
    assert verdict.found == "10-calico.conflist comes before 20-podwire.conflist"

    mend(verdict)
    assert worst(look_at_conflists(HostFiles(tmp_path))).found == "20-podwire.conflist"


def test_the_cluster_is_read_from_subnet_env_and_net_conf(tmp_path: Path) -> None:
    _write(tmp_path / "run/flannel/subnet.env", SUBNET_ENV)
    conf = {"Network": "10.96.0.0/12", "Backend": {"Type": "vxlan", "Port": 4789}}
    _write(tmp_path / "etc/kube-flannel/net-conf.json", json.dumps(conf))
    seen = read_cluster(HostFiles(tmp_path))

    assert list(map(str, seen.networks)) == ["10.244.0.0/16", "10.96.0.0/12"]
    assert (str(seen.subnets[0]), seen.mtu, seen.vxlan_port) == ("10.244.7.0/24", 1450, 4789)


@pytest.mark.parametrize(
    "text", ["FLANNEL_NETWORK=10.244.0.0\n", "FLANNEL_NETWORK=x/y\nFLANNEL_SUBNET=1/999\n"]
)
def test_a_file_that_nobody_understands_is_named(text: str, tmp_path: Path) -> None:
    _write(tmp_path / "run/flannel/subnet.env", text)
    _write(tmp_path / "etc/podwire/net-conf.json", "{")
    bad = [one for one in look_at_cluster(read_cluster(HostFiles(tmp_path))) if one.state is State.RISKY]

    assert any("subnet.env" in one.found for one in bad) and any("net-conf.json" in one.found for one in bad)


def test_docker0_inside_the_clusters_network_is_found() -> None:
    ip("link add docker0 type bridge", "link set docker0 up", "address add 10.244.3.1/24 dev docker0")
    verdict = worst(look_at_overlaps(CLUSTER))

    assert verdict.state is State.BROKEN and "docker0" in verdict.found and "daemon.json" in verdict.advice


def test_a_vpn_around_the_clusters_network_is_risky_and_mended() -> None:
    ip("link add vpn0 type bridge", "link set vpn0 up", "route add 10.0.0.0/8 dev vpn0")
    verdict = worst(look_at_overlaps(CLUSTER))
    assert verdict.state is State.RISKY

    mend(verdict)
    assert worst(look_at_overlaps(CLUSTER)).state is State.FINE


def test_tunnels_bridges_direct_routes_and_black_holes_are_the_networks_own() -> None:
    ip(
        "link add vx1 type vxlan id 1 dstport 8472", "link set vx1 up", "route add 10.244.9.0/24 dev vx1",
        "link add cni0 type bridge", "link set cni0 up", "address add 10.244.7.1/24 dev cni0",
        "link add up0 type bridge", "link set up0 up", "address add 192.0.2.1/24 dev up0",
        "route add 10.244.8.0/24 via 192.0.2.8", "route add blackhole 10.244.0.0/16",
    )  # fmt: skip

    assert named(look_at_overlaps(CLUSTER), "overlapping networks").found == "no overlap"
    assert named(look_at_overlaps(Cluster()), "overlapping networks").state is State.FINE


def test_the_overlays_own_devices_and_routes_are_none_of_these(tmp_path: Path) -> None:
    ip("link add flannel.1 type vxlan id 1 dstport 8472", "link set flannel.1 up")
    run(["ip", "link", "set", "flannel.1", "alias", ALIAS])
    ip(
        "link add up0 type bridge",
        "link set up0 up",
        f"route add 10.244.8.0/24 dev up0 proto {OVERLAY_PROTOCOL}",
    )

    assert worst(look_at_leftovers(CLUSTER, HostFiles(tmp_path))).state is State.FINE
    assert worst(look_at_overlaps(CLUSTER)).state is State.FINE


def test_the_snapshot_says_what_the_registry_said_last(tmp_path: Path) -> None:
    conf = NetConf.model_validate({"Network": "10.7.0.0/16", "Backend": {"Type": "vxlan-gpe", "Port": 4999}})
    save_state(tmp_path / "srv/overlay", OverlayState(net_conf=conf))
    _write(tmp_path / "etc/podwire/agent.toml", '[overlay]\nstate = "/srv/overlay"\n')
    seen = read_cluster(HostFiles(tmp_path))

    assert (list(map(str, seen.networks)), seen.gpe_port, seen.vxlan_port) == (["10.7.0.0/16"], 4999, 8472)

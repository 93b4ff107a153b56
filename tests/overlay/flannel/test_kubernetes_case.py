"""The recorded Nodes, served again: our node programs what flannel's second had, and follows every change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kube_api.objects import Json
from tests.kube_api.server import ApiServer, running_api
from tests.overlay.flannel.conftest import Start
from tests.overlay.flannel.kernel import Forward, improved, live, recorded
from tests.overlay.flannel.recordings import OWN, Recording, recording
from tests.overlay.flannel.running import Running, see
from tests.overlay.flannel.underlay import WIRE, Underlay

CASE = recording("e_kube_v4")
BARE = recording("e0_kube_node_without_annotations")
DUAL = Recording(OWN / "dual")
Run = Callable[[int, str], Running]
FLANNELS = "flannel.alpha.coreos.com/"
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: "{url}"}}}}]
users: [{{name: me, user: {{}}}}]
"""


@pytest.fixture
def api(underlay: Underlay) -> Iterator[ApiServer]:
    """Serve Nodes on the wire."""
    with running_api(host=WIRE) as server:
        yield server


@pytest.fixture
def run_podwire(api: ApiServer, start: Start, tmp_path: Path) -> Run:
    """Give a function that starts podwire on a node, by its number, with a configuration."""
    kubeconfig, net_conf = tmp_path / "kubeconfig", tmp_path / "net-conf.json"
    kubeconfig.write_text(KUBECONFIG.format(url=api.url))

    def run(number: int, conf: str) -> Running:
        net_conf.write_text(conf)
        return start(number, f"kubernetes:{kubeconfig}", net_conf=str(net_conf))

    return run


def flannels(node: Json) -> dict[str, str]:
    annotations = node["metadata"].get("annotations", {})
    return {key: value for key, value in annotations.items() if key.startswith(FLANNELS)}


def make_dual_node(api: ApiServer, number: int) -> None:
    """Make a Node as a flanneld leaves it in dual stack, with what the lease in etcd says."""
    lease = DUAL.lease(number)
    body, (four, six) = lease.body, lease.key.split("&")
    cidrs = [f"{one.rpartition('-')[0]}/{one.rpartition('-')[2]}" for one in (four, six)]
    api.objects.create(
        {"metadata": {"name": f"node-{number}"}, "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
    )
    api.objects.annotate(
        f"node-{number}", backend_type="vxlan", kube_subnet_manager="true", public_ip=body["PublicIP"],
        public_ipv6=body["PublicIPv6"], backend_data=json.dumps(body["BackendData"]),
        backend_v6_data=json.dumps(body["BackendV6Data"]),
    )  # fmt: skip


@pytest.mark.parametrize("step", ["before", "after_n1", "after_n2"])
def test_the_second_node_has_what_flannels_had(api: ApiServer, run_podwire: Run, step: str) -> None:
    """`before`, `after_n1`: a fresh Node; `after_n2`: one that was flannel's, with its MAC."""
    CASE.need()
    api.objects.create(CASE.json("node-1.after_n2.json"))
    api.objects.create(CASE.json(f"node-2.{step}.json"))
    expected = improved(recorded(CASE, "n2"), *CASE.networks)

    node = run_podwire(2, CASE.text("net-conf.json"))
    node.wait_ready()

    if step != "after_n2":
        mac = live(node.node).devices[0].mac
        expected = improved(recorded(CASE, "n2").with_mac(mac), *CASE.networks)
    node.see(expected)
    ours = flannels(api.objects.nodes["node-2"])
    theirs = flannels(CASE.json("node-2.after_n2.json"))
    theirs[f"{FLANNELS}backend-data"] = json.dumps(
        {"VNI": 1, "VtepMAC": live(node.node).devices[0].mac}, separators=(",", ":")
    )
    assert ours == theirs
    assert node.subnet_env.read_text() == CASE.text("n2.subnet.env")


def test_a_node_that_stops_stays_and_one_that_is_deleted_goes(api: ApiServer, run_podwire: Run) -> None:
    """As flannel's first node saw it: a daemon that stops changes nothing of its Node."""
    CASE.need()
    for number in (1, 2):
        api.objects.create(CASE.json(f"node-{number}.n2_stopped.json"))
    node = run_podwire(1, CASE.text("net-conf.json"))
    node.see(improved(recorded(CASE, "n1_n2_stopped"), *CASE.networks))

    api.objects.delete("node-2")

    node.see(improved(recorded(CASE, "n1_node2_deleted"), *CASE.networks))


def test_a_node_without_annotations_gets_its_own(api: ApiServer, run_podwire: Run) -> None:
    """flanneld panics: "assignment to entry in nil map"."""
    BARE.need()
    created = BARE.json("node-1.created.json")
    assert "annotations" not in created["metadata"]
    created["metadata"]["name"] = "node-2"
    api.objects.create(created | {"spec": {"podCIDR": "10.244.2.0/24", "podCIDRs": ["10.244.2.0/24"]}})

    node = run_podwire(2, BARE.text("net-conf.json"))
    node.wait_ready()

    assert flannels(api.objects.nodes["node-2"])[f"{FLANNELS}public-ip"] == "192.168.77.2"


@pytest.mark.parametrize(
    ("annotation", "value", "dev", "dst"),
    [
        ("public_ip", "192.168.77.9", "flannel.1", "192.168.77.9"),
        ("public_ipv6", "fd77::9", "flannel-v6.1", "fd77::9"),
    ],
)
def test_a_change_of_one_family_alone_reaches_the_kernel(
    api: ApiServer, run_podwire: Run, annotation: str, value: str, dev: str, dst: str
) -> None:
    """flanneld ignores it, and keeps the old address until both have changed."""
    make_dual_node(api, 1)
    make_dual_node(api, 2)
    node = run_podwire(2, DUAL.text("net-conf.json"))
    expected = improved(recorded(DUAL, "n2"), *DUAL.networks)
    node.see(expected)

    api.objects.annotate("node-1", **{annotation: value})

    changed = frozenset(one._replace(dst=dst) if one.dev == dev else one for one in expected.fdb)
    see(lambda: live(node.node).fdb, changed)
    assert {one for one in changed if one.dev == dev} == {Forward(DUAL_MACS[dev], dev, dst)}


DUAL_MACS = {"flannel.1": DUAL.lease(1).mac4, "flannel-v6.1": DUAL.lease(1).mac6}

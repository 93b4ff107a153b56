"""/etc/hosts, /etc/hostname and /etc/resolv.conf, as kubelet would write them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pod_runner.supervisor.order import PodOrder
from pod_runner.volumes.etc_files import hostname_of, write_etc
from tests.pod_runner.volumes.conftest import Make

CLUSTER = {"cluster_dns": ("10.96.0.10",)}
HEAD = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return a node's files."""
    (tmp_path / "node/etc").mkdir(parents=True)
    (tmp_path / "node/etc/resolv.conf").write_text("search example.org\nnameserver 192.0.2.53\n")
    (tmp_path / "node/etc/hosts").write_text("192.0.2.1 node1\n")
    return tmp_path / "node"


def text(order: PodOrder, name: str) -> str:
    return (order.folder / "etc" / name).read_text()


def test_a_pod_knows_its_own_name(make: Make, node: Path) -> None:
    order, pod = make(places=CLUSTER)
    assert write_etc(order, pod, ["10.1.0.2", "fd00::2"], node) == []
    assert text(order, "hosts") == HEAD + "10.1.0.2\tweb-1\nfd00::2\tweb-1\n"
    assert text(order, "hostname") == "web-1\n"


def test_a_subdomain_makes_the_name_whole_and_aliases_are_added(make: Make, node: Path) -> None:
    aliases = [{"ip": "1.2.3.4", "hostnames": ["foo.local", "bar.local"]}]
    order, pod = make(places=CLUSTER, hostname="h", subdomain="sub", hostAliases=aliases)
    write_etc(order, pod, ["10.1.0.2"], node)
    assert text(order, "hosts") == (
        HEAD + "10.1.0.2\th.sub.shop.svc.cluster.local\th\n"
        "\n# Entries added by HostAliases.\n1.2.3.4\tfoo.local\tbar.local\n"
    )
    assert text(order, "hostname") == "h\n"


def test_on_the_nodes_network_names_are_the_nodes(make: Make, node: Path) -> None:
    order, pod = make(places=CLUSTER, hostNetwork=True)
    write_etc(order, pod, ["192.0.2.1"], node)
    assert text(order, "hosts") == "# Kubernetes-managed hosts file (host network).\n192.0.2.1 node1\n"
    assert text(order, "hostname") == f"{socket.gethostname()}\n"
    assert text(order, "resolv.conf") == "search example.org\nnameserver 192.0.2.53\n"


def test_cluster_first_asks_the_clusters_dns(make: Make, node: Path) -> None:
    order, pod = make(places=CLUSTER)
    write_etc(order, pod, ["10.1.0.2"], node)
    assert text(order, "resolv.conf") == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local example.org\n"
        "nameserver 10.96.0.10\noptions ndots:5\n"
    )


def test_dns_config_is_added_or_is_all(make: Make, node: Path) -> None:
    config = {
        "nameservers": ["9.9.9.9"], "searches": ["a.b"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }  # fmt: skip
    order, pod = make(places=CLUSTER, dnsPolicy="None", dnsConfig=config)
    write_etc(order, pod, [], node)
    assert text(order, "resolv.conf") == "search a.b\nnameserver 9.9.9.9\noptions ndots:2 edns0\n"


def test_a_stub_on_loopback_is_replaced_by_what_it_asks(make: Make, node: Path) -> None:
    order, pod = make(dnsPolicy="Default")
    (node / "etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
    assert write_etc(order, pod, [], node) == [
        "name server 127.0.0.53 is the node's own loopback: the pod does not reach it"
    ]
    (node / "run/systemd/resolve").mkdir(parents=True)
    (node / "run/systemd/resolve/resolv.conf").write_text("nameserver 192.0.2.99\n")
    assert write_etc(order, pod, [], node) == []
    assert text(order, "resolv.conf") == "nameserver 192.0.2.99\n"


def test_a_node_without_files_is_no_error(make: Make, tmp_path: Path) -> None:
    order, pod = make(places=CLUSTER)
    assert write_etc(order, pod, [], tmp_path / "nothing") == []


def test_files_are_written_in_place(make: Make, node: Path) -> None:
    """A container has the file mounted, not its name."""
    order, pod = make(places=CLUSTER)
    write_etc(order, pod, ["10.1.0.2"], node)
    hosts = order.folder / "etc/hosts"
    before = hosts.stat().st_ino
    write_etc(order, pod, ["10.1.0.3"], node)
    assert hosts.stat().st_ino == before
    assert "10.1.0.3\tweb-1" in hosts.read_text()


@pytest.mark.parametrize(
    ("name", "expected"), [("a" * 70, "a" * 63), ("b" * 62 + "-c", "b" * 62), ("x.y", "x.y")]
)
def test_a_long_name_is_cut_where_linux_cuts(name: str, expected: str, make: Make) -> None:
    _, pod = make()
    pod = pod.model_copy(update={"metadata": pod.metadata.model_copy(update={"name": name})})
    assert hostname_of(pod) == expected

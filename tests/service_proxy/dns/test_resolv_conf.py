"""resolv.conf: what libresolv reads, what kubelet writes, and who is asked when it changes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from service_proxy.dns.forward_settings import Server, read_server
from service_proxy.dns.pod_resolv_conf import ClusterDns, DnsPolicy, PodDns, pod_resolv_conf
from service_proxy.dns.resolv_conf import ResolvConf, parse
from service_proxy.dns.upstream_file import UpstreamFile
from tests.service_proxy.dns.asking import Told

HOST = ResolvConf(("192.0.2.53",), ("corp.example",), ("timeout:1",))
CLUSTER = ClusterDns(("10.96.0.10",))
SEARCH = "shop.svc.cluster.local svc.cluster.local cluster.local corp.example"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nameserver 192.0.2.1\nnameserver fe80::1%eth0\n", ResolvConf(("192.0.2.1", "fe80::1%eth0"))),
        ("nameserver 192.0.2.1 # office\n", ResolvConf(("192.0.2.1",))),
        ("search a.example b.example\ndomain c.example d.example\n", ResolvConf((), ("c.example",))),
        ("domain c.example\nsearch a.example b.example\n", ResolvConf((), ("a.example", "b.example"))),
        ("options ndots:2 rotate\noptions ndots:5\n", ResolvConf((), (), ("ndots:5", "rotate"))),
        ("# nameserver 192.0.2.1\n; search x\n  nameserver 192.0.2.2\n", ResolvConf()),
        ("nameserver dns.example\nnameserver\nnameserver 1.2.3\nsearch\n\0\n", ResolvConf()),
        ("sortlist 192.0.2.0\nnameserver\t192.0.2.1\r\n", ResolvConf(("192.0.2.1",))),
    ],
)
def test_it_is_read_as_libresolv_does(text: str, expected: ResolvConf) -> None:
    assert parse(text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (PodDns("shop"), f"search {SEARCH}\nnameserver 10.96.0.10\noptions ndots:5\n"),
        (
            PodDns("shop", DnsPolicy.CLUSTER_FIRST_WITH_HOST_NET, has_host_network=True),
            f"search {SEARCH}\nnameserver 10.96.0.10\noptions ndots:5\n",
        ),
        (PodDns("shop", has_host_network=True), str(HOST)),
        (PodDns("shop", DnsPolicy.DEFAULT), str(HOST)),
        (PodDns("shop", DnsPolicy.NONE, config=ResolvConf(("192.0.2.9",))), "nameserver 192.0.2.9\n"),
        (
            PodDns("shop", config=ResolvConf(("192.0.2.9",), ("x.lan", "cluster.local"), ("ndots:2",))),
            f"search {SEARCH} x.lan\nnameserver 10.96.0.10\nnameserver 192.0.2.9\noptions ndots:2\n",
        ),
    ],
    ids=["ClusterFirst", "WithHostNet", "ClusterFirst on the host's network", "Default", "None", "dnsConfig"],
)  # fmt: skip
def test_a_pod_gets_what_kubelet_writes(pod: PodDns, expected: str) -> None:
    written = pod_resolv_conf(pod, CLUSTER, HOST)
    assert (str(written.file), written.warnings) == (expected, ())


def test_what_libresolv_would_not_read_is_left_out_with_a_word() -> None:
    many = tuple(f"d{number}.example" for number in range(40))
    config = ResolvConf(("192.0.2.1", "192.0.2.2", "192.0.2.3"), many)
    written = pod_resolv_conf(PodDns("shop", config=config), CLUSTER, HOST)
    assert written.file.nameservers == ("10.96.0.10", "192.0.2.1", "192.0.2.2")
    assert len(written.file.searches) == 32
    assert "192.0.2.3 left out" in written.warnings[0] and "12 left out" in written.warnings[1]


def test_a_search_list_ends_at_2048_characters_and_a_path_at_253() -> None:
    label = "x" * 60
    long = tuple(f"{label}.{label}.{label}.d{number}.example" for number in range(20))
    written = pod_resolv_conf(PodDns("shop", config=ResolvConf((), ("y" * 254, *long))), CLUSTER, HOST)
    length = len(" ".join(written.file.searches))
    assert 2048 - 200 < length <= 2048 and "y" * 254 not in written.file.searches and written.warnings


def test_without_a_cluster_dns_address_the_pod_gets_the_nodes_servers() -> None:
    written = pod_resolv_conf(PodDns("shop"), ClusterDns(()), HOST)
    assert written.file == HOST and "no DNS address" in written.warnings[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", Server("192.0.2.1")),
        ("192.0.2.1:5353", Server("192.0.2.1", 5353)),
        ("fd00::1", Server("fd00::1")),
        ("[fd00::1]:5353", Server("fd00::1", 5353)),
        ("[fe80::1%eth0]", Server("fe80::1%eth0")),
    ],
)
def test_a_server_is_an_address_with_or_without_a_port(text: str, expected: Server) -> None:
    assert read_server(text) == expected


@pytest.mark.parametrize(
    "text", ["dns.example", "192.0.2.1:0", "192.0.2.1:x", "[::1", "", "[::1]:70000", "1:2:3"]
)
def test_anything_else_is_no_server(text: str) -> None:
    with pytest.raises(ValueError, match="expected the address of a DNS server"):
        read_server(text)


class Followed:
    """A file that is followed, and what was said of it."""

    def __init__(self, path: Path) -> None:
        self.told = Told()
        self.servers: tuple[Server, ...] | None = None
        self.file = UpstreamFile(path, [Server("10.96.0.10")], self._take, self.told)

    def _take(self, servers: tuple[Server, ...]) -> None:
        self.servers = servers

    def wait(self, *addresses: str) -> None:
        deadline = time.monotonic() + 8
        while self.servers != tuple(map(Server, addresses)):
            assert time.monotonic() < deadline, self.servers
            time.sleep(0.005)


def test_a_file_is_followed_however_it_is_changed(tmp_path: Path) -> None:
    path, other = tmp_path / "etc" / "resolv.conf", tmp_path / "run" / "resolv.conf"
    for one in (path, other):
        one.parent.mkdir()
        one.write_text("nameserver 192.0.2.1\n")
    followed = Followed(path)
    followed.file.start()
    try:
        followed.wait("192.0.2.1")
        path.write_text("nameserver 192.0.2.2\n")
        followed.wait("192.0.2.2")
        (path.parent / "new").write_text("nameserver 192.0.2.3\nnameserver 192.0.2.4\n")
        (path.parent / "new").rename(path)
        followed.wait("192.0.2.3", "192.0.2.4")
        (path.parent / "link").symlink_to("../run/resolv.conf")
        (path.parent / "link").rename(path)
        followed.wait("192.0.2.1")
        other.write_text("nameserver 192.0.2.5\n")
        followed.wait("192.0.2.5")
        path.unlink()
        path.write_text("nameserver 192.0.2.6\n")
        followed.wait("192.0.2.6")
        assert not followed.told.now
    finally:
        followed.file.close()


def test_ourselves_are_not_asked_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 10.96.0.10\nnameserver 192.0.2.1\n")
    followed = Followed(path)
    followed.file.look()
    assert followed.servers == (Server("192.0.2.1"),)
    assert "10.96.0.10:53 is this DNS server itself" in followed.told.now["dns-loop", str(path)]
    path.write_text("nameserver 10.96.0.10\n")
    followed.file.look()
    assert not followed.servers and ("dns-no-upstreams", str(path)) in followed.told.now
    path.write_text("nameserver 192.0.2.1\n")
    followed.file.look()
    assert not followed.told.now
    followed.file.close()


def test_a_file_that_is_gone_leaves_the_servers_that_were_known(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.1\n")
    followed = Followed(path)
    followed.file.look()
    path.unlink()
    followed.file.look()
    assert followed.servers == (Server("192.0.2.1"),)
    assert "No such file" in followed.told.now["dns-no-upstreams", str(path)]
    followed.file.close()

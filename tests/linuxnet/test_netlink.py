"""Our own rtnetlink messages, judged by iproute2: what we make it shows, what it makes we read."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from linuxnet.errors import KernelError
from linuxnet.link_deletion import delete_links
from linuxnet.netlink import Netlink
from linuxnet.scratch import open_scratch_netns
from linuxnet.unlinking import Unlinker
from tests.calls import ip_json, run


@pytest.fixture
def netlink(host: None) -> Iterator[Netlink]:
    one = Netlink()
    yield one
    one.close()


@pytest.fixture
def veth(netlink: Netlink) -> str:
    netlink.request(
        "link", "add", ifname="v0", kind="veth", mtu=1400, state="up", peer={"ifname": "v1", "mtu": 1400}
    )
    netlink.request("link", "set", ifname="v1", state="up")
    return "v0"


def test_a_veth_is_made_as_asked(netlink: Netlink) -> None:
    netlink.request("link", "add", ifname="br0", kind="bridge", address="02:00:00:00:00:01", mtu=1300)
    master = netlink.get_link("br0").index
    peer = {"ifname": "inner", "address": "02:00:00:00:00:02"}
    fields = {"ifname": "outer", "kind": "veth", "group": 77, "master": master, "state": "up", "peer": peer}
    netlink.request("link", "add", **fields)
    netlink.request("link", "set", ifname="outer", alias="somebody's", txqlen=500)

    seen = {link["ifname"]: link for link in ip_json("-d", "link")}
    outer, inner = seen["outer"], seen["inner"]
    assert (outer["master"], outer["group"], outer["ifalias"], outer["txqlen"]) == (
        "br0",
        "77",
        "somebody's",
        500,
    )
    assert "UP" in outer["flags"] and "UP" not in inner["flags"]
    assert inner["address"] == "02:00:00:00:00:02" and seen["br0"]["address"] == "02:00:00:00:00:01"


def test_a_link_is_read_as_iproute2_reads_it(netlink: Netlink, veth: str) -> None:
    attach = "ip link add br0 type bridge; ip link set v0 master br0 alias here"
    run(["sh", "-c", f"{attach}; bridge link set dev v0 hairpin on"])

    link = netlink.get_link("v0")
    (shown,) = ip_json("-d", "link", "show", "v0")

    assert (link.name, link.mtu, link.mac, link.kind) == ("v0", shown["mtu"], shown["address"], "veth")
    assert (link.alias, link.operstate, link.txqlen) == ("here", shown["operstate"], shown["txqlen"])
    assert link.master == netlink.get_link("br0").index and link.peer == netlink.get_link("v1").index
    assert link.port is not None and (link.port.hairpin, link.port.isolated) == (True, False)
    assert netlink.get_link("v1").port is None
    assert [one.name for one in netlink.links(master=link.master)] == ["v0"]


@pytest.mark.parametrize("address", ["10.1.2.3/24", "10.9.9.9/32", "fd00::7/64"])
def test_addresses_and_routes_go_both_ways(netlink: Netlink, veth: str, address: str) -> None:
    text, _, length = address.partition("/")
    index = netlink.get_link(veth).index
    fields = {"index": index, "address": text, "prefixlen": int(length)}
    netlink.request("addr", "add", **fields, flags=2)
    wide, via, family = (
        ("198.51.100.0/24", "10.1.2.1", 2) if "." in text else ("2001:db8::/48", "fd00::1", 10)
    )
    route = {"dst": wide, "oif": index, "family": family, "metrics": {"mtu": 1280}, "priority": 77}
    if length != "32":
        route["gateway"] = via
    netlink.request("route", "add", **route)

    assert (text, int(length)) in [(one["local"] if "local" in one else one["address"], one["prefixlen"]) for one in netlink.addresses(index)]  # fmt: skip # noqa: E501
    option = "-6" if family == 10 else "-4"
    shown = next(one for one in ip_json(option, "route", "show", wide))
    assert (shown["dev"], shown["metric"], shown["metrics"][0]["mtu"]) == (veth, 77, 1280)
    assert shown.get("gateway") == route.get("gateway")
    read = next(one for one in netlink.routes(oif=index) if f"{one.get('dst')}/{one['dst_len']}" == wide)
    assert (read["priority"], read["metrics"], read.get("gateway")) == (
        77,
        {"mtu": 1280},
        route.get("gateway"),
    )

    netlink.request("route", "del", **route)
    netlink.request("addr", "del", **fields)
    assert not ip_json(option, "route", "show", wide)
    assert text not in run(["ip", "addr", "show", veth])


def test_a_gateway_of_the_other_family_is_a_via(netlink: Netlink, veth: str) -> None:
    run(["sh", "-c", "ip addr add fd00::7/64 dev v0 nodad"])
    index = netlink.get_link(veth).index
    netlink.request("route", "add", dst="198.51.100.0/24", oif=index, family=2, gateway="fd00::1")

    assert ip_json("route", "show", "198.51.100.0/24")[0]["via"] == {"family": "inet6", "host": "fd00::1"}
    assert next(one for one in netlink.routes() if one.get("dst") == "198.51.100.0")["via"] == "fd00::1"


def test_the_route_to_an_address_is_one_look_up(netlink: Netlink, veth: str) -> None:
    run(["sh", "-c", "ip addr add 10.1.2.3/24 dev v0; ip route add default via 10.1.2.1"])

    matched = netlink.route_to("203.0.113.1", matched=True)
    assert (matched["dst_len"], matched["gateway"]) == (0, "10.1.2.1")
    assert netlink.route_to("10.1.2.9")["oif"] == netlink.get_link(veth).index


def test_a_refusal_says_what_was_asked_and_what_the_kernel_said(netlink: Netlink, veth: str) -> None:
    with pytest.raises(KernelError) as caught:
        netlink.request("link", "set", ifname=veth, mtu=10)
    assert caught.value.errno == errno.EINVAL
    assert "link set ifname v0 mtu 10" in str(caught.value) and "mtu less than" in caught.value.said


def test_what_is_not_there_is_none_or_empty(netlink: Netlink) -> None:
    assert netlink.find_link("nosuch") is None and netlink.find_link_at(9999) is None
    assert netlink.addresses(9999) == [] and netlink.neighbours(9999) == []


def test_a_thousand_links_are_one_dump(netlink: Netlink) -> None:
    lines = "\n".join(f"link add d{i} type veth peer name e{i}" for i in range(300))
    run(["sh", "-c", f"printf '%s' '{lines}' | ip -batch -"])
    before = netlink.messages_sent

    names = {link.name for link in netlink.links()}

    assert {f"d{i}" for i in range(300)} <= names and netlink.messages_sent == before + 1


class TestUnlinking:
    """Links whose deletion is in flight together."""

    def test_a_link_alone_goes_by_its_name(self, host: None) -> None:
        run(["sh", "-c", "ip link add a0 type veth peer name a1; ip link add b0 type veth peer name b1"])
        unlinker = Unlinker()

        unlinker.remove(["a0"])
        unlinker.remove(["nosuch"])

        assert {"b0", "b1"} == {link["ifname"] for link in ip_json("link")} - {"lo"}

    def test_many_go_at_once_and_no_other_with_them(self, host: None) -> None:
        run(["sh", "-c", "ip link add b0 type veth peer name b1"])
        lines = "\n".join(f"link add d{i} type veth peer name e{i}" for i in range(20))
        run(["sh", "-c", f"printf '%s' '{lines}' | ip -batch -"])
        unlinker = Unlinker()
        netlink = unlinker._netlink
        before = netlink.messages_sent

        unlinker.remove([f"d{i}" for i in range(20)] + ["nosuch"])

        assert {"b0", "b1"} == {link["ifname"] for link in ip_json("link")} - {"lo"}
        assert netlink.messages_sent - before == 21, "a group for each, and one deletion by another"

    def test_a_port_has_left_its_bridge_and_nothing_stays_open(self, host: None) -> None:
        run(["sh", "-c", "ip link add br0 type bridge; ip link set br0 up"])
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(10):
            run(["sh", "-c", "ip link add d0 up master br0 type veth peer name e0; ip link set e0 up"])
            delete_links(["d0"], ifname="d0")
            assert {link["ifname"] for link in ip_json("link")} == {"lo", "br0"}
            assert [one for one in run(["bridge", "fdb"]).splitlines() if "d0" in one] == []
        for one in threading.enumerate():
            if one.name == "link-deletion":
                one.join()  # the kernel has answered
        assert len(list(Path("/proc/self/fd").iterdir())) <= before

    def test_what_the_kernel_refuses_is_told(self, host: None) -> None:
        with pytest.raises(KernelError) as refused:
            delete_links(["lo"], ifname="lo")
        assert refused.value.errno == errno.EOPNOTSUPP

    def test_the_other_ends_go_wherever_they_are(self, host: None) -> None:
        inner = open_scratch_netns()
        run(["sh", "-c", "ip link add d0 type veth peer name e0; ip link add d1 type veth peer name e1"])
        netlink = Netlink()
        netlink.request("link", "set", ifname="e0", net_ns_fd=inner)

        Unlinker().remove(["d0", "d1"])

        os.close(inner)
        assert {link["ifname"] for link in ip_json("link")} == {"lo"}

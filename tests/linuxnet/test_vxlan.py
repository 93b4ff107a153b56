"""VXLAN devices: made, changed while they live, and refused; `ip -d -j` judges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from linuxnet.errors import Busy, KernelError
from linuxnet.netlink import Netlink
from linuxnet.vxlan import Vxlan, change_vxlan, create_vxlan, find_vxlan, remove_vxlan
from tests.calls import ip_json, run

MAC = "02:00:00:00:00:01"
CLASSIC = Vxlan("flannel.1", 8472, 1, mac=MAC, mtu=1450, local="192.0.2.1")
SIX = Vxlan("flannel-v6.1", 8472, 1, mac=MAC, mtu=1430, local="2001:db8::1")
GPE = Vxlan("podwire.1", 4790, mtu=1444, is_external=True)


@pytest.fixture
def netlink(host: None) -> Iterator[Netlink]:
    run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"])
    for words in ("eth0 192.0.2.1/24", "eth0 192.0.2.2/24", "eth0 2001:db8::1/64", "eth1 198.51.100.1/24"):
        dev, address = words.split()
        run(["ip", "addr", "add", address, "dev", dev, *(["nodad"] if ":" in address else [])])
    for name in ("eth0", "eth1"):
        run(["ip", "link", "set", name, "up"])
    opened = Netlink()
    yield opened
    opened.close()


def shown(name: str) -> dict[str, Any]:
    (link,) = ip_json("-d", "link", "show", name)
    data = link["linkinfo"]["info_data"]
    return {"mac": link.get("address", ""), "mtu": link["mtu"], "up": "UP" in link["flags"], **data}


def linked(wanted: Vxlan, netlink: Netlink, dev: str = "eth0") -> Vxlan:
    return replace(wanted, link=netlink.index_of(dev))


@pytest.mark.parametrize(
    "wanted", [CLASSIC, SIX, replace(CLASSIC, has_checksum=True)], ids=["4", "6", "summed"]
)
def test_a_classic_device_is_what_was_asked_for(netlink: Netlink, wanted: Vxlan) -> None:
    wanted = linked(wanted, netlink)
    create_vxlan(netlink, wanted)
    seen = shown(wanted.name)
    asked = {
        "mac": MAC, "mtu": wanted.mtu, "up": True, "id": 1, "port": 8472, "link": "eth0", "learning": False,
        "local6" if ":" in wanted.local else "local": wanted.local, "df": "inherit",
    }  # fmt: skip
    assert {key: seen.get(key) for key in asked} == asked
    assert seen["udp_csum"] is wanted.has_checksum
    found = find_vxlan(netlink, wanted.name)
    assert found is not None and found == replace(wanted, index=found.index, is_up=True)


def test_a_gpe_device_is_what_was_asked_for(netlink: Netlink) -> None:
    create_vxlan(netlink, GPE)
    seen = shown("podwire.1")
    assert (seen["external"], seen["port"], seen["mtu"], seen["up"]) == (True, 4790, 1444, True)
    found = find_vxlan(netlink, "podwire.1")
    assert found is not None and found.is_external and found.port == 4790 and found.is_same_tunnel(GPE)


def test_there_is_none_of_that_name(netlink: Netlink) -> None:
    assert find_vxlan(netlink, "flannel.1") is None
    remove_vxlan(netlink, "flannel.1")


def test_another_thing_of_that_name_is_told(netlink: Netlink) -> None:
    run(["ip", "link", "add", "flannel.1", "type", "bridge"])
    with pytest.raises(Busy, match=r"flannel\.1 exists and is no VXLAN device but bridge"):
        find_vxlan(netlink, "flannel.1")


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mtu": ({"mtu": 1400}, {"mtu": 1400}),
    "mac": ({"mac": "02:00:00:00:00:99"}, {"mac": "02:00:00:00:00:99"}),
    "local": ({"local": "192.0.2.2"}, {"local": "192.0.2.2"}),
    "df": ({"df": 0}, {"df": "unset"}),
    "learning": ({"is_learning": True}, {"learning": True}),
    "all": (
        {"mtu": 1400, "local": "192.0.2.2", "mac": "02:00:00:00:00:99"},
        {"mtu": 1400, "local": "192.0.2.2"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_living_device_is_changed_and_stays_the_same_device(netlink: Netlink, name: str) -> None:
    fields, expected = CHANGES[name]
    wanted = linked(CLASSIC, netlink)
    create_vxlan(netlink, wanted)
    before = find_vxlan(netlink, wanted.name)
    assert before is not None
    assert change_vxlan(netlink, before, wanted) == [], "nothing differs"
    assert change_vxlan(netlink, before, replace(wanted, **fields))
    after = find_vxlan(netlink, wanted.name)
    assert after == replace(before, **fields) and after.index == before.index
    seen = shown(wanted.name)
    assert {key: seen[key] for key in expected} == expected
    assert change_vxlan(netlink, after, replace(wanted, **fields)) == []


def test_a_device_moves_with_the_uplink(netlink: Netlink) -> None:
    wanted = linked(CLASSIC, netlink)
    create_vxlan(netlink, wanted)
    seen = find_vxlan(netlink, wanted.name)
    assert seen is not None
    moved = replace(linked(CLASSIC, netlink, "eth1"), local="198.51.100.1")
    assert change_vxlan(netlink, seen, moved)
    after = shown(wanted.name)
    assert (after["link"], after["local"]) == ("eth1", "198.51.100.1")
    run(["ip", "link", "set", wanted.name, "down"])
    run(["ip", "link", "set", wanted.name, "up"])


def test_a_device_that_is_down_is_brought_up(netlink: Netlink) -> None:
    wanted = linked(CLASSIC, netlink)
    create_vxlan(netlink, wanted)
    run(["ip", "link", "set", wanted.name, "down"])
    seen = find_vxlan(netlink, wanted.name)
    assert seen is not None and not seen.is_up
    assert change_vxlan(netlink, seen, wanted) == ["up"]
    assert shown(wanted.name)["up"]


def test_a_port_that_is_taken_is_told_and_nothing_is_left(netlink: Netlink) -> None:
    create_vxlan(netlink, linked(CLASSIC, netlink))
    before = ip_json("-d", "link")
    with pytest.raises(Busy, match="UDP port 8472"):
        create_vxlan(netlink, replace(GPE, port=8472))
    assert [one["ifname"] for one in ip_json("-d", "link")] == [one["ifname"] for one in before]


def test_a_vni_that_is_taken_is_told_and_nothing_is_left(netlink: Netlink) -> None:
    create_vxlan(netlink, replace(linked(CLASSIC, netlink), name="theirs"))
    with pytest.raises(Busy, match="VNI 1"):
        create_vxlan(netlink, linked(CLASSIC, netlink))
    assert find_vxlan(netlink, "flannel.1") is None


def test_classic_devices_share_a_port(netlink: Netlink) -> None:
    for wanted in (CLASSIC, SIX, replace(CLASSIC, name="flannel.2", vni=2, mac="02:00:00:00:00:02")):
        create_vxlan(netlink, linked(wanted, netlink))
    assert len(ip_json("-d", "link", "show", "type", "vxlan")) == 3


def test_what_the_kernel_refuses_is_not_swallowed(netlink: Netlink) -> None:
    with pytest.raises(KernelError):
        create_vxlan(netlink, replace(CLASSIC, mac="01:00:5e:00:00:01"))
    assert find_vxlan(netlink, "flannel.1") is None

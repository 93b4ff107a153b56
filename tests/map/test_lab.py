"""The map of a real lab is what ip(8) says of each node."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from podwire.demo.plugin_folder import PODWIRE
from podwire.demo.world import World
from tests.lab.conftest import Machine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: run as root")

SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def lab() -> Iterator[Machine]:
    with World() as world:
        world.run(["mkdir", "-p", "/run/podwire"])
        machine = Machine(world)
        machine.lab("up", "--nodes", "2", "--pods", "1")
        machine.lab("pod", "add", "node2", "--label", "app=web", "--serve", "8080")
        command = [*PODWIRE, "lab", "exec", "node1", "--", "podwire", "service", "apply", "-f", "-"]
        world.attempt(command, stdin=json.dumps(SERVICE).encode())
        yield machine


def _map(lab: Machine, *words: str) -> str:
    return lab.world.run([*PODWIRE, "map", *words])


def _ip(lab: Machine, node: str, *words: str) -> Any:
    return json.loads(lab.lab("exec", node, "--", "ip", "-j", "-d", *words))


@pytest.fixture(scope="module")
def seen(lab: Machine) -> dict[str, Any]:
    return _seen(lab)


def _seen(lab: Machine) -> dict[str, Any]:
    body = json.loads(_map(lab, "--lab", "lab", "--output", "json"))
    return {node["name"]: node for node in body["nodes"]} | {"services": body["services"]}


def test_links_are_those_of_ip(lab: Machine, seen: dict[str, Any]) -> None:
    for node in ("node1", "node2"):
        wanted = {
            one["ifname"]: (
                one["linkinfo"]["info_kind"], one["address"], one["mtu"], "UP" in one["flags"],
                one["operstate"],
                one.get("master", ""), one.get("ifalias", "").removeprefix("podwire "),
                [f"{ip['local']}/{ip['prefixlen']}" for ip in one["addr_info"] if ip["scope"] != "link"],
            )
            for one in _ip(lab, node, "addr") if one["ifname"] != "lo"
        }  # fmt: skip
        keys = ("kind", "mac", "mtu", "is_up", "state", "master", "owner", "addresses")
        assert {one["name"]: tuple(one[key] for key in keys) for one in seen[node]["links"]} == wanted


def test_tunnels_and_ways_are_those_of_ip(lab: Machine, seen: dict[str, Any]) -> None:
    for node, other in (("node1", "node2"), ("node2", "node1")):
        (tunnel,) = _ip(lab, node, "link", "show", "type", "vxlan")
        data = tunnel["linkinfo"]["info_data"]
        assert seen[node]["tunnels"] == [
            {"link": tunnel["ifname"], "mode": "vxlan", "vni": data["id"], "port": data["port"]}
        ]
        (route,) = [one for one in _ip(lab, node, "route") if one.get("dev") == tunnel["ifname"]]
        (fdb,) = json.loads(
            lab.lab("exec", node, "--", "bridge", "-j", "fdb", "show", "dev", tunnel["ifname"])
        )
        assert seen[node]["ways"] == [
            {"subnet": route["dst"], "link": route["dev"], "via": fdb["dst"], "node": other}
        ]


def test_pods_are_those_of_the_node_with_their_links(lab: Machine, seen: dict[str, Any]) -> None:
    for node, names in (("node1", ["pod1"]), ("node2", ["pod1", "pod2"])):
        assert [pod["name"] for pod in seen[node]["pods"]] == names
        for pod in seen[node]["pods"]:
            (made,) = pod["attachments"]
            (eth0,) = [
                one for one in _ip(lab, f"{node}/{pod['name']}", "addr") if one["ifname"] == made["ifname"]
            ]
            assert made["addresses"] == [ip["local"] for ip in eth0["addr_info"] if ip["scope"] == "global"]
            outer = {one["ifindex"]: one["ifname"] for one in _ip(lab, node, "link")}
            assert made["host_link"] == outer[eth0["link_index"]]


def test_a_service_leads_to_its_pod(lab: Machine, seen: dict[str, Any]) -> None:
    (service,) = [one for one in seen["services"] if one["name"] == "web"]
    address = lab.status()["nodes"][1]["pods"][1]["addresses"][0]
    assert [(one["address"], one["is_ready"]) for one in service["back_ends"]] == [(address, True)]
    text = _map(lab, "--lab", "lab")
    assert f"node2/pod2  {address}" in text and "\x1b" not in text


@pytest.mark.parametrize("layout", ["columns", "auto"])
def test_the_picture_names_everything(lab: Machine, layout: str) -> None:
    root = ElementTree.fromstring(_map(lab, "--lab", "lab", "--svg", "-", "--layout", layout))
    words = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"node1", "node2", "eth0", "flannel.1", "cni0", "pod1", "pod2", "default/web"} <= words


def test_a_node_draws_itself(lab: Machine, seen: dict[str, Any]) -> None:
    body = json.loads(lab.lab("exec", "node2", "--", "podwire", "map", "--output", "json"))
    assert body["nodes"] == [seen["node2"]]
    assert [one["name"] for one in body["services"]] == ["web"]


def test_what_is_broken_is_seen(lab: Machine) -> None:
    lab.lab("break", "node1", "link")
    try:
        (uplink,) = [one for one in _seen(lab)["node1"]["links"] if one["name"] == "eth0"]
        assert uplink["state"] in ("DOWN", "LOWERLAYERDOWN")
        assert "no carrier" in _map(lab, "--lab", "lab")
    finally:
        lab.lab("mend", "node1")


def test_what_is_not_there_is_said(lab: Machine) -> None:
    done = lab.world.attempt([*PODWIRE, "map", "--lab", "nowhere"])
    assert done.returncode == 1 and b'there is no lab "nowhere"' in done.stderr

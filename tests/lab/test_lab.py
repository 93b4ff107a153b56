"""A lab comes up whole, does what is asked of it, and goes without a trace."""

from __future__ import annotations

import json
import os
from itertools import permutations

import pytest

from podwire.demo.dumps import difference
from podwire.demo.plugin_folder import PODWIRE
from tests.lab.conftest import Machine, pairs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: run as root")

EVERYBODY = set(permutations(["node1/pod1", "node2/pod1", "node3/pod1"], 2))


def test_a_lab_does_not_touch_the_machines_network_and_leaves_nothing(machine: Machine) -> None:
    kinds = ("link", "address", "route", "nft", "iptables", "mount")
    before = machine.dump()
    machine.lab("up", "--nodes", "2", "--registry", "directory")
    during = machine.dump()
    seen = " ".join(difference(before, during))
    assert "process: sleep" in seen and "pwlab-lab-node1" in seen, "the dump should see a lab"
    of_the_machine = [{line for line in dump if line.startswith(kinds)} for dump in (before, during)]
    assert of_the_machine[0] == of_the_machine[1]
    machine.lab("down")
    assert difference(before, machine.dump()) == []


def test_every_pod_reaches_every_other_by_its_own_address(machine: Machine) -> None:
    machine.lab("up", "--nodes", "3")
    seen = machine.status("--transfer", "10")
    assert pairs(seen) == EVERYBODY
    assert {(one["from"], one["to"]) for one in seen["transfers"]} == EVERYBODY
    addresses = {f"{node['name']}/pod1": node["pods"][0]["addresses"][0] for node in seen["nodes"]}
    for one in seen["transfers"]:
        assert (one["bytes"], one["source"]) == (10_000_000, addresses[one["from"]])
    page = ["busybox", "wget", "-q", "-O", "-", f"http://{addresses['node2/pod1']}/"]
    assert machine.lab("exec", "node1/pod1", "--", *page) == "pod1\n"


def test_the_map_is_what_ping_says(standing: Machine) -> None:
    machine = standing
    machine.lab("break", "node1", "link")
    seen = machine.status()
    assert pairs(seen) == set()
    address = seen["nodes"][1]["pods"][0]["addresses"][0]
    ping = ["exec", "node1/pod1", "--", "ping", "-c", "1", "-W", "1", address]
    assert machine.attempt(*ping).returncode == 1
    machine.lab("mend", "node1")
    patient = [*ping[:6], "-w", "10", address]  # a cable takes a moment
    assert machine.attempt(*patient).returncode == 0
    assert len(pairs(machine.status())) == 2


@pytest.mark.campaign
@pytest.mark.parametrize(
    "words",
    [
        ["--topology", "routed", "--mtu", "9000"],
        ["--mode", "direct", "--dual-stack"],
        ["--dual-stack", "--topology", "routed", "--mode", "vxlan-gpe"],
    ],
    ids=" ".join,
)
def test_every_kind_of_lab_comes_up_whole(machine: Machine, words: list[str]) -> None:
    machine.lab("up", *words)
    seen = machine.status("--transfer", "10")
    assert seen["isWhole"] and pairs(seen) == EVERYBODY
    assert len(seen["transfers"]) == len(EVERYBODY) * (2 if "--dual-stack" in words else 1)


@pytest.mark.campaign
def test_a_lab_with_etcd(machine: Machine) -> None:
    before = machine.dump()
    machine.lab("up", "--registry", "etcd")
    seen = machine.status("--transfer", "10")
    assert seen["isWhole"] and pairs(seen) == EVERYBODY
    etcd = "http://198.18.0.254:2379"
    keys = machine.lab(
        "exec", "underlay", "--", "env", "ETCDCTL_API=3", "etcdctl", "--endpoints", etcd,
        "get", "--prefix", "--keys-only", "/coreos.com/network/subnets/",
    )  # fmt: skip
    leases = {node["lease"][0].replace("/", "-") for node in seen["nodes"]}
    assert {key.rsplit("/", 1)[-1] for key in keys.split()} == leases
    machine.lab("break", "node2", "registry")
    assert machine.status()["nodes"][1]["broken"] == ["registry"]
    machine.lab("mend", "node2", "registry")
    assert machine.status()["nodes"][1]["broken"] == []
    for part in ("registry", "node"):
        machine.lab("break", "node2", part)
    machine.lab("mend", "node2")  # what was kept from the node that died is not kept from the new one
    assert machine.status()["nodes"][1]["broken"] == []
    machine.lab("down")
    assert difference(before, machine.dump()) == []


@pytest.mark.campaign
def test_two_labs_stand_side_by_side(machine: Machine) -> None:
    for name in ("one", "two"):
        machine.lab("up", "--nodes", "2", "--pods", "2", "--name", name)
    machine.lab("down", "--name", "one")
    assert machine.attempt("status", "--name", "one").returncode == 1
    seen = machine.status("--name", "two")
    assert seen["isWhole"] and len(pairs(seen)) == 4 * 3


@pytest.mark.campaign
def test_a_node_joins_and_a_node_leaves(machine: Machine) -> None:
    machine.lab("up", "--nodes", "2")
    assert machine.lab("add-node") == "node3\n"
    assert machine.status()["isWhole"]
    machine.lab("remove-node", "node1")
    seen = machine.status()
    assert pairs(seen) == {("node2/pod1", "node3/pod1"), ("node3/pod1", "node2/pod1")}
    found = json.loads(machine.lab("exec", "node2", "--", *PODWIRE, "overlay", "leases", "-o", "json"))
    assert {one["node"] for one in found} == {"node2", "node3"}
    names = machine.world.run(["ls", "/run/netns"]).split()
    assert names == ["pwlab-lab-node2", "pwlab-lab-node3", "pwlab-lab-underlay"]


@pytest.mark.campaign
def test_a_node_that_dies_keeps_its_lease_and_gets_it_again(standing: Machine) -> None:
    lease = standing.status()["nodes"][0]["lease"]
    standing.lab("remove-node", "--abruptly", "node1")
    assert standing.lab("add-node") == "node1\n"
    seen = standing.status()
    assert seen["nodes"][0]["lease"] == lease
    assert seen["isWhole"]


@pytest.mark.campaign
@pytest.mark.parametrize("part", ["agent", "link", "registry"])
def test_what_was_broken_is_seen_and_mended(standing: Machine, part: str) -> None:
    machine = standing
    machine.lab("break", "node1", part)
    machine.lab("break", "node1", part)
    seen = machine.status()
    assert [node["broken"] for node in seen["nodes"]] == [[part], []]
    assert seen["isWhole"] is (part != "link"), "without agent or registry traffic goes on"
    machine.lab("mend", "node1", part)
    machine.lab("mend", "node1", part)
    machine.lab("pod", "add", "node1")
    seen = machine.status()
    assert seen["isWhole"] and [node["broken"] for node in seen["nodes"]] == [[], []]
    machine.lab("pod", "remove", "node1")


@pytest.mark.campaign
def test_pods_come_and_go(standing: Machine) -> None:
    machine = standing
    assert machine.lab("pod", "add", "node1").startswith("pod2 ")
    name, address = machine.lab("pod", "add", "node1").split()
    assert name == "pod3"
    assert machine.status()["nodes"][0]["pods"][2] == {"name": "pod3", "addresses": [address]}
    machine.lab("pod", "remove", "node1", "pod1")
    machine.lab("pod", "remove", "node1")
    assert [pod["name"] for pod in machine.status()["nodes"][0]["pods"]] == ["pod2"]
    reserved = machine.lab("exec", "node1", "--", "ls", "/var/lib/cni/networks/lab").split()
    assert len([one for one in reserved if one[0].isdigit()]) == 1
    assert machine.lab("exec", "node1", "--", "ls", "/run/netns") == "pod2\n"
    machine.lab("pod", "remove", "node1", "pod2")
    assert machine.lab("pod", "add", "node1").startswith("pod1 ")


def test_names_of_namespaces_are_those_of_ip_netns(machine: Machine) -> None:
    machine.lab("up", "--nodes", "1", "--topology", "routed")
    said = machine.world.run(["ip", "-n", "pwlab-lab-node1", "-j", "addr", "show", "dev", "eth0"])
    assert json.loads(said)[0]["addr_info"][0]["local"] == "198.18.0.1"
    links = json.loads(machine.world.run(["ip", "-n", "pwlab-lab-underlay", "-j", "link"]))
    assert {link["ifname"] for link in links} == {"lo", "segment1", "segment2", "node1"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["status"], 'there is no lab "lab"'),
        (["exec", "node1", "--", "true"], 'there is no lab "lab"'),
        (["up", "--name", "../etc"], "name"),
        (["up", "--nodes", "0"], "nodes"),
    ],
)
def test_what_cannot_be_is_said(machine: Machine, words: list[str], sentence: str) -> None:
    before = machine.dump()
    done = machine.attempt(*words)
    assert done.returncode != 0
    assert sentence in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert difference(before, machine.dump()) == []


@pytest.mark.campaign
def test_a_second_lab_of_the_name_is_refused_and_the_first_lives(standing: Machine) -> None:
    machine = standing
    done = machine.attempt("up")
    assert done.returncode == 1 and b"already" in done.stderr
    assert machine.status()["isWhole"]
    for words in (["remove-node", "node9"], ["break", "node9", "link"], ["pod", "remove", "node1", "pod9"]):
        done = machine.attempt(*words)
        assert done.returncode == 1 and b"there is no" in done.stderr, done.stderr
    assert machine.status()["isWhole"]

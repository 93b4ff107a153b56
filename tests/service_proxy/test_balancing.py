"""Load balancers' addresses on a real link: who answers is what a client's kernel sees."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_store.conditions import Conditions
from cluster_store.directory import DirectoryStore
from cluster_store.opening import open_store
from cluster_store.store import StoreUnavailable
from linuxnet.neighbour_frames import announcement, answer, read_question
from service_proxy.balancing.announcer import Announcer
from service_proxy.balancing.balancing import Balancing
from service_proxy.balancing.holding import Moves, candidates, chosen, moves
from service_proxy.balancing.speaker import Speaker
from service_proxy.catalogue import Catalogue, Changed, Kind, Listed
from service_proxy.model import Endpoint, EndpointSlice, Service, ServiceName, ServiceType, SliceName
from tests.calls import Container, run
from tests.cluster_store.etcd_server import EtcdServer, missing
from tests.rounds import rounds

NODES = ("n1", "n2", "n3")
V4, V6 = "192.0.2.100", "fd02::100"
ROOT = Path(__file__).parents[2]
Seen = TypeVar("Seen")
Start = Callable[..., subprocess.Popen[bytes]]


def packed(text: str) -> bytes:
    """Return an address, packed."""
    return ipaddress.ip_address(text).packed


def eventually(look: Callable[[], Seen], timeout: float = 60.0) -> Seen:
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + timeout
    while not (seen := look()):
        assert time.monotonic() < deadline, "it never was so"
        time.sleep(0.02)
    return seen


@pytest.fixture
def segment(host: None) -> Iterator[Container]:
    """Make three nodes and a client on one bridge; give the client."""
    run(["sh", "-c", "ip link add br0 type bridge; ip link set br0 up"])
    for number, name in enumerate((*NODES, "client"), 1):
        lines = (
            f"ip netns add {name}",
            f"ip link add v{name} master br0 type veth peer name eth0 netns {name}",
            f"ip link set v{name} up; ip -n {name} link set lo up; ip -n {name} link set eth0 up",
            f"ip -n {name} addr add 192.0.2.{number}/24 dev eth0",
            f"ip -n {name} addr add fd02::{number}/64 dev eth0 nodad",
        )
        run(["sh", "-ec", "\n".join(lines)])
    yield Container("client")
    for name in (*NODES, "client"):
        run(["ip", "netns", "del", name])


@pytest.fixture
def start(segment: Container, tmp_path: Path) -> Iterator[Start]:
    """Start a node's process: name, then addresses."""
    running = []

    def begin(node: str, *vips: str, ttl: int = 1) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", "tests.service_proxy.balancing_node"]
        words = ["ip", "netns", "exec", node, *program, str(tmp_path), node, str(ttl), *vips]
        running.append(subprocess.Popen(words, cwd=ROOT))
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.wait()


def macs() -> dict[str, str]:
    """Return the nodes' names by their MAC addresses."""
    shown = {name: json.loads(run(["ip", "-n", name, "-j", "link", "show", "eth0"])) for name in NODES}
    return {str(links[0]["address"]): name for name, links in shown.items()}


def known(address: str) -> str:
    """Return which node the client's kernel believes to have an address, "" for none."""
    shown = json.loads(run(["ip", "-n", "client", "-j", "neigh", "show", "to", address]) or "[]")
    return macs().get(shown[0].get("lladdr", ""), "") if shown else ""


def ask(client: Container, address: str) -> str:
    """Have the client's kernel ask for an address, and return which node has answered."""
    family = "AF_INET6" if ":" in address else "AF_INET"
    send = f"import socket; socket.socket(socket.{family}, socket.SOCK_DGRAM).sendto(b'', ('{address}', 9))"
    client.succeeds("/usr/bin/python3", "-c", send)
    return known(address)


@pytest.mark.parametrize("address", [V4, V6])
def test_exactly_one_node_answers_and_the_next_follows_when_it_is_killed(
    segment: Container, start: Start, address: str
) -> None:
    nodes = {name: start(name, address) for name in NODES}
    eventually(lambda: ask(segment, address) == chosen(packed(address), NODES))
    if address == V4:
        said = run_any(segment, "arping", "-b", "-c", "2", "-w", "2", "-I", "eth0", address).lower()
        assert len([mac for mac in macs() if mac in said]) == 1, said
    first = known(address)
    nodes[first].kill()
    began = time.monotonic()
    second = eventually(lambda: (found := known(address)) != first and found)  # told, without asking
    assert time.monotonic() - began < 4
    assert second == chosen(packed(address), [one for one in NODES if one != first])
    assert ask(segment, address) == second


def run_any(client: Container, *words: str) -> str:
    """Run a command of the client that may fail; return what it said."""
    command = ["ip", "netns", "exec", client.name, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_a_node_that_stops_gives_its_address_back_at_once_and_takes_it_again(
    segment: Container, start: Start
) -> None:
    best = chosen(packed(V4), NODES)
    other = next(one for one in NODES if one != best)
    begun = start(best, V4, ttl=30)
    eventually(lambda: ask(segment, V4) == best)
    start(other, V4, ttl=30)
    begun.terminate()
    eventually(lambda: known(V4) == other)  # long before a lease of 30 s ends
    start(best, V4, ttl=30)
    eventually(lambda: known(V4) == best)


def test_with_local_policy_only_nodes_with_an_endpoint_have_the_address(
    segment: Container, start: Start
) -> None:
    best = chosen(packed(V4), NODES)
    able = next(one for one in NODES if one != best)
    for name in NODES:
        start(name, f"{V4}={able}")
    eventually(lambda: ask(segment, V4) == able)


def test_a_node_that_is_cut_off_is_silent_before_its_lease_ends(
    host: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["sh", "-c", "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up"])
    run(["ip", "addr", "add", "192.0.2.1/24", "dev", "up0"])
    conditions = Conditions()
    store, announcer = DirectoryStore(tmp_path), Announcer(conditions)
    speaker = Speaker("n1", store, "/podwire", announcer, conditions, ttl=1)
    speaker.set({packed(V4): None, packed("10.9.9.9"): None, packed("192.0.2.1"): None})
    announcer.start()
    speaker.start()
    eventually(lambda: announcer.held == {packed(V4): "up0"})
    said = {str(one["about"]): str(one["message"]) for one in conditions.as_json()}
    assert "no route leads to" in said["10.9.9.9"] and "own address" in said["192.0.2.1"]

    def fail(*_: object) -> int:
        raise StoreUnavailable("it is down")

    monkeypatch.setattr(store, "keep_alive", fail)
    at = time.monotonic()
    eventually(lambda: conditions.has("BalancingCutOff"))
    assert announcer.silent_from <= at + 1
    monkeypatch.undo()
    eventually(lambda: announcer.silent_from > time.monotonic() and not conditions.has("BalancingCutOff"))
    eventually(lambda: announcer.held == {packed(V4): "up0"})
    speaker.set({})
    eventually(lambda: not announcer.held and not speaker.holders())
    speaker.stop()
    announcer.stop()
    assert store.list("").items == ()


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_nodes_agree_by_etcd_and_follow_one_that_is_cut_off(
    host: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["sh", "-c", "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up"])
    run(["ip", "addr", "add", "192.0.2.1/24", "dev", "up0"])
    server = EtcdServer(tmp_path)
    server.start()
    conditions = Conditions()
    stores = {name: open_store("etcd://127.0.0.1:2379") for name in NODES[:2]}
    announcers = {name: Announcer(conditions) for name in stores}
    speakers = {
        name: Speaker(name, store, "/podwire", announcers[name], conditions, ttl=2)
        for name, store in stores.items()
    }
    for name, speaker in speakers.items():
        speaker.set({packed(V4): None})
        announcers[name].start()
        speaker.start()
    best = chosen(packed(V4), [*stores])
    other = next(name for name in stores if name != best)
    eventually(lambda: all(one.holders() == {packed(V4): best} for one in speakers.values()))
    eventually(lambda: announcers[best].held and not announcers[other].held)

    def fail(*_: object) -> int:
        raise StoreUnavailable("it is cut off")

    monkeypatch.setattr(stores[best], "keep_alive", fail)
    began = time.monotonic()
    eventually(lambda: announcers[other].held)
    assert announcers[best].silent_from < time.monotonic() < began + 6
    monkeypatch.undo()
    eventually(lambda: announcers[best].held and not announcers[other].held)
    for name, speaker in speakers.items():
        speaker.stop()
        announcers[name].stop()
        stores[name].close()
    server.kill()


def test_addresses_spread_and_a_lost_node_moves_its_own_only() -> None:
    addresses = [bytes((192, 0, 2, n)) for n in range(250)]
    before = {one: chosen(one, NODES) for one in addresses}
    assert min(Counter(before.values()).values()) > 50
    after = {one: chosen(one, NODES[:2]) for one in addresses}
    assert all(after[one] == before[one] for one in addresses if before[one] != "n3")


def test_an_address_that_another_has_is_waited_for() -> None:
    address = packed(V4)
    best = chosen(address, NODES)
    other = next(one for one in NODES if one != best)
    assert moves(best, {address: None}, NODES, {address: other}) == Moves()
    assert moves(other, {address: None}, NODES, {address: other}) == Moves(release=frozenset({address}))
    assert moves(best, {address: None}, NODES, {}) == Moves(take=frozenset({address}))
    assert moves(best, {address: None}, NODES, {address: best}) == Moves()
    assert moves(best, {}, NODES, {address: best}) == Moves(release=frozenset({address}))
    assert moves(best, {address: frozenset()}, NODES, {address: best}).release


def test_candidates_of_local_policy_have_a_ready_endpoint() -> None:
    ends = (Endpoint(b"\n\0\0\1", node="n1"), Endpoint(b"\n\0\0\2", node="n2", is_ready=False))
    name = ServiceName("default", "web")
    one = EndpointSlice(SliceName("default", "web-1"), name, 4, (), ends)
    assert candidates(Service(name), [one]) is None
    assert candidates(Service(name, is_local_outside=True), [one]) == frozenset({"n1"})


@given(st.binary(max_size=100), st.sampled_from([b"", b"\x08\x06", b"\x86\xdd"]))
@settings(max_examples=rounds(100))
def test_any_frame_may_come(rest: bytes, kind: bytes) -> None:
    question = read_question(bytes(12) + kind + rest)
    assert question is None or len(question.target) in (4, 16)


def test_what_we_say_is_no_question_to_us() -> None:
    mac = bytes.fromhex("020000000001")
    for text in (V4, V6):
        assert read_question(announcement(packed(text), mac)) is None
        assert len(announcement(packed(text), mac)) in (60, 86)
    asked = bytes.fromhex(
        "ffffffffffff0200000000020806000108000604000102000000000200000000000000000000c0000264"
    )
    question = read_question(asked)
    assert question is not None and question.target == packed(V4)
    assert read_question(answer(question, mac)) is None


def test_a_service_of_the_catalogue_is_announced_while_it_is_there(
    segment: Container, tmp_path: Path
) -> None:
    run(["sh", "-c", "ip addr add 192.0.2.9/24 dev br0; ip addr add fd02::9/64 dev br0 nodad"])
    catalogue = Catalogue("n9")
    balancing = Balancing(
        catalogue, DirectoryStore(tmp_path), "/podwire", ("192.0.2.96/28", "fd02::100/128"), Conditions()
    )
    balancing.start()
    name = ServiceName("default", "web")
    stranger = packed("198.51.100.1")  # of no pool of ours
    service = Service(name, ServiceType.LOAD_BALANCER, load_balancer_ips=(packed(V4), packed(V6), stranger))
    catalogue.take(Listed(Kind.SERVICE, {name: service}))
    eventually(lambda: balancing.held == {packed(V4): "br0", packed(V6): "br0"})
    ask(segment, V4)
    shown = json.loads(run(["ip", "-n", "client", "-j", "neigh", "show", "to", V4]))
    (bridge,) = json.loads(run(["ip", "-j", "link", "show", "br0"]))
    assert shown[0]["lladdr"] == bridge["address"]
    catalogue.take(Changed(Kind.SERVICE, name, None))
    eventually(lambda: not balancing.held)
    balancing.stop()

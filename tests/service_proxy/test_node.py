"""The loop against a real table: what a folder says is in the kernel, whatever happens to either."""

from __future__ import annotations

import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from service_proxy.catalogue import Kind
from service_proxy.node import ServiceNode
from service_proxy.settings import ProxySettings
from service_proxy.sources.source import Source
from tests.service_proxy.world import (
    WITHIN,
    Folder,
    elements,
    make_node,
    nft,
    pod,
    running,
    service,
    table,
    wait_for,
    wait_until,
)

WEB = service("web", "10.96.0.5")
UDP_PORT = {"port": 80, "targetPort": 8080, "protocol": "UDP"}
ONE, TWO = pod("web-1", "10.244.0.5", app="web"), pod("web-2", "10.244.1.5", app="web")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path / "services")
    found.put(WEB, ONE)
    return found


def has_pod(ip: str, slot: int = 0) -> bool:
    return f"10.96.0.5 . tcp . 80 . {slot} : {ip} . 8080" in elements("endpoints4")


def test_what_a_folder_says_is_in_the_kernel_and_follows_it(host: None, folder: Folder) -> None:
    with running(make_node(folder.path)):
        assert has_pod("10.244.0.5") and "10.96.0.5 . tcp . 80 counter : goto pick_1" in elements("services4")
        folder.put(TWO)
        wait_for(lambda: "goto pick_2" in elements("services4"))
        folder.delete(ONE)
        wait_for(lambda: has_pod("10.244.1.5"))
        assert "10.244.0.5" not in table()
        folder.delete(WEB)
        wait_for(lambda: "10.96.0.5" not in table())


def test_a_restart_adopts_what_is_there_and_touches_no_connection(host: None, folder: Folder) -> None:
    subprocess.run(["ip", "addr", "add", "10.244.0.5/32", "dev", "lo"], check=True)
    subprocess.run(["ip", "route", "add", "10.96.0.0/16", "dev", "lo"], check=True)
    with socket.create_server(("10.244.0.5", 8080)) as server:
        with running(make_node(folder.path)):
            client = socket.create_connection(("10.96.0.5", 80), timeout=30)
            served, _ = server.accept()
        counted = nft("list", "map", "inet", "podwire_services", "services4")
        assert "counter packets 1" in counted
        with running(make_node(folder.path)) as node:
            assert node.figures.entries["added"] == node.figures.entries["removed"] == 0
            client.sendall(b"still here")
            served.settimeout(5)
            assert served.recv(100) == b"still here"
        assert nft("list", "map", "inet", "podwire_services", "services4") == counted, "made anew: 0"
        client.close()
        served.close()


def udp_servers(*addresses: str) -> dict[str, socket.socket]:
    """Return sockets at addresses of this very host."""
    subprocess.run(["ip", "route", "add", "10.96.0.0/16", "dev", "lo"], check=True)
    found = {}
    for address in addresses:
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
        found[address] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found[address].bind((address, 8080))
        found[address].setblocking(False)
    return found


def heard_by(servers: dict[str, socket.socket]) -> str:
    """Return who was sent a datagram; "" if nobody."""
    for address, server in servers.items():
        with suppress(BlockingIOError):
            server.recv(100)
            return address
    return ""


def test_a_udp_client_with_one_port_follows_within_a_second(host: None, folder: Folder) -> None:
    udp = service("web", "10.96.0.5", ports=[UDP_PORT])
    pods = {"10.244.0.5": ONE, "10.244.1.5": TWO}
    servers = udp_servers(*pods)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(("127.0.0.1", 4000))
    folder.put(udp, TWO)
    with running(make_node(folder.path, pods=())):
        client.sendto(b"x", ("10.96.0.5", 80))
        first = heard_by(servers)
        folder.delete(pods[first])

        def has_followed() -> bool:
            client.sendto(b"x", ("10.96.0.5", 80))
            return heard_by(servers) not in (first, "")

        assert wait_for(has_followed) < 1.0
    for one in (client, *servers.values()):
        one.close()


@pytest.mark.parametrize(
    ("here", "vip", "back"),
    [
        ("192.0.2.1", "10.96.0.5", "10.244.0.5"),
        ("fd02::1", "fd96::5", "fd00:10::5"),
    ],
)
def test_a_udp_client_that_was_early_for_a_node_port_is_served_when_it_comes(
    host: None, folder: Folder, here: str, vip: str, back: str
) -> None:
    port = UDP_PORT | {"nodePort": 30053}
    family = socket.AF_INET6 if ":" in here else socket.AF_INET
    for address in (here, back):
        nodad = ["nodad"] if ":" in address else []
        subprocess.run(["ip", "addr", "add", address, "dev", "lo", *nodad], check=True)
    server, early, client = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(3))
    server.bind((back, 8080))
    server.setblocking(False)
    early.bind((here, 30053))  # somebody else has the port, until then
    early.settimeout(5)
    client.bind((here, 4000))
    with running(make_node(folder.path, pods=())) as node:
        client.sendto(b"x", (here, 30053))
        assert early.recv(100) == b"x"
        folder.put(service("web", vip, ports=[port], type="NodePort"), pod("web-1", back, app="web"))
        wait_until(node, lambda: node.figures.flows_forgotten > 0)
        client.sendto(b"y", (here, 30053))
        wait_for(lambda: heard_by({back: server}) == back)
        early.setblocking(False)
        assert heard_by({here: early}) == ""
    for one in (client, early, server):
        one.close()


def test_clients_stay_with_an_endpoint_until_it_goes(host: None, folder: Folder) -> None:
    udp = service("web", "10.96.0.5", ports=[UDP_PORT], sessionAffinity="ClientIP")
    pods = {"10.244.0.5": ONE, "10.244.1.5": TWO}
    servers = udp_servers(*pods)
    folder.put(udp, TWO)

    def ask() -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", ("10.96.0.5", 80))
        return heard_by(servers)

    with running(make_node(folder.path, pods=())):
        first = ask()
        assert {ask() for _ in range(20)} == {first}
        folder.delete(pods[first])
        wait_for(lambda: f"{first} . 8080" not in elements("endpoints4"))
        wait_for(lambda: ask() not in (first, ""))
    for one in servers.values():
        one.close()


def test_what_changed_while_nobody_served_is_made_so_at_the_start(host: None, folder: Folder) -> None:
    with running(make_node(folder.path)):
        pass
    folder.put(TWO)
    folder.delete(ONE)
    with running(make_node(folder.path)) as node:
        assert has_pod("10.244.1.5") and "10.244.0.5" not in table()
        assert node.figures.entries == {"added": 2, "removed": 2}, "its slot, and that it may reach itself"


@pytest.mark.parametrize(
    "damage",
    [
        "flush map inet podwire_services endpoints4",
        "flush chain inet podwire_services services",
        "flush chain inet podwire_services pick_1",
        "flush table inet podwire_services",
        "delete table inet podwire_services",
        "add element inet podwire_services cluster_ips4 { 10.96.0.99 }",
        "flush ruleset",
    ],
)
def test_what_somebody_else_damages_is_mended_within_a_second(
    host: None, folder: Folder, damage: str
) -> None:
    with running(make_node(folder.path)):
        before = table()
        subprocess.run(["nft", damage], check=True)  # perhaps it is mended already when this ends
        assert wait_for(lambda: table() == before) < 1.0


def test_a_rule_in_the_place_of_another_is_mended(host: None, folder: Folder) -> None:
    with running(make_node(folder.path)):
        before = table()
        chain = nft("-a", "list", "chain", "inet", "podwire_services", "services")
        handle = chain.partition("vmap @services4 # handle ")[2].split()[0]
        where = f"inet podwire_services services handle {handle}"
        subprocess.run(["nft", f"replace rule {where} accept"], check=True)
        assert wait_for(lambda: table() == before) < 2.0


def test_a_refused_transaction_is_found_out_and_recovered_from(host: None, folder: Folder) -> None:
    with running(make_node(folder.path)) as node:
        with node.lock:  # the kernel is not what the loop believes, and nobody has told it
            assert node.programmer is not None
            node.programmer.shadow.replace(None, [])
            gone = node.programmer.shadow.entries(next(iter(node.programmer.shadow.services())))
            node.programmer.table.change([], gone)
            folder.delete(ONE)
        wait_until(node, lambda: node.figures.failures > 0)
        wait_until(node, lambda: node.conditions.as_json() == [] and "10.96.0.5" in table())
        assert "10.244.0.5" not in table()


@pytest.mark.parametrize("programs", [True, False])
def test_a_loop_that_has_nothing_to_do_rests(host: None, tmp_path: Path, programs: bool) -> None:
    nothing = Source("nothing", frozenset(Kind), [])  # it never lists anything
    node = ServiceNode(ProxySettings(node="one"), lambda conditions: nothing, programs=programs)
    thread = Thread(target=node.run)
    thread.start()
    turns = 0
    with node.changed:
        while node.changed.wait(0.5) and turns < 100:
            turns += 1
    node.stop()
    thread.join(WITHIN)
    assert turns < 10 and table() == ""


def test_objects_that_cannot_be_used_harm_nobody_else(host: None, folder: Folder) -> None:
    with running(make_node(folder.path)) as node:
        bad = service("bad", "10.96.0.300")
        folder.put(bad)
        (folder.path / "noise.yaml").write_text("{[}\0")
        (folder.path / "alien.json").write_text('{"kind": "Service", "metadata": {"name": 7}}')
        folder.put(TWO)
        wait_for(lambda: "goto pick_2" in elements("services4"))
        wait_until(node, lambda: len(node.source.conditions()) >= 2)


def test_the_end_of_the_loop_leaves_traffic_as_it_is(host: None, folder: Folder) -> None:
    with running(make_node(folder.path)):
        before = table()
    assert table() == before and has_pod("10.244.0.5")

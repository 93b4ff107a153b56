"""Session affinity: a client stays with its endpoint."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.services.behaviours import shows
from tests.services.clients import Client
from tests.services.objects import load_balancer_status, port, slice_port
from tests.services.places import OUTSIDERS, node_address
from tests.services.servers import TCP, UDP
from tests.services.site import Site

AFFINITY = "Session affinity"
EVERYBODY = ["a0", "a1", "b0", "b1"]


def sticky(timeout: int = 10800) -> dict[str, Any]:
    return {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": timeout}}}


def stays(client: Client, address: str, to: int, protocol: str = TCP, *, times: int = 16) -> str:
    """Ask one after another; return who answered, "" where it was not always the same."""
    found = {client.one(address, to, protocol).who for _ in range(times)}
    return found.pop() if len(found) == 1 else ""


def settle(site: Site, client: Client, address: str, protocol: str = TCP, *, to: int = 80) -> None:
    """Wait until a client stays where it is."""
    site.settles(lambda: "" if stays(client, address, to, protocol) in EVERYBODY else "it moves")


@shows(AFFINITY)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_client_stays_with_its_endpoint(site: Site, version: int, protocol: str) -> None:
    """ClientIP: all requests of a client go to one endpoint, over TCP and over UDP."""
    web = site.deploy(
        version, *EVERYBODY, ports=[port(80, 8080, protocol.upper())],
        slice_ports=[slice_port(8080, "", protocol.upper())], **sticky(),
    )  # fmt: skip
    for client in (site.pod(2), site.pod(3), site.host):
        settle(site, client, web.ip, protocol)


@shows(AFFINITY)
def test_clients_are_spread(site: Site, version: int) -> None:
    """ClientIP: different clients get different endpoints."""
    web = site.deploy(version, *EVERYBODY, type="NodePort", **sticky())
    node = node_address(version)
    clients = [site.outside(version, index) for index in range(OUTSIDERS)]
    settle(site, clients[0], node, to=web.node_port)
    found = [stays(client, node, web.node_port, times=3) for client in clients]
    assert all(found), found
    assert len(set(found)) > 1, found  # all the same once in 260,000 runs


@shows(AFFINITY)
def test_a_client_is_known_at_every_address(site: Site, version: int) -> None:
    """ClientIP: a client has the same endpoint by ClusterIP, NodePort and load balancer."""
    vip = site.new_vip(version)
    web = site.deploy(version, *EVERYBODY, type="LoadBalancer", status=load_balancer_status(vip), **sticky())
    for client in (site.outside(version, 1), site.outside(version, 2), site.outside(version, 3)):
        settle(site, client, web.ip)
        who = stays(client, web.ip, 80, times=2)
        assert stays(client, node_address(version), web.node_port) == who
        assert stays(client, vip, 80) == who


@shows(AFFINITY)
def test_affinity_at_node_ports_of_policy_local(site: Site, version: int) -> None:
    """ClientIP with externalTrafficPolicy Local: a client stays with one of the node's endpoints."""
    web = site.deploy(
        version, "a0", "a1", "a2", "b0", type="NodePort", externalTrafficPolicy="Local", **sticky()
    )
    outside = site.outside(version, 4)
    look = stays
    site.settles(
        lambda: "" if look(outside, node_address(version), web.node_port) in ("a0", "a1", "a2") else "moves"
    )


@shows(AFFINITY)
def test_affinity_ends_after_its_timeout(site: Site, version: int) -> None:
    """A client that has not asked for the timeout may get another endpoint; asking renews it."""
    web = site.deploy(version, *EVERYBODY, **sticky(1))
    client = site.pod(2)
    settle(site, client, web.ip)
    first, start, renewed = client.one(web.ip, 80).who, time.monotonic(), 0
    while time.monotonic() < start + 2.2:
        time.sleep(0.25)  # a client that asks again and again
        assert client.one(web.ip, 80).who == first, f"after {renewed} requests"
        renewed += 1
    for _ in range(8):  # the same by chance eight times: once in 65,000 runs
        time.sleep(1.3)  # the timeout of one second must pass
        if client.one(web.ip, 80).who != first:
            return
    raise AssertionError(f"always {first}")


@shows(AFFINITY)
def test_affinity_is_switched_on_and_off(site: Site, version: int) -> None:
    """Affinity acts as soon as it is switched on, and is forgotten as soon as it is switched off."""
    web = site.deploy(version, *EVERYBODY, type="NodePort")
    client, node = site.pod(2), node_address(version)
    for address, to in ((web.ip, 80), (node, web.node_port)):
        site.answers(client, address, to, EVERYBODY)
    for _ in range(2):
        web.change(**sticky())
        settle(site, client, web.ip)
        assert stays(client, node, web.node_port)
        web.change(sessionAffinity="None", sessionAffinityConfig=None)
        for address, to in ((web.ip, 80), (node, web.node_port)):
            site.answers(client, address, to, EVERYBODY)


@shows(AFFINITY)
def test_affinity_to_an_endpoint_that_goes(site: Site, version: int) -> None:
    """A client whose endpoint goes, or only terminates while others are ready, gets another one."""
    web = site.deploy(version, *EVERYBODY, **sticky())
    client = site.pod(2)
    settle(site, client, web.ip)
    first = client.one(web.ip, 80).who
    others = [one for one in EVERYBODY if one != first]
    web.set_endpoints(*others)
    site.settles(lambda: "" if stays(client, web.ip, 80) in others else "moves, or stays with the dead")
    second = client.one(web.ip, 80).who
    third = [one for one in others if one != second]
    ending = site.endpoint(second, version, ready=False, serving=True, terminating=True)
    web.set_endpoints(ending, *third)
    site.settles(lambda: "" if stays(client, web.ip, 80) in third else "stays with one that terminates")


@shows(AFFINITY)
def test_affinity_to_endpoints_that_all_terminate(site: Site, version: int) -> None:
    """Where only terminating endpoints are left, a client stays with its own."""
    web = site.deploy(version, "a0", "a1", "b0", **sticky())
    client = site.pod(2)
    settle(site, client, web.ip)
    first = client.one(web.ip, 80).who
    web.set_endpoints(
        *(
            site.endpoint(one, version, ready=False, serving=True, terminating=True)
            for one in ("a0", "a1", "b0")
        )
    )
    marker = site.deploy(version, "a3")
    site.answers(client, marker.ip, 80, "a3")
    assert stays(client, web.ip, 80) == first


@shows(AFFINITY)
def test_services_do_not_share_affinity(site: Site, version: int) -> None:
    """Two services with the same endpoints remember a client each for itself."""
    services = [site.deploy(version, *EVERYBODY, **sticky()) for _ in range(8)]
    client = site.pod(2)
    for web in services:
        settle(site, client, web.ip)
    found = {client.one(web.ip, 80).who for web in services}
    assert len(found) > 1, found  # all the same by chance: once in 16,000 runs


@shows(AFFINITY)
def test_affinity_outlives_the_proxy(site: Site, version: int) -> None:
    """A proxy that is killed and started again leaves every client with its endpoint."""
    web = site.deploy(version, *EVERYBODY, **sticky())
    settle(site, site.pod(2), web.ip)
    first = site.pod(2).one(web.ip, 80).who
    site.restart_proxy()
    marker = site.deploy(version, "a3")
    site.answers(site.pod(2), marker.ip, 80, "a3")
    assert stays(site.pod(2), web.ip, 80) == first

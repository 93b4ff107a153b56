"""Addresses that are rewritten: whose the client seems to be, and flows that must follow."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from linuxnet.netns import inside, open_netns
from tests.overlay.machines import run
from tests.services.behaviours import shows
from tests.services.clients import Client, exchange
from tests.services.objects import load_balancer_status, port, slice_port
from tests.services.places import PODS_A, local_pod, node_address, outside_address
from tests.services.servers import TCP, UDP
from tests.services.site import Deployed, Site

NAT = "Address translation"
UDP_PORT, UDP_SLICE = port(80, 8080, "UDP"), slice_port(8080, "", "UDP")
BOTH = (port(80, 8080, name="tcp"), port(80, 8080, "UDP", name="udp"))
SLICE_BOTH = (slice_port(8080, "tcp"), slice_port(8080, "udp", "UDP"))
FIXED = iter(range(20001, 30000))  # source ports, each used once


@shows(NAT)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_pod_reaches_itself(site: Site, version: int, protocol: str) -> None:
    """Hairpin: a pod that its service sends to itself gets its answer, masqueraded."""
    vip = site.new_vip(version)
    web = site.deploy(
        version, "a0", ports=BOTH, slice_ports=SLICE_BOTH, type="LoadBalancer",
        status=load_balancer_status(vip), externalTrafficPolicy="Local",
    )  # fmt: skip
    number = web.body["spec"]["ports"][protocol == UDP]["nodePort"]
    for address, to in ((web.ip, 80), (vip, 80), (node_address(version), number)):
        site.answers(site.pod(0), address, to, "a0", protocol)
        assert site.pod(0).one(address, to, protocol).client != local_pod(version, 0)


@shows(NAT)
def test_pods_keep_their_address_to_cluster_ips(site: Site, version: int) -> None:
    """A pod's request by ClusterIP shows its own address to endpoints of this node and of others."""
    web = site.deploy(version, "a1", "b0")
    site.answers(site.pod(0), web.ip, 80, ["a1", "b0"])
    found = {one.client for one in site.pod(0).ask(web.ip, 80, count=16)}
    assert found == {local_pod(version, 0)}


@shows(NAT)
def test_the_nodes_own_requests(site: Site, version: int) -> None:
    """What the node itself asks by ClusterIP comes back: its endpoints see an address of the node."""
    web = site.deploy(version, "a1", "b0", "a")
    site.answers(site.host, web.ip, 80, ["a1", "b0", "a"])
    ours = {node_address(version), f"{PODS_A[version]}1"}
    found = {one.client for one in site.host.ask(web.ip, 80, count=16)} - {web.ip}
    assert found <= ours, found


@shows(NAT)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_clients_from_outside_at_a_cluster_ip(site: Site, version: int, protocol: str) -> None:
    """A client that is no pod and reaches a ClusterIP through this node is masqueraded, so that it works."""
    web = site.deploy(version, "a1", "b0", ports=BOTH, slice_ports=SLICE_BOTH)
    outside = site.outside(version)
    site.answers(outside, web.ip, 80, ["a1", "b0"], protocol)
    assert outside_address(version) not in {one.client for one in outside.ask(web.ip, 80, protocol, count=8)}


@shows(NAT)
def test_the_mark_does_not_leave_the_node(site: Site, version: int) -> None:
    """The mark that asks for masquerading is taken off again: nobody behind the proxy sees it."""
    web = site.deploy(version, "b0", type="NodePort")
    site.answers(site.outside(version), node_address(version), web.node_port, "b0")
    rules = (
        "table inet look { chain marks {\ntype filter hook postrouting priority 300\n"
        "meta mark & 0x4000 != 0 counter\n}\n}\n"
    )
    netns = ("ip", "netns", "exec", site.places.node, "nft")
    run(*netns, "-f", "-", text=rules)
    try:
        site.answers(site.outside(version), node_address(version), web.node_port, "b0")
        assert "packets 0 " in run(*netns, "list", "table", "inet", "look")
    finally:
        run(*netns, "delete", "table", "inet", "look")


@shows(NAT)
def test_sysctls_of_the_connection_table(site: Site) -> None:
    """The connection table's times are kube-proxy's: CLOSE_WAIT an hour, established a day."""
    assert read_sysctl(site, "net/netfilter/nf_conntrack_tcp_timeout_close_wait") == "3600"
    assert read_sysctl(site, "net/netfilter/nf_conntrack_tcp_timeout_established") == "86400"


@shows(NAT)
def test_route_localnet_stays_off(site: Site) -> None:
    """route_localnet is never switched on: nobody outside reaches 127.0.0.1 of the node."""
    for device in ("all", "eth0", "cni0"):
        assert read_sysctl(site, f"net/ipv4/conf/{device}/route_localnet") == "0"


def read_sysctl(site: Site, path: str) -> str:
    descriptor = open_netns(f"/run/netns/{site.places.node}")
    try:
        with inside(descriptor):
            return Path("/proc/sys", path).read_text().strip()
    finally:
        os.close(descriptor)


@contextmanager
def flow(client: Client, version: int, address: str, to: int) -> Iterator[socket.socket]:
    """Hold a UDP socket of one source port, as resolvers and telephones do."""
    with client.open(version, UDP, next(FIXED)) as sock:
        sock.connect((address, to))
        yield sock


def follows(site: Site, sock: socket.socket, who: str) -> None:
    """Wait until a flow's answers come from a server; a second is what is promised, in quiet."""
    site.settles(lambda: site.differs(exchange(sock, patience=0.05).who, who), within=site.within)


def deploy_udp(site: Site, version: int, *who: str, **spec: object) -> Deployed:
    return site.deploy(version, *who, ports=[UDP_PORT], slice_ports=[UDP_SLICE], **spec)  # type: ignore[arg-type]


@shows(NAT)
def test_udp_follows_from_a_pod(site: Site, version: int) -> None:
    """A UDP flow of one source port to a ClusterIP follows when its endpoint goes."""
    web = deploy_udp(site, version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0", UDP)
    with flow(site.pod(1), version, web.ip, 80) as sock:
        follows(site, sock, "a0")
        web.set_endpoints("b0")
        follows(site, sock, "b0")


@shows(NAT)
def test_udp_follows_at_a_node_port(site: Site, version: int) -> None:
    """A UDP flow to a NodePort follows: from outside, and from the node itself."""
    web = deploy_udp(site, version, "a0", type="NodePort")
    node = node_address(version)
    site.answers(site.outside(version), node, web.node_port, "a0", UDP)
    with (
        flow(site.outside(version), version, node, web.node_port) as far,
        flow(site.host, version, node, web.node_port) as own,
    ):
        for sock in (far, own):
            follows(site, sock, "a0")
        web.set_endpoints("b0")
        for sock in (far, own):
            follows(site, sock, "b0")


@shows(NAT)
def test_udp_follows_at_a_load_balancer(site: Site, version: int) -> None:
    """A UDP flow to a load balancer's address follows, also with policy Local."""
    vip = site.new_vip(version)
    web = deploy_udp(
        site,
        version,
        "a0",
        type="LoadBalancer",
        externalTrafficPolicy="Local",
        status=load_balancer_status(vip),
    )
    site.answers(site.outside(version), vip, 80, "a0", UDP)
    with flow(site.outside(version), version, vip, 80) as sock:
        follows(site, sock, "a0")
        web.set_endpoints("a1")
        follows(site, sock, "a1")


@shows(NAT)
def test_udp_follows_from_the_hosts_network(site: Site, version: int) -> None:
    """A UDP flow of a process in the node's network follows."""
    web = deploy_udp(site, version, "a0")
    site.answers(site.host, web.ip, 80, "a0", UDP)
    with flow(site.host, version, web.ip, 80) as sock:
        follows(site, sock, "a0")
        web.set_endpoints("b0")
        follows(site, sock, "b0")


@shows(NAT)
def test_udp_follows_with_internal_policy_local(site: Site, version: int) -> None:
    """A UDP flow to a service with internalTrafficPolicy Local follows."""
    web = deploy_udp(site, version, "a0", "b0", internalTrafficPolicy="Local")
    site.answers(site.pod(2), web.ip, 80, "a0", UDP)
    with flow(site.pod(2), version, web.ip, 80) as sock:
        follows(site, sock, "a0")
        web.set_endpoints("a1", "b0")
        follows(site, sock, "a1")


@shows(NAT)
def test_udp_follows_the_target_port(site: Site, version: int) -> None:
    """A UDP flow follows when the target port changes on the same endpoint."""
    web = deploy_udp(site, version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0", UDP)
    with flow(site.pod(1), version, web.ip, 80) as sock:
        follows(site, sock, "a0")
        web.set_endpoints("a0", ports=[slice_port(8081, "", "UDP")])
        site.settles(lambda: site.differs(exchange(sock, patience=0.05).port, 8081), within=site.within)


@shows(NAT)
def test_udp_that_came_before_the_first_endpoint(site: Site, version: int) -> None:
    """A UDP flow that was refused before there was an endpoint is answered when there is one."""
    web = deploy_udp(site, version)
    with flow(site.pod(1), version, web.ip, 80) as sock:
        for _ in range(3):
            exchange(sock, patience=0.02)
        web.set_endpoints("a0")
        follows(site, sock, "a0")


@shows(NAT)
def test_udp_that_came_before_the_service(site: Site, version: int) -> None:
    """UDP flows that came before the service, and so untranslated, are answered when it is there."""
    vip = site.new_vip(version)
    with flow(site.outside(version), version, vip, 80) as far, flow(site.pod(1), version, vip, 80) as near:
        for sock in (far, near):
            for _ in range(3):
                exchange(sock, patience=0.02)
        deploy_udp(site, version, "a0", type="LoadBalancer", status=load_balancer_status(vip))
        for sock in (far, near):
            follows(site, sock, "a0")


@shows(NAT)
def test_udp_of_endpoints_that_serve_is_left_alone(site: Site, version: int) -> None:
    """A UDP flow to an endpoint that terminates and still serves stays; others' flows always do."""
    web = deploy_udp(site, version, "a0")
    other = deploy_udp(site, version, "a2", "b1")
    site.answers(site.pod(1), web.ip, 80, "a0", UDP)
    site.answers(site.pod(1), other.ip, 80, ["a2", "b1"], UDP)
    with flow(site.pod(1), version, web.ip, 80) as sock, flow(site.pod(1), version, other.ip, 80) as stranger:
        follows(site, sock, "a0")
        before = exchange(stranger).who
        ending = site.endpoint("a0", version, ready=False, serving=True, terminating=True)
        web.set_endpoints(ending, "b0")
        site.answers(site.pod(1), web.ip, 80, "b0", UDP)
        assert exchange(sock).who == "a0"
        web.set_endpoints("b0")
        follows(site, sock, "b0")
        assert exchange(stranger).who == before

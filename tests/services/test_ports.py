"""Ports, protocols, types; and what changes of them."""

from __future__ import annotations

import pytest

from tests.services.behaviours import shows
from tests.services.clients import DROPPED, REFUSED
from tests.services.objects import endpoint_slice, port, slice_port
from tests.services.places import node_address
from tests.services.servers import TCP, UDP
from tests.services.site import Site

PORTS = "Ports and protocols"
BOTH = (port(80, 8080, name="tcp"), port(80, 8080, "UDP", name="udp"))
SLICE_BOTH = (slice_port(8080, "tcp"), slice_port(8080, "udp", "UDP"))


@shows(PORTS)
def test_tcp_and_udp_on_the_same_port_number(site: Site, version: int) -> None:
    """TCP and UDP may have the same port number; one that is taken away leaves the other alone."""
    web = site.deploy(version, "a0", ports=BOTH, slice_ports=SLICE_BOTH)
    site.answers(site.pod(1), web.ip, 80, "a0", TCP)
    site.answers(site.pod(1), web.ip, 80, "a0", UDP)
    web.change(ports=[BOTH[0]])
    site.answers(site.pod(1), web.ip, 80, REFUSED, UDP)
    site.answers(site.pod(1), web.ip, 80, "a0", TCP)
    web.change(ports=[BOTH[1]])
    site.answers(site.pod(1), web.ip, 80, REFUSED, TCP)
    site.answers(site.pod(1), web.ip, 80, "a0", UDP)


@shows(PORTS)
def test_sctp(site: Site, version: int) -> None:
    """SCTP ports are programmed beside those of TCP (rules only: this kernel has no SCTP sockets)."""
    web = site.deploy(
        version, "a0", ports=[port(80, 8080, name="tcp"), port(80, 8080, "SCTP", name="sctp")],
        slice_ports=[slice_port(8080, "tcp"), slice_port(8080, "sctp", "SCTP")],
    )  # fmt: skip
    site.answers(site.pod(1), web.ip, 80, "a0", TCP)
    site.settles(lambda: "" if f"{web.ip} . sctp . 80" in site.nft(f"services{version}") else "no SCTP")


@shows(PORTS)
def test_named_target_ports_that_differ_by_pod(site: Site, version: int) -> None:
    """A target port's name may stand for different numbers on different pods."""
    web = site.deploy(
        version, "a0", ports=[port(80, "web", name="http")], slice_ports=[slice_port(8080, "http")]
    )
    web.set_slice(
        endpoint_slice(web.name, [site.endpoint("b1", version)], [slice_port(8081, "http")], suffix="-2")
    )
    site.answers(site.pod(1), web.ip, 80, ["a0", "b1"])


@shows(PORTS)
def test_endpoints_in_the_hosts_network(site: Site, version: int) -> None:
    """Endpoints may be processes of a node's own network: of this node and of another."""
    web = site.deploy(version, "a", "b")
    for client in (site.pod(), site.host):
        site.answers(client, web.ip, 80, ["a", "b"])
    web.set_endpoints("a")
    for client in (site.pod(), site.host, site.outside(version)):
        site.answers(client, web.ip, 80, "a")


@shows(PORTS)
def test_ports_are_added_removed_and_renumbered(site: Site, version: int) -> None:
    """Ports of a running service are added, removed and given other numbers."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.change(ports=[port(80, 8080), port(443, 8081, name="tls")])
    web.set_endpoints("a0", ports=[slice_port(8080), slice_port(8081, "tls")])
    site.answers(site.pod(1), web.ip, 443, "a0")
    web.change(ports=[port(8443, 8081, name="tls")])
    site.answers(site.pod(1), web.ip, 8443, "a0")
    for gone in (80, 443):
        site.answers(site.pod(1), web.ip, gone, REFUSED)


@shows(PORTS)
def test_the_target_port_changes(site: Site, version: int) -> None:
    """A target port that changes takes new connections with it."""
    web = site.deploy(version, "a0", "b0")
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])
    web.set_endpoints("a0", "b0", ports=[slice_port(8081)])
    site.settles(lambda: site.differs(site.ports_behind(site.pod(1), web.ip, 80), {8081}))


@shows(PORTS)
def test_a_service_changes_its_type(site: Site, version: int) -> None:
    """ClusterIP becomes NodePort, LoadBalancer, ExternalName and ClusterIP again; each acts at once."""
    web, number, vip = site.deploy(version, "a0"), site.new_node_port(), site.new_vip(version)
    node = node_address(version)
    outside = site.outside(version)
    site.answers(outside, node, number, REFUSED)
    web.change(type="NodePort", ports=[port(nodePort=number)])
    site.answers(outside, node, number, "a0")
    web.change(type="LoadBalancer")
    web.set_status({"loadBalancer": {"ingress": [{"ip": vip}]}})
    site.answers(outside, vip, 80, "a0")
    ips = web.body["spec"]["clusterIPs"]
    web.set_status({"loadBalancer": {}})
    web.change(
        type="ExternalName", externalName="db.example.com", clusterIP=None, clusterIPs=None, ports=[port()]
    )
    site.answers(outside, node, number, REFUSED)
    site.answers(site.pod(1), ips[0], 80, DROPPED)
    web.change(type="ClusterIP", externalName=None, clusterIP=ips[0], clusterIPs=ips)
    site.answers(site.pod(1), ips[0], 80, "a0")


@shows(PORTS)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_large_requests(site: Site, version: int, protocol: str) -> None:
    """Requests larger than a packet arrive whole; over UDP in fragments."""
    web = site.deploy(version, "a0", "b0", ports=BOTH, slice_ports=SLICE_BOTH)
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"], protocol)
    data = b"x" * 16000
    for answer in site.pod(1).ask(web.ip, 80, protocol, count=8, data=data):
        assert answer.who in ("a0", "b0"), answer
        assert protocol == TCP or answer.size == len(data), answer


@shows(PORTS)
def test_every_kind_of_client_asks_every_kind_of_endpoint(site: Site, version: int) -> None:
    """Pod, node and endpoint ask a service by TCP and UDP: pods of both nodes and the node answer."""
    web = site.deploy(version, "a0", "a1", "b0", "a", ports=BOTH, slice_ports=SLICE_BOTH)
    for client in (site.pod(2), site.pod(0), site.host):
        for protocol in (TCP, UDP):
            site.answers(client, web.ip, 80, ["a0", "a1", "b0", "a"], protocol, count=48)


@shows(PORTS)
def test_requests_are_spread_evenly(site: Site, version: int) -> None:
    """Requests are spread over the endpoints as chance has it (chi-square)."""
    web = site.deploy(version, "a0", "a1", "b0", "b1", ports=BOTH, slice_ports=SLICE_BOTH)
    for protocol in (TCP, UDP):
        site.answers(site.pod(2), web.ip, 80, ["a0", "a1", "b0", "b1"], protocol, count=48)
        found = site.pod(2).who(web.ip, 80, protocol, count=600)
        chi = sum((found[one] - 150) ** 2 / 150 for one in ("a0", "a1", "b0", "b1"))
        assert chi < 27.9, found  # four in a million runs, 3 degrees of freedom

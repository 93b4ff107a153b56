"""External addresses: external IPs, load balancers, source ranges, NodePorts; both families."""

from __future__ import annotations

import pytest

from tests.overlay.machines import ip
from tests.services.behaviours import shows
from tests.services.clients import DROPPED, REFUSED, UNREACHABLE
from tests.services.objects import endpoint_slice, load_balancer_status, port, slice_port
from tests.services.places import PODS_A, far_pod, local_pod, node_address, outside_address
from tests.services.servers import TCP, UDP
from tests.services.site import Site

ADDRESSES = "External addresses"
NOT_ALLOWED = {4: "203.0.113.250", 6: "2001:db8:113:0:1::1"}
EVERYBODY = {4: "0.0.0.0/0", 6: "::/0"}
NOBODY_THERE = {DROPPED, UNREACHABLE}
SPARE = {4: "192.168.80.77", 6: "fd80::77"}


@shows(ADDRESSES)
def test_external_ips(site: Site, version: int) -> None:
    """External IPs of the ranges that are allowed answer to pods, the node and the outside."""
    external = site.new_vip(version)
    web = site.deploy(version, "a0", "b0", externalIPs=[external])
    for client in (site.pod(1), site.host, site.outside(version)):
        site.answers(client, external, 80, ["a0", "b0"])
    web.change(externalIPs=None)
    site.settles(lambda: "" if set(site.pod(1).who(external, 80)) <= NOBODY_THERE else "still served")


@shows(ADDRESSES)
def test_external_ips_that_are_not_allowed(site: Site, version: int) -> None:
    """External IPs that nobody allowed are not served: a user cannot draw another's traffic to him."""
    web = site.deploy(version, "a0", externalIPs=[NOT_ALLOWED[version], site.new_vip(version)])
    site.answers(site.pod(1), web.ip, 80, "a0")
    assert set(site.pod(1).who(NOT_ALLOWED[version], 80, count=2)) <= NOBODY_THERE
    assert NOT_ALLOWED[version] not in site.nft(f"services{version}")


@shows(ADDRESSES)
def test_load_balancers_addresses(site: Site, version: int) -> None:
    """Addresses of status.loadBalancer answer to pods, the node and the outside; hostnames do not count."""
    vip = site.new_vip(version)
    status = load_balancer_status(vip)
    status["loadBalancer"]["ingress"].append({"hostname": "lb.example.com"})
    web = site.deploy(version, "a0", "b0", type="LoadBalancer", status=status)
    for client in (site.pod(1), site.host, site.outside(version)):
        site.answers(client, vip, 80, ["a0", "b0"])
    web.set_status({"loadBalancer": {}})
    site.settles(lambda: "" if set(site.pod(1).who(vip, 80)) <= NOBODY_THERE else "still served")
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])


@shows(ADDRESSES)
def test_load_balancers_that_are_proxies(site: Site, version: int) -> None:
    """An address with ipMode Proxy is not served here: traffic goes to the load balancer."""
    vip = site.new_vip(version)
    web = site.deploy(version, "a0", type="LoadBalancer", status=load_balancer_status(vip, mode="Proxy"))
    site.answers(site.pod(1), web.ip, 80, "a0")
    assert set(site.pod(1).who(vip, 80, count=2)) <= NOBODY_THERE
    web.set_status(load_balancer_status(vip, mode="VIP"))
    site.answers(site.pod(1), vip, 80, "a0")


@shows(ADDRESSES)
def test_load_balancers_of_any_class(site: Site, version: int) -> None:
    """loadBalancerClass is the controller's matter: what is in the status is served."""
    vip = site.new_vip(version)
    site.deploy(
        version,
        "a0",
        type="LoadBalancer",
        loadBalancerClass="example.com/lb",
        status=load_balancer_status(vip),
    )
    site.answers(site.outside(version), vip, 80, "a0")


@shows(ADDRESSES)
def test_load_balancers_without_node_ports(site: Site, version: int) -> None:
    """allocateLoadBalancerNodePorts false: the load balancer's address works without a NodePort."""
    vip = site.new_vip(version)
    site.deploy(
        version,
        "a0",
        type="LoadBalancer",
        allocateLoadBalancerNodePorts=False,
        status=load_balancer_status(vip),
    )
    site.answers(site.outside(version), vip, 80, "a0")


@shows(ADDRESSES)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_source_ranges(site: Site, version: int, protocol: str) -> None:
    """loadBalancerSourceRanges: clients in the ranges are served, others are dropped; ranges may change."""
    vip = site.new_vip(version)
    length = "32" if version == 4 else "128"
    ours = f" {outside_address(version, 1)}/{length} "  # the API allows white space around
    web = site.deploy(
        version, "a0", "b0", ports=[port(80, 8080, protocol.upper())],
        slice_ports=[slice_port(8080, "", protocol.upper())], type="LoadBalancer",
        status=load_balancer_status(vip), loadBalancerSourceRanges=[ours],
    )  # fmt: skip
    allowed, refused = site.outside(version, 1), site.outside(version, 2)
    site.answers(allowed, vip, 80, ["a0", "b0"], protocol)
    for client in (refused, site.pod(1), site.host):
        site.answers(client, vip, 80, DROPPED, protocol)
    pods = PODS_A[version] + ("0/24" if version == 4 else "/64")
    web.change(loadBalancerSourceRanges=[pods])
    site.answers(site.pod(1), vip, 80, ["a0", "b0"], protocol)
    site.answers(allowed, vip, 80, DROPPED, protocol)
    web.change(loadBalancerSourceRanges=[EVERYBODY[version]])
    site.answers(refused, vip, 80, ["a0", "b0"], protocol)
    web.change(loadBalancerSourceRanges=None)
    site.answers(refused, vip, 80, ["a0", "b0"], protocol)


@shows(ADDRESSES)
def test_source_ranges_leave_other_addresses_alone(site: Site, version: int) -> None:
    """loadBalancerSourceRanges are about the load balancer's address: ClusterIP and NodePort are open."""
    vip = site.new_vip(version)
    nobody = "192.0.2.1/32" if version == 4 else "2001:db8:2::1/128"
    web = site.deploy(
        version,
        "a0",
        type="LoadBalancer",
        status=load_balancer_status(vip),
        loadBalancerSourceRanges=[nobody],
    )
    site.answers(site.outside(version), node_address(version), web.node_port, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    site.answers(site.outside(version), vip, 80, DROPPED)


@shows(ADDRESSES)
def test_source_ranges_with_the_node_inside(site: Site, version: int) -> None:
    """A node whose address is in a source range reaches the load balancer's address itself."""
    vip = site.new_vip(version)
    length = "32" if version == 4 else "128"
    site.deploy(
        version, "a0", "b0", type="LoadBalancer", status=load_balancer_status(vip),
        loadBalancerSourceRanges=[f"{node_address(version)}/{length}"],
    )  # fmt: skip
    site.answers(site.host, vip, 80, ["a0", "b0"])
    site.answers(site.outside(version), vip, 80, DROPPED)


@shows(ADDRESSES)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_node_ports(site: Site, version: int, protocol: str) -> None:
    """A NodePort answers at the node's addresses: to the outside, to pods of both nodes, to the node."""
    web = site.deploy(
        version, "a0", "b0", ports=[port(80, 8080, protocol.upper())],
        slice_ports=[slice_port(8080, "", protocol.upper())], type="NodePort",
    )  # fmt: skip
    node = node_address(version)
    for client in (site.outside(version), site.pod(1), site.host, site.far(version)):
        site.answers(client, node, web.node_port, ["a0", "b0"], protocol)


@shows(ADDRESSES)
def test_the_same_node_port_for_tcp_and_udp(site: Site, version: int) -> None:
    """TCP and UDP may have the same NodePort, of two services too."""
    number = site.new_node_port()
    site.deploy(version, "a0", ports=[port(nodePort=number)], type="NodePort")
    site.deploy(
        version, "b0", ports=[port(80, 8080, "UDP", nodePort=number)], type="NodePort",
        slice_ports=[slice_port(8080, "", "UDP")],
    )  # fmt: skip
    site.answers(site.outside(version), node_address(version), number, "a0", TCP)
    site.answers(site.outside(version), node_address(version), number, "b0", UDP)


@shows(ADDRESSES)
def test_node_ports_are_given_back(site: Site, version: int) -> None:
    """A NodePort whose service goes, or is a NodePort no more, is closed, and another may have it."""
    web = site.deploy(version, "a0", type="NodePort")
    outside, node, number = site.outside(version), node_address(version), web.node_port
    site.answers(outside, node, number, "a0")
    web.change(type="ClusterIP", ports=[port()])
    site.answers(outside, node, number, REFUSED)
    site.deploy(version, "b1", ports=[port(nodePort=number)], type="NodePort")
    site.answers(outside, node, number, "b1")


@shows(ADDRESSES)
def test_node_ports_at_local_addresses_alone(site: Site, version: int) -> None:
    """A NodePort is taken at addresses of this node, and at nobody else's."""
    web = site.deploy(version, "a0", type="NodePort")
    site.answers(site.pod(1), node_address(version), web.node_port, "a0")
    assert site.pod(1).one(far_pod(version, 0), web.node_port).who == REFUSED
    assert site.outside(version).one(local_pod(version, 1), web.node_port).who == REFUSED


@shows(ADDRESSES)
def test_node_ports_at_an_address_that_the_node_gets(site: Site, version: int) -> None:
    """An address that the node gets later serves NodePorts too, where all of its addresses do."""
    web = site.deploy(version, "a0", type="NodePort")
    site.answers(site.outside(version), node_address(version), web.node_port, "a0")
    length = "24" if version == 4 else "64 nodad"
    ip(
        site.places.node,
        f"addr add {SPARE[version]}/{length.split()[0]} dev eth0" + " nodad" * (version == 6),
    )
    try:
        site.answers(site.outside(version), SPARE[version], web.node_port, "a0")
    finally:
        ip(site.places.node, f"addr del {SPARE[version]}/{length.split()[0]} dev eth0")


@shows(ADDRESSES)
def test_node_ports_of_a_process_on_the_same_number(site: Site, version: int) -> None:
    """A NodePort goes before a process of the node that listens on the number."""
    web = site.deploy(version, "a0", ports=[port(nodePort=8081)], type="NodePort")
    site.answers(site.outside(version), node_address(version), 8081, "a0")
    web.remove()
    site.answers(site.outside(version), node_address(version), 8081, "a")


@shows(ADDRESSES)
def test_dual_stack(site: Site) -> None:
    """A service of both families has each family's own address, endpoints and NodePort."""
    name, ips = "dual", [site.new_ip(4), site.new_ip(6)]
    web = site.deploy(
        4, "a0", "b0", name=name, cluster_ips=ips, type="NodePort", ipFamilyPolicy="RequireDualStack"
    )
    web.set_slice(endpoint_slice(name, [site.endpoint("a1", 6)]))
    site.answers(site.pod(2), ips[0], 80, ["a0", "b0"])
    site.answers(site.pod(2), ips[1], 80, "a1")
    site.answers(site.outside(4), node_address(4), web.node_port, ["a0", "b0"])
    site.answers(site.outside(6), node_address(6), web.node_port, "a1")
    site.registry.delete(web.slices[1])
    site.answers(site.pod(2), ips[1], 80, REFUSED)
    site.answers(site.pod(2), ips[0], 80, ["a0", "b0"])


@shows(ADDRESSES)
def test_a_service_becomes_dual_stack(site: Site) -> None:
    """A service gets its second address later, and loses it again; the first is not disturbed."""
    web, second = site.deploy(4, "a0"), site.new_ip(6)
    site.answers(site.pod(1), web.ip, 80, "a0")
    first = web.ip
    web.set_slice(endpoint_slice(web.name, [site.endpoint("a2", 6)]))
    web.change(clusterIPs=[first, second], ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="PreferDualStack")
    site.answers(site.pod(1), second, 80, "a2")
    web.change(clusterIPs=[first], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    site.answers(site.pod(1), second, 80, DROPPED)
    site.answers(site.pod(1), first, 80, "a0")

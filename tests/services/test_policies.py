"""Traffic policies: who may be asked, by whom, and what happens where there is nobody."""

from __future__ import annotations

import http.client
import json
import socket

import pytest

from tests.overlay.flows import socket_in
from tests.services.behaviours import shows
from tests.services.clients import DROPPED, REFUSED
from tests.services.objects import load_balancer_status, port, slice_port
from tests.services.places import NODE_NAME, local_pod, node_address, outside_address
from tests.services.servers import TCP, UDP
from tests.services.site import Deployed, Site
from tests.services.test_conditions import terminating, unready

POLICIES = "Traffic policies"
BOTH = (port(80, 8080, name="tcp"), port(80, 8080, "UDP", name="udp"))
SLICE_BOTH = (slice_port(8080, "tcp"), slice_port(8080, "udp", "UDP"))


@shows(POLICIES)
def test_internal_policy_local(site: Site, version: int) -> None:
    """internalTrafficPolicy Local: pods and the node reach endpoints of their own node alone."""
    web = site.deploy(version, "a0", "a", "b0", "b1", internalTrafficPolicy="Local")
    for client in (site.pod(1), site.host):
        site.answers(client, web.ip, 80, ["a0", "a"])
    web.change(internalTrafficPolicy="Cluster")
    site.answers(site.pod(1), web.ip, 80, ["a0", "a", "b0", "b1"], count=48)


@shows(POLICIES)
def test_internal_policy_local_without_a_local_endpoint(site: Site, version: int) -> None:
    """internalTrafficPolicy Local without an endpoint on the node: dropped, not refused."""
    web = site.deploy(version, "a0", "b0", internalTrafficPolicy="Local")
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.set_endpoints("b0")
    for client in (site.pod(1), site.host):
        site.answers(client, web.ip, 80, DROPPED)
    web.set_endpoints("a1", "b0")
    site.answers(site.pod(2), web.ip, 80, "a1")


@shows(POLICIES)
def test_internal_policy_local_leaves_node_ports_alone(site: Site, version: int) -> None:
    """internalTrafficPolicy Local is about the ClusterIP: NodePorts use all endpoints."""
    web = site.deploy(version, "b0", "b1", type="NodePort", internalTrafficPolicy="Local")
    site.answers(site.outside(version), node_address(version), web.node_port, ["b0", "b1"])
    site.answers(site.pod(), web.ip, 80, DROPPED)


@shows(POLICIES)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_external_policy_local_keeps_the_clients_address(site: Site, version: int, protocol: str) -> None:
    """externalTrafficPolicy Local: local endpoints alone, which see the client's own address."""
    vip = site.new_vip(version)
    web = site.deploy(
        version, "a0", "a1", "b0", "b1", ports=BOTH, slice_ports=SLICE_BOTH, type="LoadBalancer",
        externalTrafficPolicy="Local", status=load_balancer_status(vip),
    )  # fmt: skip
    number = web.body["spec"]["ports"][protocol == UDP]["nodePort"]
    outside = site.outside(version, 3)
    for address, to in ((node_address(version), number), (vip, 80)):
        site.answers(outside, address, to, ["a0", "a1"], protocol)
        found = {one.client for one in outside.ask(address, to, protocol, count=4)}
        assert found == {outside_address(version, 3)}


@shows(POLICIES)
def test_external_policy_local_without_a_local_endpoint(site: Site, version: int) -> None:
    """externalTrafficPolicy Local without an endpoint on the node: dropped outside, not refused."""
    vip = site.new_vip(version)
    web = site.deploy(
        version,
        "a0",
        "b0",
        type="LoadBalancer",
        externalTrafficPolicy="Local",
        status=load_balancer_status(vip),
    )
    outside, node = site.outside(version), node_address(version)
    site.answers(outside, vip, 80, "a0")
    web.set_endpoints("b0")
    site.answers(outside, vip, 80, DROPPED)
    site.answers(outside, node, web.node_port, DROPPED)
    web.set_endpoints("a2")
    site.answers(outside, vip, 80, "a2")
    site.answers(outside, node, web.node_port, "a2")


@shows(POLICIES)
def test_external_policy_local_from_inside(site: Site, version: int) -> None:
    """externalTrafficPolicy Local: pods and the node itself reach every endpoint at external addresses."""
    vip = site.new_vip(version)
    web = site.deploy(
        version,
        "b0",
        "b1",
        type="LoadBalancer",
        externalTrafficPolicy="Local",
        status=load_balancer_status(vip),
    )
    for client in (site.pod(1), site.host):
        for address, to in ((vip, 80), (node_address(version), web.node_port)):
            site.answers(client, address, to, ["b0", "b1"])
    assert site.pod(1).one(vip, 80).client in (local_pod(version, 1), node_address(version))


@shows(POLICIES)
def test_external_policy_local_is_no_matter_inside(site: Site, version: int) -> None:
    """externalTrafficPolicy Local leaves the ClusterIP alone."""
    web = site.deploy(version, "a0", "b0", type="NodePort", externalTrafficPolicy="Local")
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])


@shows(POLICIES)
def test_external_policy_changes(site: Site, version: int) -> None:
    """externalTrafficPolicy may change: who answers, and whom he sees, follow at once."""
    web = site.deploy(version, "a0", "b0", type="NodePort")
    outside, node = site.outside(version), node_address(version)
    site.answers(outside, node, web.node_port, ["a0", "b0"])
    web.change(externalTrafficPolicy="Local")
    site.answers(outside, node, web.node_port, "a0")
    assert outside.one(node, web.node_port).client == outside_address(version)
    web.change(externalTrafficPolicy="Cluster")
    site.answers(outside, node, web.node_port, ["a0", "b0"])
    assert outside_address(version) not in {one.client for one in outside.ask(node, web.node_port, count=8)}


@shows(POLICIES)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_external_policy_cluster_masquerades(site: Site, version: int, protocol: str) -> None:
    """externalTrafficPolicy Cluster: endpoints see the node's address, and answers find their way."""
    vip, external = site.new_vip(version), site.new_vip(version)
    web = site.deploy(
        version, "b0", ports=BOTH, slice_ports=SLICE_BOTH, type="LoadBalancer",
        status=load_balancer_status(vip), externalIPs=[external],
    )  # fmt: skip
    number = web.body["spec"]["ports"][protocol == UDP]["nodePort"]
    outside = site.outside(version)
    for address, to in ((node_address(version), number), (vip, 80), (external, 80)):
        site.answers(outside, address, to, "b0", protocol)
        assert outside.one(address, to, protocol).client == node_address(version)


@shows(POLICIES)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_services_without_endpoints_refuse(site: Site, version: int, protocol: str) -> None:
    """A service without any endpoint refuses at once: ClusterIP, NodePort, load balancer, external IP."""
    vip, external = site.new_vip(version), site.new_vip(version)
    web = site.deploy(
        version, ports=BOTH, slice_ports=SLICE_BOTH, type="LoadBalancer", status=load_balancer_status(vip),
        externalIPs=[external],
    )  # fmt: skip
    number = web.body["spec"]["ports"][protocol == UDP]["nodePort"]
    places = [(web.ip, 80), (vip, 80), (external, 80), (node_address(version), number)]
    for client in (site.pod(1), site.host, site.outside(version)):
        for address, to in places:
            site.answers(client, address, to, REFUSED, protocol)


@shows(POLICIES)
def test_local_policies_do_not_refuse_while_others_have_endpoints(site: Site, version: int) -> None:
    """Endpoints anywhere make it a matter of policy (dropped); none anywhere is refused."""
    web = site.deploy(version, "a0", type="NodePort", externalTrafficPolicy="Local")
    outside, node = site.outside(version), node_address(version)
    site.answers(outside, node, web.node_port, "a0")
    web.set_endpoints("b0")
    site.answers(outside, node, web.node_port, DROPPED)
    web.set_endpoints()
    site.answers(outside, node, web.node_port, REFUSED)
    web.set_endpoints(unready(site, "a0", version))
    site.answers(outside, node, web.node_port, REFUSED)


def health(site: Site, version: int, number: int) -> tuple[int, dict[str, str], bytes]:
    """Ask a health check port from outside, as a load balancer does; 0 where nobody listens."""
    connection = http.client.HTTPConnection(node_address(version), number, timeout=2)
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    connection.sock = socket_in(site.places.outside, socket.SOCK_STREAM, version)
    assert connection.sock.family == family
    connection.sock.settimeout(2)
    try:
        connection.sock.connect((node_address(version), number))
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    except OSError:
        return 0, {}, b""
    finally:
        connection.close()


def with_health_check(site: Site, version: int, *endpoints: str) -> tuple[Deployed, int]:
    number = site.new_node_port()
    web = site.deploy(
        version, *endpoints, type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=number,
        status=load_balancer_status(site.new_vip(version)),
    )  # fmt: skip
    return web, number


@shows(POLICIES)
def test_health_check_node_port(site: Site, version: int) -> None:
    """healthCheckNodePort tells load balancers how many ready endpoints the node has: 200, or 503."""
    web, number = with_health_check(site, version, "a0", "a1", "b0")
    site.settles(lambda: site.differs(health(site, version, number)[0], 200))
    _, headers, body = health(site, version, number)
    said = json.loads(body)
    assert said["service"] == {"namespace": "shop", "name": web.name}, said
    assert said["localEndpoints"] == 2, said
    assert said["serviceProxyHealthy"] is True, said
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-load-balancing-endpoint-weight"] == "2"
    web.set_endpoints("b0")
    site.settles(lambda: site.differs(health(site, version, number)[0], 503))
    assert json.loads(health(site, version, number)[2])["localEndpoints"] == 0


@shows(POLICIES)
def test_health_check_node_port_with_terminating_endpoints(site: Site, version: int) -> None:
    """healthCheckNodePort says 503 where the node's endpoints only terminate, though they still answer."""
    web, number = with_health_check(site, version, "a0")
    site.settles(lambda: site.differs(health(site, version, number)[0], 200))
    web.set_endpoints(terminating(site, "a0", version))
    site.settles(lambda: site.differs(health(site, version, number)[0], 503))
    site.answers(site.outside(version), node_address(version), web.node_port, "a0")


@shows(POLICIES)
def test_health_check_node_port_follows_the_policy(site: Site, version: int) -> None:
    """The health check's port is closed where the policy becomes Cluster, and when the service goes."""
    web, number = with_health_check(site, version, "a0")
    site.settles(lambda: site.differs(health(site, version, number)[0], 200))
    web.change(externalTrafficPolicy="Cluster", healthCheckNodePort=None)
    site.settles(lambda: site.differs(health(site, version, number)[0], 0))
    web.change(externalTrafficPolicy="Local", healthCheckNodePort=number)
    site.settles(lambda: site.differs(health(site, version, number)[0], 200))
    web.remove()
    site.settles(lambda: site.differs(health(site, version, number)[0], 0))


@shows(POLICIES)
def test_health_of_a_node_that_is_leaving(site: Site) -> None:
    """/healthz of the proxy says 503 on a node that is being deleted; /livez does not mind."""
    site.settles(lambda: site.differs(site.health("/healthz"), 200))
    site.registry.apply(site.node_object(spec={"taints": [
        {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]}))  # fmt: skip
    try:
        site.settles(lambda: site.differs(site.health("/healthz"), 503))
        assert site.health("/livez") == 200
    finally:
        site.registry.apply(site.node_object())
    site.settles(lambda: site.differs(site.health("/healthz"), 200))
    assert NODE_NAME

"""Topology: endpoints that are meant for this zone or this node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.behaviours import shows
from tests.services.objects import Json
from tests.services.places import FAR_NAME, FAR_ZONE, NODE_NAME, ZONE, node_address
from tests.services.site import Site

TOPOLOGY = "Topology"


def for_zone(site: Site, who: str, version: int, *zones: str) -> Json:
    return site.endpoint(who, version, hints={"forZones": [{"name": zone} for zone in zones]})


def for_node(site: Site, who: str, version: int, *nodes: str, zone: str = "") -> Json:
    hints: Json = {"forNodes": [{"name": node} for node in nodes]}
    hints |= {"forZones": [{"name": zone}]} if zone else {}
    return site.endpoint(who, version, hints=hints)


@pytest.fixture
def same_zone(site: Site) -> Iterator[None]:
    """Give the node its zone back, whatever a case did to it."""
    yield
    site.registry.apply(site.node_object())


@shows(TOPOLOGY)
def test_zone_hints(site: Site, version: int) -> None:
    """Endpoints meant for this zone are used, others are not."""
    web = site.deploy(
        version, for_zone(site, "a0", version, ZONE), for_zone(site, "b0", version, ZONE, FAR_ZONE),
        for_zone(site, "b1", version, FAR_ZONE), trafficDistribution="PreferSameZone",
    )  # fmt: skip
    for client in (site.pod(1), site.host):
        site.answers(client, web.ip, 80, ["a0", "b0"])


@shows(TOPOLOGY)
def test_zone_hints_at_external_addresses(site: Site, version: int) -> None:
    """Zone hints count for NodePorts of policy Cluster, and not for policy Local."""
    web = site.deploy(
        version, for_zone(site, "a0", version, FAR_ZONE), for_zone(site, "b0", version, ZONE), type="NodePort"
    )
    outside, node = site.outside(version), node_address(version)
    site.answers(outside, node, web.node_port, "b0")
    web.change(externalTrafficPolicy="Local")
    site.answers(outside, node, web.node_port, "a0")


@shows(TOPOLOGY)
def test_an_endpoint_without_a_hint_ends_them_all(site: Site, version: int) -> None:
    """Where one ready endpoint has no hint, hints are ignored."""
    web = site.deploy(version, for_zone(site, "a0", version, ZONE), "b0")
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])


@shows(TOPOLOGY)
def test_hints_of_endpoints_that_are_not_ready_do_not_count(site: Site, version: int) -> None:
    """An endpoint that is not ready does not end the hints of the others."""
    lame = site.endpoint("b1", version, ready=False, serving=False)
    web = site.deploy(
        version, for_zone(site, "a0", version, ZONE), for_zone(site, "b0", version, FAR_ZONE), lame
    )
    site.answers(site.pod(1), web.ip, 80, "a0")


@shows(TOPOLOGY)
def test_no_endpoint_for_this_zone(site: Site, version: int) -> None:
    """Where no hint names this zone, all endpoints are used."""
    web = site.deploy(
        version, for_zone(site, "a0", version, "zone-x"), for_zone(site, "b0", version, FAR_ZONE)
    )
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])


@shows(TOPOLOGY)
def test_node_hints(site: Site, version: int) -> None:
    """Endpoints meant for this node are used, others are not, whatever zones are hinted at."""
    web = site.deploy(
        version, for_node(site, "a0", version, NODE_NAME, zone=FAR_ZONE),
        for_node(site, "b0", version, FAR_NAME, zone=ZONE), trafficDistribution="PreferSameNode",
    )  # fmt: skip
    site.answers(site.pod(1), web.ip, 80, "a0")


@shows(TOPOLOGY)
def test_no_endpoint_for_this_node(site: Site, version: int) -> None:
    """Where no hint names this node, its zone's endpoints are used; where none is of the zone, all."""
    web = site.deploy(
        version,
        for_node(site, "a0", version, "node-x", zone=ZONE),
        for_node(site, "b0", version, FAR_NAME, zone=FAR_ZONE),
    )
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.set_endpoints(for_node(site, "a0", version, "node-x"), for_node(site, "b0", version, FAR_NAME))
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])


@shows(TOPOLOGY)
def test_the_endpoint_that_was_meant_goes(site: Site, version: int) -> None:
    """When the endpoint that was meant for this node goes, the others take over at once."""
    web = site.deploy(
        version, for_node(site, "a0", version, NODE_NAME), for_node(site, "b0", version, FAR_NAME)
    )
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.set_endpoints(for_node(site, "b0", version, FAR_NAME))
    site.answers(site.pod(1), web.ip, 80, "b0")
    ending = for_node(site, "a0", version, NODE_NAME) | {
        "conditions": {"ready": False, "serving": True, "terminating": True}
    }
    web.set_endpoints(ending, for_node(site, "b0", version, FAR_NAME))
    site.answers(site.pod(1), web.ip, 80, "b0")


@shows(TOPOLOGY)
def test_the_node_moves_to_another_zone(site: Site, version: int, same_zone: None) -> None:
    """When the node's zone label changes, hints are judged anew."""
    web = site.deploy(version, for_zone(site, "a0", version, ZONE), for_zone(site, "b0", version, FAR_ZONE))
    site.answers(site.pod(1), web.ip, 80, "a0")
    site.registry.apply(site.node_object(zone=FAR_ZONE))
    site.answers(site.pod(1), web.ip, 80, "b0")
    site.registry.apply(site.node_object(zone=""))
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])


@shows(TOPOLOGY)
def test_the_local_list_knows_no_topology(site: Site, version: int) -> None:
    """internalTrafficPolicy Local takes the node's endpoints, for whatever zone they are meant."""
    web = site.deploy(
        version, for_zone(site, "a0", version, FAR_ZONE), for_zone(site, "b0", version, ZONE),
        internalTrafficPolicy="Local",
    )  # fmt: skip
    site.answers(site.pod(1), web.ip, 80, "a0")

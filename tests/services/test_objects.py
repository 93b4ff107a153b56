"""Which objects count, and how slices are joined with services."""

from __future__ import annotations

from typing import Any

from tests.services import objects
from tests.services.behaviours import shows
from tests.services.clients import DROPPED, REFUSED
from tests.services.objects import endpoint_slice, port, slice_port
from tests.services.site import TARGETS, Site, address_of

OBJECTS = "Which objects count"
PROXY_NAME = {"service.kubernetes.io/service-proxy-name": "another"}
HEADLESS = {"service.kubernetes.io/headless": ""}


def relabel(site: Site, made: Any, labels: dict[str, str]) -> None:
    made.body = made.body | {"metadata": made.body["metadata"] | {"labels": labels}}
    site.registry.apply(made.body)


@shows(OBJECTS)
def test_another_proxys_service_is_left_alone(site: Site, version: int) -> None:
    """A service with the label service-proxy-name belongs to another proxy; without it, to this one."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    relabel(site, web, PROXY_NAME)
    site.answers(site.pod(1), web.ip, 80, DROPPED)
    relabel(site, web, {})
    site.answers(site.pod(1), web.ip, 80, "a0")


@shows(OBJECTS)
def test_slices_with_the_headless_label_are_passed_over(site: Site, version: int) -> None:
    """A slice with the label headless gives a service no endpoints."""
    web = site.deploy(version, "a0")
    more = endpoint_slice(web.name, [site.endpoint("a1", version)], suffix="-headless", labels=HEADLESS)
    web.set_slice(more)
    marker = site.deploy(version, "a2")
    site.answers(site.pod(), marker.ip, 80, "a2")
    site.answers(site.pod(), web.ip, 80, "a0")


@shows(OBJECTS)
def test_endpoints_come_in_several_slices(site: Site, version: int) -> None:
    """The endpoints of all slices of a service count, whenever each of them comes and goes."""
    web = site.deploy(version, "a0")
    second = endpoint_slice(web.name, [site.endpoint("b1", version)], suffix="-2")
    web.set_slice(second)
    site.answers(site.pod(1), web.ip, 80, ["a0", "b1"])
    site.registry.delete(web.slices[0])
    site.answers(site.pod(1), web.ip, 80, "b1")


@shows(OBJECTS)
def test_several_addresses_and_ports_in_several_slices(site: Site, version: int) -> None:
    """A service without selector, with two ports, each in a slice of its own, answers on both."""
    web = site.deploy(
        version, "a0", ports=[port(80, 8080, name="http"), port(81, 8081, name="admin")],
        slice_ports=[slice_port(8080, "http")],
    )  # fmt: skip
    web.set_slice(
        endpoint_slice(web.name, [site.endpoint("b0", version)], [slice_port(8081, "admin")], suffix="-admin")
    )
    site.answers(site.pod(1), web.ip, 80, "a0")
    site.answers(site.pod(1), web.ip, 81, "b0")


@shows(OBJECTS)
def test_one_address_with_several_ports_in_several_slices(site: Site, version: int) -> None:
    """One address in two slices with different port numbers of the same name is two endpoints."""
    web = site.deploy(version, "a0", slice_ports=[slice_port(8080)])
    web.set_slice(endpoint_slice(web.name, [site.endpoint("a0", version)], [slice_port(8081)], suffix="-2"))
    site.settles(lambda: site.differs(site.ports_behind(site.pod(1), web.ip, 80), set(TARGETS)))


@shows(OBJECTS)
def test_the_same_endpoint_in_two_slices_is_one(site: Site, version: int) -> None:
    """An endpoint that is in two slices gets the share of one."""
    web = site.deploy(version, "a0", "a1")
    web.set_slice(endpoint_slice(web.name, [site.endpoint("a0", version)], suffix="-2"))
    marker = site.deploy(version, "a2")
    site.answers(site.pod(2), marker.ip, 80, "a2")
    found = site.answers(site.pod(2), web.ip, 80, ["a0", "a1"], count=400)
    assert abs(found["a0"] - 200) < 60, found  # six times its standard deviation; 267 if it were two


@shows(OBJECTS)
def test_an_endpoint_that_is_ready_in_one_slice_is_ready(site: Site, version: int) -> None:
    """An endpoint that one slice calls terminating and another ready is taken as ready."""
    web = site.deploy(
        version, site.endpoint("a0", version, ready=False, serving=True, terminating=True), "a1"
    )
    site.answers(site.pod(2), web.ip, 80, "a1")
    web.set_slice(endpoint_slice(web.name, [site.endpoint("a0", version)], suffix="-2"))
    site.answers(site.pod(2), web.ip, 80, ["a0", "a1"])


@shows(OBJECTS)
def test_a_port_without_a_number_is_passed_over(site: Site, version: int) -> None:
    """A slice's port without a number gives a service port no endpoints; its other ports work."""
    web = site.deploy(
        version, "a0", ports=[port(80, name="http"), port(81, name="admin")],
        slice_ports=[slice_port(8080, "http"), slice_port(None, "admin")],
    )  # fmt: skip
    site.answers(site.pod(1), web.ip, 80, "a0")
    site.answers(site.pod(1), web.ip, 81, REFUSED)


@shows(OBJECTS)
def test_endpoints_that_are_no_pods(site: Site, version: int) -> None:
    """An endpoint without a node, outside the cluster, is used like any other."""
    web = site.deploy(version, objects.endpoint(address_of("b", version), node=None))
    site.answers(site.pod(), web.ip, 80, "b")


@shows(OBJECTS)
def test_slices_of_names_are_passed_over(site: Site, version: int) -> None:
    """A slice of type FQDN is passed over; the others of its service work."""
    web = site.deploy(version, "a0")
    named = endpoint_slice(web.name, [], suffix="-fqdn")
    web.set_slice(named | {"addressType": "FQDN", "endpoints": [{"addresses": ["db.example.com"]}]})
    marker = site.deploy(version, "a1")
    site.answers(site.pod(2), marker.ip, 80, "a1")
    site.answers(site.pod(2), web.ip, 80, "a0")


@shows(OBJECTS)
def test_only_the_first_address_of_an_endpoint_is_used(site: Site, version: int) -> None:
    """Of an endpoint with several addresses the first is used."""
    both = site.endpoint("a0", version) | {"addresses": [address_of(one, version) for one in ("a0", "a1")]}
    web = site.deploy(version, both)
    site.answers(site.pod(2), web.ip, 80, "a0")


@shows(OBJECTS)
def test_headless_and_external_name_services_harm_nobody(site: Site, version: int) -> None:
    """Headless services and external names have no ClusterIP: nothing is programmed, others work."""
    site.deploy(version, "a1", cluster_ips=["None"])
    site.deploy(version, cluster_ips=[], type="ExternalName", externalName="db.example.com")
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")


@shows(OBJECTS)
def test_several_services_with_the_same_endpoints(site: Site, version: int) -> None:
    """Two services may have the same endpoints; one that goes leaves the other alone."""
    one, other = site.deploy(version, "a0", "b0"), site.deploy(version, "a0", "b0")
    for web in (one, other):
        site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])
    one.remove()
    site.answers(site.pod(1), one.ip, 80, DROPPED)
    site.answers(site.pod(1), other.ip, 80, ["a0", "b0"])


@shows(OBJECTS)
def test_services_come_and_go(site: Site, version: int) -> None:
    """A service that is deleted answers no more; one that is made again with its address does."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.remove()
    site.answers(site.pod(1), web.ip, 80, DROPPED)
    again = site.deploy(version, "b1", cluster_ips=[web.ip])
    site.answers(site.pod(1), again.ip, 80, "b1")


@shows(OBJECTS)
def test_the_address_of_a_service_goes_to_another(site: Site, version: int) -> None:
    """A ClusterIP that another service takes over is that service's from then on."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.remove()
    other = site.deploy(
        version, "a2", cluster_ips=[web.ip], ports=[port(443, 8081)], slice_ports=[slice_port(8081)]
    )
    site.answers(site.pod(1), other.ip, 443, "a2")
    site.answers(site.pod(1), other.ip, 80, REFUSED)

"""Conditions of endpoints: ready, serving, terminating."""

from __future__ import annotations

from tests.services.behaviours import shows
from tests.services.clients import REFUSED, Answer, exchange
from tests.services.objects import Json
from tests.services.places import node_address
from tests.services.site import Site

CONDITIONS = "Conditions of endpoints"


def unready(site: Site, who: str, version: int) -> Json:
    return site.endpoint(who, version, ready=False, serving=False)


def terminating(site: Site, who: str, version: int, *, serves: bool = True) -> Json:
    return site.endpoint(who, version, ready=False, serving=serves, terminating=True)


@shows(CONDITIONS)
def test_conditions_that_are_not_given(site: Site, version: int) -> None:
    """An endpoint of which nothing is said is ready."""
    web = site.deploy(version, site.endpoint("a0", version) | {"conditions": {}})
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.set_endpoints(
        {key: value for key, value in site.endpoint("a2", version).items() if key != "conditions"}
    )
    site.answers(site.pod(1), web.ip, 80, "a2")


@shows(CONDITIONS)
def test_endpoints_that_are_not_ready_get_nothing(site: Site, version: int) -> None:
    """An endpoint that is not ready gets nothing, until it is."""
    web = site.deploy(version, "a0", unready(site, "a1", version))
    site.answers(site.pod(2), web.ip, 80, "a0")
    web.set_endpoints("a0", "a1")
    site.answers(site.pod(2), web.ip, 80, ["a0", "a1"])
    web.set_endpoints(unready(site, "a0", version), "a1")
    site.answers(site.pod(2), web.ip, 80, "a1")


@shows(CONDITIONS)
def test_only_endpoints_that_are_not_ready(site: Site, version: int) -> None:
    """Where no endpoint is ready or terminating, clients are refused."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.set_endpoints(unready(site, "a0", version), terminating(site, "b0", version, serves=False))
    site.answers(site.pod(1), web.ip, 80, REFUSED)


@shows(CONDITIONS)
def test_terminating_endpoints_are_the_last_resort(site: Site, version: int) -> None:
    """Where no endpoint is ready, those that terminate and still serve are used; no longer than that."""
    web = site.deploy(version, "a0", terminating(site, "b0", version))
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.set_endpoints(
        terminating(site, "a0", version), terminating(site, "b0", version), unready(site, "a1", version)
    )
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])
    web.set_endpoints("a2", terminating(site, "b0", version))
    site.answers(site.pod(1), web.ip, 80, "a2")


@shows(CONDITIONS)
def test_terminating_fallback_with_internal_policy_local(site: Site, version: int) -> None:
    """internalTrafficPolicy Local: the node's own terminating endpoints are used, though others are ready."""
    web = site.deploy(version, "a0", "b0", internalTrafficPolicy="Local")
    site.answers(site.pod(1), web.ip, 80, "a0")
    web.set_endpoints(terminating(site, "a1", version), "b0")
    site.answers(site.pod(2), web.ip, 80, "a1")


@shows(CONDITIONS)
def test_terminating_fallback_with_external_policy_cluster(site: Site, version: int) -> None:
    """externalTrafficPolicy Cluster: terminating endpoints anywhere answer at NodePorts."""
    web = site.deploy(version, "a0", type="NodePort")
    site.answers(site.outside(version), node_address(version), web.node_port, "a0")
    web.set_endpoints(terminating(site, "a1", version), terminating(site, "b0", version))
    site.answers(site.outside(version), node_address(version), web.node_port, ["a1", "b0"])


@shows(CONDITIONS)
def test_terminating_fallback_with_external_policy_local(site: Site, version: int) -> None:
    """externalTrafficPolicy Local: the node's own terminating endpoints answer, though others are ready."""
    web = site.deploy(version, "a0", "b0", type="NodePort", externalTrafficPolicy="Local")
    outside, node = site.outside(version), node_address(version)
    site.answers(outside, node, web.node_port, "a0")
    web.set_endpoints(terminating(site, "a1", version), "b0")
    site.answers(outside, node, web.node_port, "a1")
    site.answers(site.host, web.ip, 80, "b0")  # the two lists are judged each by itself


@shows(CONDITIONS)
def test_publish_not_ready_addresses(site: Site, version: int) -> None:
    """publishNotReadyAddresses: the controller calls such endpoints ready, and they are used."""
    starting = site.endpoint("a0", version, ready=True, serving=False)
    ending = site.endpoint("a1", version, ready=True, serving=False, terminating=True)
    web = site.deploy(version, starting, ending, publishNotReadyAddresses=True)
    site.answers(site.pod(2), web.ip, 80, ["a0", "a1"])


@shows(CONDITIONS)
def test_running_connections_outlive_their_endpoints_entry(site: Site, version: int) -> None:
    """A TCP connection to an endpoint that has left the list goes on; new ones go elsewhere."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    with site.pod(1).open(version) as sock:
        sock.settimeout(2)
        sock.connect((web.ip, 80))
        assert exchange(sock).who == "a0"
        web.set_endpoints("b0")
        site.answers(site.pod(1), web.ip, 80, "b0")
        assert exchange(sock).who == "a0"
        web.set_endpoints()
        site.answers(site.pod(1), web.ip, 80, REFUSED)
        assert exchange(sock).who == "a0"
        web.remove()
        assert exchange(sock).who == "a0"


@shows(CONDITIONS)
def test_no_request_fails_while_endpoints_are_exchanged(site: Site, version: int) -> None:
    """Endpoints that are exchanged for others, one after another, cost not one request."""
    turns = [("a0", "a1"), ("a1", "b0"), ("b0", "b1"), ("b1", "a2"), ("a2", "a0")]
    web = site.deploy(version, *turns[0])
    site.answers(site.pod(3), web.ip, 80, turns[0])
    wrong: list[Answer] = []
    for pair in turns * 2:
        web.set_endpoints(*pair)

        def look(pair: tuple[str, str] = pair) -> str:
            found = site.pod(3).ask(web.ip, 80, count=16, patience=2)
            wrong.extend(one for one in found if one.who not in {who for turn in turns for who in turn})
            return "" if {one.who for one in found} == set(pair) else f"{pair}"

        site.settles(look)
    assert not wrong, wrong

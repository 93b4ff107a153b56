"""Errors that are told at once, restarts, and what kube-proxy does not do."""

from __future__ import annotations

import pytest

from tests.overlay.machines import run
from tests.services.behaviours import shows
from tests.services.clients import DROPPED, REFUSED, exchange
from tests.services.objects import port, service_cidr, slice_port
from tests.services.places import node_address
from tests.services.servers import TCP, UDP
from tests.services.site import Site, address_of

TROUBLE = "Trouble"
BEYOND = "Beyond kube-proxy"
DAMAGES = (
    "delete table inet podwire_services",
    "flush table inet podwire_services",
    "flush map inet podwire_services services4\nflush map inet podwire_services services6",
)
ECHO = {4: ("ping", "-4"), 6: ("ping", "-6")}


@shows(TROUBLE)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_other_ports_of_a_cluster_ip_refuse(site: Site, version: int, protocol: str) -> None:
    """A port that a live ClusterIP does not have refuses at once."""
    web = site.deploy(version, "a0", ports=[port(80, 8080), port(80, 8080, "UDP", name="u")],
                      slice_ports=[slice_port(8080), slice_port(8080, "u", "UDP")])  # fmt: skip
    site.answers(site.pod(1), web.ip, 80, "a0", protocol)
    for client in (site.pod(1), site.host, site.outside(version)):
        site.answers(client, web.ip, 81, REFUSED, protocol)


@shows(TROUBLE)
def test_cluster_ips_nobody_has_are_dropped(site: Site, version: int) -> None:
    """An address of the service ranges that no service has is dropped: it never leaves the node."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    nobody = site.new_ip(version)
    for client in (site.pod(1), site.host, site.outside(version)):
        assert client.one(nobody, 80).who == DROPPED


@shows(TROUBLE)
def test_a_new_service_range(site: Site) -> None:
    """A ServiceCIDR that is added counts at once, and no more when it goes."""
    more = service_cidr("second", ["10.99.0.0/16"])
    site.keep(more)
    site.settles(lambda: "" if "10.99.0.0/16" in site.nft("service_cidrs4", "set") else "unknown")
    assert site.pod(1).one("10.99.0.9", 80).who == DROPPED
    web = site.deploy(4, "a0", cluster_ips=["10.99.1.1"])
    site.answers(site.pod(1), web.ip, 80, "a0")
    site.registry.delete(more)
    site.settles(lambda: "" if "10.99.0.0/16" not in site.nft("service_cidrs4", "set") else "still there")


@shows(TROUBLE)
def test_the_proxy_is_killed_and_started_again(site: Site, version: int) -> None:
    """While the proxy is away everything goes on; after its start it knows what has changed meanwhile."""
    web, gone = site.deploy(version, "a0", "b0"), site.deploy(version, "a1")
    site.answers(site.pod(2), web.ip, 80, ["a0", "b0"])
    site.answers(site.pod(2), gone.ip, 80, "a1")
    with site.pod(2).open(version) as sock:
        sock.settimeout(2)
        sock.connect((web.ip, 80))
        who = exchange(sock).who
        site.kill_proxy()
        assert set(site.pod(2).who(web.ip, 80, count=24)) == {"a0", "b0"}
        web.set_endpoints("a0", "a1")
        gone.remove()
        assert set(site.pod(2).who(web.ip, 80, count=24)) == {"a0", "b0"}
        site.start_proxy()
        site.answers(site.pod(2), web.ip, 80, ["a0", "a1"])
        site.answers(site.pod(2), gone.ip, 80, DROPPED)
        assert exchange(sock).who == who


@shows(TROUBLE)
@pytest.mark.parametrize("damage", DAMAGES, ids=["table", "rules", "maps"])
def test_rules_that_somebody_destroyed(site: Site, version: int, damage: str) -> None:
    """Rules that somebody else deletes or flushes are made again, by themselves, and soon."""
    web = site.deploy(version, "a0", "b0")
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])
    run("ip", "netns", "exec", site.places.node, "nft", "-f", "-", text=damage + "\n")
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])


@shows(TROUBLE)
def test_objects_that_make_no_sense_harm_nobody(site: Site, version: int) -> None:
    """Objects that are wrong are refused each by itself; the good ones beside them work."""
    web = site.deploy(version, "a0")
    bad = site.deploy(version, "a1", ports=[port(70000)])
    wrong = site.deploy(version, "a1", cluster_ips=["10.96.0.300"])
    half = site.deploy(version, "a1", {"addresses": ["not an address"], "conditions": {}})
    site.answers(site.pod(2), half.ip, 80, "a1")
    site.answers(site.pod(2), web.ip, 80, "a0")
    assert bad.ip not in site.nft(f"services{version}")
    assert wrong.name


@shows(TROUBLE)
def test_two_services_claim_one_address(site: Site, version: int) -> None:
    """An address and port that two services claim is the first one's; when it goes, the other's."""
    first = site.deploy(version, "a0", name=f"aa-{site.new_node_port()}")
    site.answers(site.pod(1), first.ip, 80, "a0")
    second = site.deploy(version, "b0", name=f"bb-{site.new_node_port()}", cluster_ips=[first.ip])
    marker = site.deploy(version, "a2")
    site.answers(site.pod(1), marker.ip, 80, "a2")
    site.answers(site.pod(1), first.ip, 80, "a0")
    first.remove()
    site.answers(site.pod(1), second.ip, 80, "b0")


@shows(BEYOND)
def test_ping_a_cluster_ip(site: Site, version: int) -> None:
    """A live ClusterIP answers ping, to pods and to the node; one that nobody has does not."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    for netns in (site.places.pods[1], site.places.node):
        run("ip", "netns", "exec", netns, *ECHO[version], "-c", "1", "-W", "2", web.ip)
    nobody = (
        "ip",
        "netns",
        "exec",
        site.places.pods[1],
        *ECHO[version],
        "-c",
        "1",
        "-W",
        "1",
        site.new_ip(version),
    )
    with pytest.raises(AssertionError):
        run(*nobody)


@shows(BEYOND)
def test_weights(site: Site, version: int) -> None:
    """Weights by annotation: an endpoint of weight 3 gets three times as much; weight 0 nothing new."""
    web = site.deploy(version, "a0", "b0")
    site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])
    web.annotate(weights=f"{address_of('a0', version)}=3")
    site.settles(lambda: "" if site.pod(1).who(web.ip, 80, count=200)["a0"] > 125 else "even")
    found = site.pod(1).who(web.ip, 80, count=800)
    assert abs(found["a0"] - 600) < 75, found  # six times its standard deviation
    web.annotate(weights=f"{address_of('a0', version)}=0")
    site.answers(site.pod(1), web.ip, 80, "b0")


@shows(BEYOND)
def test_drain(site: Site, version: int) -> None:
    """Drain by annotation: an endpoint gets nothing new, its running connections go on."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")
    with site.pod(1).open(version) as sock:
        sock.settimeout(2)
        sock.connect((web.ip, 80))
        web.set_endpoints("a0", "b0")
        web.annotate(drain=address_of("a0", version))
        site.answers(site.pod(1), web.ip, 80, "b0")
        assert exchange(sock).who == "a0"
        web.annotate(drain=None)
        site.answers(site.pod(1), web.ip, 80, ["a0", "b0"])


@shows(BEYOND)
def test_consistent_hashing(site: Site, version: int) -> None:
    """Maglev by annotation: a client keeps its endpoint, and few move when another one goes."""
    web = site.deploy(
        version,
        "a0",
        "a1",
        "b0",
        "b1",
        type="NodePort",
        annotations={"podwire.io/algorithm": "maglev-source"},
    )
    node, clients = node_address(version), [site.outside(version, index) for index in range(10)]

    def answering() -> dict[int, set[str]]:
        return {n: set(one.who(node, web.node_port, count=6)) for n, one in enumerate(clients)}

    site.settles(
        lambda: (
            ""
            if all(len(one) == 1 and one <= {"a0", "a1", "b0", "b1"} for one in answering().values())
            else "moves"
        )
    )
    before = answering()
    assert len(set().union(*before.values())) > 1, before
    web.set_endpoints("a0", "a1", "b0")
    site.settles(lambda: "" if not any("b1" in one for one in answering().values()) else "b1 still answers")
    after = answering()
    stayed = [n for n in before if before[n] != {"b1"} and before[n] == after[n]]
    others = [n for n in before if before[n] != {"b1"}]
    assert len(stayed) >= len(others) - 2, (before, after)


@shows(BEYOND)
def test_counters_of_services(site: Site, version: int) -> None:
    """Each front end counts the connections it has taken."""
    web = site.deploy(version, "a0")
    site.answers(site.pod(1), web.ip, 80, "a0")

    def counted() -> int:
        line = next(
            one for one in site.nft(f"services{version}").splitlines() if f"{web.ip} . tcp . 80 " in one
        )
        words = line.split(f"{web.ip} . tcp . 80 ")[1].split()
        return int(words[words.index("packets") + 1])

    before = counted()
    assert set(site.pod(1).who(web.ip, 80, count=10)) == {"a0"}
    assert counted() == before + 10

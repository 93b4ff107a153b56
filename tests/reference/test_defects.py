"""Defects of the reference plugins: each scenario passes with ours and fails with theirs.

Both are run as executables, by the same steps. That theirs still fails is asserted, too: a scenario that no
longer tells the two apart says nothing. The numbers are those of Debian 12's package (1.1.1).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.calls import REFERENCE_PLUGINS, Container, Json, run
from tests.ways import FOLDER

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(
        not (REFERENCE_PLUGINS / "bridge").exists(), reason="containernetworking-plugins is missing"
    ),
]

IPAM = {"type": "host-local", "subnet": "10.85.0.0/24"}
BRIDGE: Json = {"type": "bridge", "bridge": "pod0", "isGateway": True, "ipMasq": True, "ipMasqBackend": "iptables", "ipam": IPAM}  # fmt: skip # noqa: E501
PROBES = 30  # for IPv6 addresses that others may have (RFC 4862 section 5.1)
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


@dataclass
class Executables:
    """The plugins of one directory, run as a runtime would."""

    folder: Path

    def call(self, verb: str, body: Json, one: Container, netns: str | None = None) -> Json | None:
        """Run a plugin; return its result ({} for nothing), None if it failed."""
        config = {"cniVersion": "1.0.0", "name": "net1", **body}
        variables = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": one.name,
            "CNI_IFNAME": one.ifname,
            "CNI_NETNS": one.netns if netns is None else netns,
            "CNI_PATH": str(self.folder),
            "PATH": os.environ["PATH"],
            "PODWIRE_AGENT": "running" if FOLDER in os.environ else "never",
        }
        command = [self.folder / config["type"]]
        done = subprocess.run(command, input=json.dumps(config).encode(), env=variables, capture_output=True, check=False)  # fmt: skip # noqa: E501
        if done.returncode != 0:
            return None
        result: Json = json.loads(done.stdout or "{}")
        return result

    def add(self, body: Json, one: Container, netns: str | None = None) -> Json:
        """ADD, which must succeed."""
        result = self.call("ADD", body, one, netns)
        assert result is not None
        return result


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Executables:
    """Install our plugins."""
    folder = tmp_path_factory.mktemp("plugins")
    run([sys.executable, "-m", "podwire", "install", "--to", str(folder)])
    return Executables(folder)


@pytest.fixture
def container(host: None) -> Iterator[Container]:
    """Make a namespace."""
    run(["ip", "netns", "add", "one"])
    yield Container("one")
    run(["sh", "-c", "ip netns del one 2>/dev/null || true"])


def l2_bridge_passes_check(p: Executables, one: Container) -> bool:
    body = {"type": "bridge", "bridge": "pod0"}
    return p.call("CHECK", body | {"prevResult": p.add(body, one)}, one) is not None


def check_sees_masquerading_gone(p: Executables, one: Container) -> bool:
    result = p.add(BRIDGE, one)
    run(["iptables", "-t", "nat", "-F"])
    return p.call("CHECK", BRIDGE | {"prevResult": result}, one) is None


def check_sees_hairpin_gone(p: Executables, one: Container) -> bool:
    body = BRIDGE | {"hairpinMode": True}
    result = p.add(body, one)
    run(["bridge", "link", "set", "dev", result["interfaces"][1]["name"], "hairpin", "off"])
    return p.call("CHECK", body | {"prevResult": result}, one) is None


def check_sees_forwarding_gone(p: Executables, one: Container) -> bool:
    result = p.add(BRIDGE, one)
    run(["sysctl", "-qw", "net.ipv4.ip_forward=0"])
    return p.call("CHECK", BRIDGE | {"prevResult": result}, one) is None


def check_sees_the_gateway_gone(p: Executables, one: Container) -> bool:
    result = p.add(BRIDGE, one)
    run(["ip", "addr", "flush", "dev", "pod0"])
    return p.call("CHECK", BRIDGE | {"prevResult": result}, one) is None


def del_without_namespace_removes_masquerading(p: Executables, one: Container) -> bool:
    result = p.add(BRIDGE, one)
    assert p.call("DEL", BRIDGE | {"prevResult": result}, one, netns="") is not None
    return "10.85.0.2" not in run(["iptables-save", "-t", "nat"])


def a_second_interface_keeps_the_firsts_masquerading(p: Executables, one: Container) -> bool:
    second = Container(one.name, "eth1")
    p.add(BRIDGE, one)
    p.add(BRIDGE, second)
    gone = p.call("DEL", BRIDGE, second) is not None
    return gone and "-s 10.85.0.2" in run(["iptables-save", "-t", "nat"])


def a_failed_add_leaves_no_veth(p: Executables, one: Container) -> bool:
    body = BRIDGE | {"ipam": {"type": "host-local", "subnet": "10.85.0.0/24", "rangeStart": "192.0.2.1"}}
    assert p.call("ADD", body, one) is None
    return "veth" not in run(["ip", "link"]) and "eth0" not in one.run("ip", "link")


def one_document_for_the_plugins_own_namespace(p: Executables, one: Container) -> bool:
    config = json.dumps({"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}).encode()
    variables = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "x", "CNI_IFNAME": "lo", "CNI_PATH": "/x"}
    variables |= {"CNI_NETNS": "/proc/self/ns/net", "PODWIRE_AGENT": "never"}
    done = subprocess.run(
        [p.folder / "loopback"], input=config, env=variables, capture_output=True, check=False
    )
    try:
        return done.returncode != 0 and "code" in json.loads(done.stdout)
    except ValueError:
        return False


def errors_carry_a_version(p: Executables, one: Container) -> bool:
    variables = {"CNI_COMMAND": "ADD", "CNI_PATH": "/x", "PODWIRE_AGENT": "never"}
    done = subprocess.run([p.folder / "bridge"], input=b"{}", env=variables, capture_output=True, check=False)
    return "cniVersion" in json.loads(done.stdout)


def a_gateway_outside_its_subnet_is_refused(p: Executables, one: Container) -> bool:
    ipam = IPAM | {"gateway": "192.0.2.1"}
    return p.call("ADD", {"type": "host-local", "ipam": ipam}, one) is None


def an_empty_reservation_is_not_lost(p: Executables, one: Container) -> bool:
    ipam = {"type": "host-local", "subnet": "10.85.0.0/30"}  # one address beside the gateway
    folder = Path("/var/lib/cni/networks/net1")
    folder.mkdir(parents=True)
    (folder / "10.85.0.2").touch()
    return p.call("ADD", {"type": "host-local", "ipam": ipam}, one) is not None


def check_sees_another_address(p: Executables, one: Container) -> bool:
    body = {"type": "host-local", "ipam": IPAM}
    result = p.add(body, one)
    folder = Path("/var/lib/cni/networks/net1")
    (folder / "10.85.0.2").rename(folder / "10.85.0.77")
    return p.call("CHECK", body | {"prevResult": result}, one) is None


def static_check_sees_an_absent_address(p: Executables, one: Container) -> bool:
    body = {"type": "static", "ipam": {"type": "static", "addresses": [{"address": "10.85.0.5/24"}]}}
    result = p.add(body, one) | {"ips": [{"address": "10.85.0.6/24"}]}
    return p.call("CHECK", body | {"prevResult": result}, one) is None


def a_slash_31_is_a_pool(p: Executables, one: Container) -> bool:
    ipam = {"type": "host-local", "subnet": "10.85.0.0/31"}
    return p.call("ADD", {"type": "host-local", "ipam": ipam}, one) is not None


def bandwidth_check_sees_the_shaper_gone(p: Executables, one: Container) -> bool:
    body = {"type": "bandwidth", "ingressRate": 10**6, "ingressBurst": 10**6}
    result = p.add(BRIDGE, one)
    shaped = p.add(body | {"prevResult": result}, one)
    run(["tc", "qdisc", "del", "dev", result["interfaces"][1]["name"], "root"])
    return p.call("CHECK", body | {"prevResult": shaped}, one) is None


def bandwidth_shapes_a_second_interface(p: Executables, one: Container) -> bool:
    body = {"type": "bandwidth", "egressRate": 10**6, "egressBurst": 10**6}
    second = Container(one.name, "eth1")
    p.add(body | {"prevResult": p.add(BRIDGE, one)}, one)
    return p.call("ADD", body | {"prevResult": p.add(BRIDGE, second)}, second) is not None


def tuning_takes_sysctls_from_args_alone(p: Executables, one: Container) -> bool:
    args = {"cni": {"sysctl": {"net.core.somaxconn": "99"}}}
    result = p.add(BRIDGE, one)
    return p.call("ADD", {"type": "tuning", "args": args, "prevResult": result}, one) is not None


def firewall_check_makes_no_chain(p: Executables, one: Container) -> bool:
    result = p.add(BRIDGE | {"ipMasq": False}, one)
    p.call("CHECK", {"type": "firewall", "backend": "iptables", "prevResult": result}, one)
    return "CNI-" not in run(["iptables-save", "-t", "filter"])


def firewall_del_needs_no_result(p: Executables, one: Container) -> bool:
    body = {"type": "firewall", "backend": "iptables"}
    p.add(body | {"prevResult": p.add(BRIDGE, one)}, one)
    assert p.call("DEL", body, one) is not None
    return "10.85.0.2" not in run(["iptables-save", "-t", "filter"])


def portmap_del_needs_no_mappings(p: Executables, one: Container) -> bool:
    body = {"type": "portmap"}
    p.add(body | {"runtimeConfig": PORTS, "prevResult": p.add(BRIDGE, one)}, one)
    assert p.call("DEL", body, one) is not None
    rules = run(["iptables-save", "-t", "nat"]) + run(["nft", "list", "ruleset"])
    return "8080" not in rules


def a_taken_host_port_is_refused(p: Executables, one: Container) -> bool:
    body = {"type": "portmap", "runtimeConfig": PORTS}
    second = Container(one.name, "eth1")
    p.add(body | {"prevResult": p.add(BRIDGE, one)}, one)
    result = p.add(BRIDGE, second)
    other = Container("other", "eth1")
    return p.call("ADD", body | {"prevResult": result}, other, netns=one.netns) is None


def ipv6_is_usable_at_once(p: Executables, one: Container) -> bool:
    ranges = [[{"subnet": "10.85.0.0/24"}], [{"subnet": "fd85::/64"}]]
    one.run("sysctl", "-qw", f"net.ipv6.conf.default.dad_transmits={PROBES}")
    made = p.call("ADD", {"type": "ptp", "ipam": {"type": "host-local", "ranges": ranges}}, one)
    # theirs waits for detection, a second for each probe, and gives up after ten
    return made is not None and "tentative" not in one.run("ip", "-6", "address", "show", "dev", "eth0")


SCENARIOS: tuple[Callable[[Executables, Container], bool], ...] = (
    l2_bridge_passes_check,
    check_sees_masquerading_gone,
    check_sees_hairpin_gone,
    check_sees_forwarding_gone,
    check_sees_the_gateway_gone,
    del_without_namespace_removes_masquerading,
    a_second_interface_keeps_the_firsts_masquerading,
    a_failed_add_leaves_no_veth,
    one_document_for_the_plugins_own_namespace,
    errors_carry_a_version,
    a_gateway_outside_its_subnet_is_refused,
    an_empty_reservation_is_not_lost,
    check_sees_another_address,
    static_check_sees_an_absent_address,
    a_slash_31_is_a_pool,
    bandwidth_check_sees_the_shaper_gone,
    bandwidth_shapes_a_second_interface,
    tuning_takes_sysctls_from_args_alone,
    firewall_check_makes_no_chain,
    firewall_del_needs_no_result,
    portmap_del_needs_no_mappings,
    a_taken_host_port_is_refused,
    ipv6_is_usable_at_once,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_ours_passes(scenario: Callable[[Executables, Container], bool], ours: Executables, container: Container) -> None:  # fmt: skip # noqa: E501
    assert scenario(ours, container)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_the_reference_does_not(
    scenario: Callable[[Executables, Container], bool], container: Container
) -> None:
    assert not scenario(Executables(REFERENCE_PLUGINS), container)

"""A cluster's services in a catalogue, a DNS server in a network namespace, and dig, which judges it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

from linuxnet.netns import inside
from linuxnet.scratch import open_scratch_netns
from service_proxy.catalogue import Catalogue, Changed, Kind, Listed
from service_proxy.dns.node_dns import DnsOptions, NodeDns
from service_proxy.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Namespace,
    Node,
    Pod,
    Service,
    ServiceName,
    ServicePort,
    ServiceType,
    SliceName,
)

ASKED = (Kind.SERVICE, Kind.SLICE, Kind.POD, Kind.NAMESPACE)
DEADLINE = 60.0  # seconds; what is waited for takes milliseconds
V4, V6 = "127.0.0.1", "::1"
HTTP = ServicePort("http", "tcp", 80)
HTTP_8080 = (EndpointPort("http", "tcp", 8080),)

# status, flags, counts and sections as dig prints them
_HEADER = re.compile(r"status: (\w+), id: \d+\n;; flags:([a-z ]*);")


@dataclass(frozen=True)
class Said:
    """What dig says of an answer. Records are `owner ttl class type data`, with one blank between."""

    status: str = "no answer"
    flags: tuple[str, ...] = ()
    sections: dict[str, list[str]] = field(default_factory=dict)
    text: str = ""

    @property
    def answer(self) -> list[str]:
        """The answers without their TTL and class."""
        return sorted(_short(line) for line in self.sections.get("ANSWER", []))

    @property
    def additional(self) -> list[str]:
        """The additional records, likewise."""
        return sorted(_short(line) for line in self.sections.get("ADDITIONAL", []))

    @property
    def authority(self) -> list[str]:
        """The authority records, whole."""
        return self.sections.get("AUTHORITY", [])


def _short(line: str) -> str:
    owner, _ttl, _class, kind, data = line.split(" ", 4)
    return f"{owner} {kind} {data}"


def read_dig(text: str) -> Said:
    """Read dig's output."""
    header = _HEADER.search(text)
    if header is None:
        return Said(text=text)
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if line.startswith(";; ") and line.endswith(" SECTION:"):
            current = sections.setdefault(line.split()[1], [])
        elif line and not line.startswith(";"):
            current.append(" ".join(line.split()))
    return Said(header[1], tuple(header[2].split()), sections, text)


def packed(*texts: str) -> tuple[bytes, ...]:
    """Return addresses as the model has them."""
    return tuple(ip_address(one).packed for one in texts)


def endpoint(
    address: str, hostname: str = "", *, is_ready: bool = True, node: str = "", zone: str = ""
) -> Endpoint:
    """Return an endpoint."""
    return Endpoint(ip_address(address).packed, is_ready=is_ready, hostname=hostname, node=node, zone=zone)


def slice_of(
    service: ServiceName, *endpoints: Endpoint, ports: tuple[EndpointPort, ...] = HTTP_8080
) -> EndpointSlice:
    """Return a slice; its family is its first endpoint's."""
    family = 4 if len(endpoints[0].address) == 4 else 6
    name = SliceName(service.namespace, f"{service.name}-{family}")
    return EndpointSlice(name, service, family, ports, endpoints)


def cluster() -> tuple[list[Service], list[EndpointSlice]]:
    """Return the services that the golden table is asked of."""

    def name(text: str) -> ServiceName:
        return ServiceName("default", text)

    services = [
        Service(name("web"), ports=(HTTP,), cluster_ips=packed("10.96.0.10")),
        Service(
            name("dual"), ports=(HTTP,), cluster_ips=packed("10.96.0.11", "fd00:96::11"), families=(4, 6)
        ),
        Service(name("two"), ports=(HTTP, ServicePort("dns", "udp", 53)), cluster_ips=packed("10.96.0.12")),
        Service(name("unnamed"), ports=(ServicePort("", "tcp", 99),), cluster_ips=packed("10.96.0.13")),
        Service(name("1st"), ports=(HTTP,), cluster_ips=packed("10.96.0.14")),
        Service(name("headless"), ports=(HTTP,), is_headless=True),
        Service(name("empty"), ports=(HTTP,), is_headless=True),
        Service(name("asleep"), ports=(HTTP,), is_headless=True),
        Service(name("eager"), ports=(HTTP,), is_headless=True, publishes_not_ready=True),
        Service(name("portless"), is_headless=True),
        Service(name("many"), ports=(HTTP,), is_headless=True),
        Service(name("outside"), type=ServiceType.EXTERNAL_NAME, external_name="www.example.com"),
        Service(
            name("inside"), type=ServiceType.EXTERNAL_NAME, external_name="web.default.svc.cluster.local"
        ),
        Service(
            name("twice"), type=ServiceType.EXTERNAL_NAME, external_name="inside.default.svc.cluster.local."
        ),
        Service(
            name("circle"), type=ServiceType.EXTERNAL_NAME, external_name="circle.default.svc.cluster.local"
        ),
        Service(name("number"), type=ServiceType.EXTERNAL_NAME, external_name="192.0.2.1"),
        Service(ServiceName("other", "web"), ports=(HTTP,), cluster_ips=packed("10.96.0.20")),
    ]
    slices = [
        slice_of(name("web"), endpoint("10.244.1.5"), endpoint("10.244.2.5")),
        slice_of(
            name("headless"),
            endpoint("10.244.1.6"),
            endpoint("10.244.1.7", "db-0"),
            endpoint("10.244.1.8", "db-1", is_ready=False),
        ),
        slice_of(name("headless"), endpoint("fd00:244::6", "db-2")),
        slice_of(name("asleep"), endpoint("10.244.3.1", is_ready=False)),
        slice_of(name("eager"), endpoint("10.244.3.2", "slow", is_ready=False)),
        slice_of(name("portless"), endpoint("10.244.3.3"), ports=()),
        slice_of(name("many"), *(endpoint(f"10.244.9.{one}") for one in range(1, 101))),
        slice_of(ServiceName("other", "web"), endpoint("10.244.1.5"), endpoint("10.244.1.7")),
    ]  # fmt: skip
    return services, slices


@dataclass
class World:
    """A server, in a namespace of its own."""

    catalogue: Catalogue
    dns: NodeDns
    netns: int

    def dig(self, *words: str, at: str = V4) -> Said:
        """Ask with dig; `words` are its own."""
        return read_dig(self.run("dig", f"@{at}", "+noall", "+comments", "+question", "+answer", "+authority",
                                 "+additional", "+time=6", "+tries=1", *words))  # fmt: skip

    def run(self, *command: str) -> str:
        """Run a program beside the server; return what it prints, whatever its status."""
        with inside(self.netns):
            done = subprocess.run(command, capture_output=True, text=True, check=False,
                                  env={"LC_ALL": "C", "PATH": os.environ["PATH"]})  # fmt: skip
        return done.stdout + done.stderr

    def change(self, kind: Kind, value: Service | EndpointSlice | Pod | Namespace | Node) -> None:
        """Tell the catalogue of an object."""
        self.catalogue.take(Changed(kind, value.name, value))

    def wait_for(self, wanted: list[str], *words: str) -> Said:
        """Ask until the answers are these."""
        deadline = time.monotonic() + DEADLINE
        while (said := self.dig(*words)).answer != wanted:
            assert time.monotonic() < deadline, said.text
        return said


def list_all(catalogue: Catalogue, services: list[Service], slices: list[EndpointSlice]) -> None:
    """Tell a catalogue of everything there is."""
    namespaces = [Namespace("default"), Namespace("other"), Namespace("bare")]
    catalogue.take(Listed(Kind.NAMESPACE, {one.name: one for one in namespaces}))
    catalogue.take(Listed(Kind.POD, {}))
    catalogue.take(Listed(Kind.SLICE, {one.name: one for one in slices}))
    catalogue.take(Listed(Kind.SERVICE, {one.name: one for one in services}))


@contextmanager
def world(options: DnsOptions | None = None, *, is_told: bool = True, node: str = "") -> Iterator[World]:
    """Start a server for the cluster; it is gone afterwards."""
    assert shutil.which("dig"), "dig is missing: apt-get install bind9-dnsutils"
    catalogue, netns = Catalogue(node, ASKED), open_scratch_netns()
    try:
        with inside(netns):
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            dns = NodeDns(catalogue, options or DnsOptions(addresses=packed(V4, V6)))
            try:
                dns.start()
                if is_told:
                    list_all(catalogue, *cluster())
                yield World(catalogue, dns, netns)
            finally:
                dns.close()
    finally:
        os.close(netns)

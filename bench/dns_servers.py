"""Who answers in `bench dns`: ours, CoreDNS where it is found, and unbound; each with the same names.

Ours is the node's DNS as the agent has it: a catalogue, and a process that is told of it. The others read the
names from their own files, and follow nobody: unbound its local data, CoreDNS a zone file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.overlay_world import Box
from linuxnet.netns import inside
from service_proxy.catalogue import Catalogue, Kind, Listed, Value
from service_proxy.catalogue import Key as CatalogueKey
from service_proxy.dns.node_dns import DnsOptions, NodeDns
from service_proxy.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Service,
    ServiceName,
    ServicePort,
    SliceName,
)

ADDRESS = "127.0.0.1"
SERVICES, ENDPOINTS = 10_000, 10  # endpoints of each
SERVER_CORE = 0
START = 30.0  # seconds; unbound is there after 0.2
ORIGIN = "default.svc.cluster.local"
PORTS = {"ours": 5301, "unbound": 5302, "CoreDNS": 5303}
UNBOUND = """server:
 interface: {address}@{port}
 username: ""
 chroot: ""
 directory: "{folder}"
 pidfile: ""
 use-syslog: no
 num-threads: 1
 do-daemonize: no
 module-config: "iterator"
 access-control: 127.0.0.0/8 allow
 minimal-responses: yes
 local-zone: "cluster.local." static
"""
ZONE = """$ORIGIN cluster.local.
@ 30 IN SOA ns.dns hostmaster 1 7200 1800 86400 30
@ 30 IN NS ns.dns
ns.dns 30 IN A 10.96.0.1
"""
COREFILE = """cluster.local:{port} {{
 bind {address}
 file {folder}/zone cluster.local
}}
"""


@dataclass(frozen=True)
class Contender:
    """A server that answers now."""

    name: str
    pid: int

    @property
    def port(self) -> int:
        """Where it listens."""
        return PORTS[self.name]

    @property
    def busy(self) -> float:
        """The seconds of a core that it has used."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> float:
        """What it has in memory that is its own and others' (RSS), in MiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"{self.name} has ended")


def name_of(number: int) -> str:
    """Return a service's name."""
    return f"service-{number}.{ORIGIN}"


def fill(catalogue: Catalogue) -> None:
    """Tell a catalogue of all services."""
    services: dict[CatalogueKey, Value] = {}
    slices: dict[CatalogueKey, Value] = {}
    for number in range(SERVICES):
        name = ServiceName("default", f"service-{number}")
        services[name] = Service(
            name, ports=(ServicePort("http", "tcp", 80),), cluster_ips=(_address(0x0A600000, number),)
        )
        ends = (_address(0x0AF40000, number * ENDPOINTS + one) for one in range(ENDPOINTS))
        one = SliceName("default", f"service-{number}-1")
        ports = (EndpointPort("http", "tcp", 8080),)
        slices[one] = EndpointSlice(one, name, 4, ports, tuple(Endpoint(end) for end in ends))
    catalogue.take(Listed(Kind.SLICE, slices))
    catalogue.take(Listed(Kind.SERVICE, services))


@contextmanager
def ours(box: Box) -> Iterator[Contender]:
    """Start ours."""
    catalogue = Catalogue()
    fill(catalogue)
    with inside(box.netns):
        dns = NodeDns(catalogue, DnsOptions(port=PORTS["ours"]))
    try:
        dns.start()
        (worker,) = dns.workers
        os.sched_setaffinity(worker.pid, {SERVER_CORE})
        yield _answering(box, Contender("ours", worker.pid))
    finally:
        dns.close()


@contextmanager
def unbound(box: Box, folder: Path) -> Iterator[Contender]:
    """Start unbound on its local data."""
    config = folder / "unbound.conf"
    data = (f' local-data: "{name_of(one)}. 30 A {_text(one)}"' for one in range(SERVICES))
    head = UNBOUND.format(address=ADDRESS, port=PORTS["unbound"], folder=folder)
    config.write_text(head + "\n".join(data) + "\n")
    with _process(box, "unbound", ["unbound", "-d", "-c", str(config)]) as one:
        yield one


@contextmanager
def coredns(box: Box, folder: Path, program: str) -> Iterator[Contender]:
    """Start CoreDNS on a zone file: what its `file` plugin does is less than its `kubernetes` plugin."""
    names = (f"{name_of(one)}. 30 IN A {_text(one)}" for one in range(SERVICES))
    (folder / "zone").write_text(ZONE + "\n".join(names) + "\n")
    corefile = folder / "Corefile"
    corefile.write_text(COREFILE.format(address=ADDRESS, port=PORTS["CoreDNS"], folder=folder))
    with _process(box, "CoreDNS", [program, "-conf", str(corefile)]) as one:
        yield one


def find_coredns() -> str | None:
    """Return CoreDNS' program, if there is one: COREDNS, or on PATH."""
    return os.environ.get("COREDNS") or shutil.which("coredns")


@contextmanager
def _process(box: Box, name: str, command: list[str]) -> Iterator[Contender]:
    process = box.start(["env", "GOMAXPROCS=1", "taskset", "-c", str(SERVER_CORE), *command])
    try:
        yield _answering(box, Contender(name, process.pid))
    finally:
        process.terminate()
        process.wait()


def _answering(box: Box, one: Contender) -> Contender:
    deadline = time.monotonic() + START
    command = [
        "dig",
        f"@{ADDRESS}",
        "-p",
        str(one.port),
        name_of(SERVICES - 1),
        "A",
        "+short",
        "+time=1",
        "+tries=1",
    ]
    while True:
        with inside(box.netns):
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if said.strip() == _text(SERVICES - 1):
            return one
        if time.monotonic() > deadline:
            raise RuntimeError(f"{one.name} does not answer: {said}")


def _address(first: int, number: int) -> bytes:
    return (first + number).to_bytes(4, "big")


def _text(number: int) -> str:
    return ".".join(map(str, _address(0x0A600000, number)))

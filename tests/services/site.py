"""A place to try services at: machines, servers on them, a registry, a proxy; and words for cases.

Servers listen all the time, on every pod and on both nodes: a case only says which of them a service has.
Who answers is called by place and number: `a0` to `a3` are pods of the node whose proxy is tested, `b0` to
`b3` those of the other one, `a` and `b` the nodes themselves (host network).
"""

from __future__ import annotations

import http.client
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from tests.overlay.flows import socket_in
from tests.overlay.machines import run
from tests.services import objects, places
from tests.services.clients import DENIED, DROPPED, REFUSED, Client
from tests.services.objects import Json
from tests.services.proxy_process import HEALTH_PORT, ProxyProcess
from tests.services.registries import Registry
from tests.services.servers import TCP, UDP, Servers

WITHIN = 60.0  # seconds for a change to arrive, on a busy machine and with a registry in trouble
TARGETS = (8080, 8081)  # where every server listens, TCP and UDP
NEAR, FAR = ("a0", "a1", "a2", "a3"), ("b0", "b1", "b2", "b3")


def address_of(who: str, version: int) -> str:
    """Return the address of a server."""
    if who in ("a", "b"):
        return (places.node_address if who == "a" else places.far_address)(version)
    pod = places.local_pod if who[0] == "a" else places.far_pod
    return pod(version, int(who[1:]))


class Deployed:
    """A service with its slices, as they were last applied."""

    def __init__(self, site: Site, body: Json, slices: Sequence[Json], version: int) -> None:
        self._site, self.body, self.slices, self.version = site, body, list(slices), version

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def ip(self) -> str:
        """Return its ClusterIP, of the family of the case where it has two."""
        six = self.version == 6
        return next(str(one) for one in self.body["spec"]["clusterIPs"] if (":" in one) == six)

    @property
    def node_port(self) -> int:
        """Return the NodePort of its first port."""
        return int(self.body["spec"]["ports"][0]["nodePort"])

    def change(self, **spec: Any) -> None:
        """Change members of its `spec`; None takes one away."""
        body = self.body["spec"] | spec
        self.body = self.body | {"spec": {key: value for key, value in body.items() if value is not None}}
        self._site.registry.apply(self.body)

    def annotate(self, **annotations: str | None) -> None:
        """Change annotations of ours, by their names without the prefix; `_` stands for `-`."""
        named = {f"podwire.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
        known = self.body["metadata"].get("annotations", {}) | named
        kept = {key: value for key, value in known.items() if value is not None}
        self.body = self.body | {"metadata": self.body["metadata"] | {"annotations": kept}}
        self._site.registry.apply(self.body)

    def set_status(self, status: Json) -> None:
        self.body = self.body | {"status": status}
        self._site.registry.apply(self.body)

    def set_endpoints(self, *endpoints: str | Json, ports: Sequence[Json] = ()) -> None:
        """Change who is behind it: names of servers, or endpoints as they are written."""
        written = [self._site.endpoint(one, self.version) for one in endpoints]
        old = self.slices[0]
        kept = {"endpoints": written, "ports": list(ports) or old["ports"]}
        self.set_slice(old | kept)

    def set_slice(self, changed: Json) -> None:
        """Add a slice, or replace the one of its name."""
        name = changed["metadata"]["name"]
        self.slices = [one for one in self.slices if one["metadata"]["name"] != name] + [changed]
        self._site.registry.apply(changed)

    def remove(self) -> None:
        self._site.registry.delete(self.body, *self.slices)


class Site:
    """What a case is given."""

    def __init__(
        self, name: str, registry: Registry, where: places.Places, servers: Servers, proxy: ProxyProcess
    ) -> None:
        self.name, self.registry, self.places, self.servers = name, registry, where, servers
        self._proxy = proxy
        self.within = WITHIN
        self.extra: list[Json] = []
        self.deployed: list[Deployed] = []
        self._ips, self._node_ports, self._vips = count(20), count(30100), count(10)
        self._open_servers()

    def begin(self) -> None:
        """Write what a cluster has before its first service, start the proxy, and wait for it."""
        self.registry.apply(objects.namespace(), self.node_object(), *objects.service_cidrs())
        self.start_proxy()
        first = self.deploy(4, "a0")
        self.answers(self.pod(1), first.ip, 80, "a0")
        self.clear()

    def node_object(self, *, zone: str = places.ZONE, **more: Any) -> Json:
        """Write the node's own object; its proxy follows it."""
        addresses = [places.node_address(version) for version in (4, 6)]
        cidrs = list(places.NODE_POD_CIDRS.values())
        made = objects.node(places.NODE_NAME, addresses, cidrs, zone)
        return made | {"spec": made["spec"] | more.pop("spec", {})} | more

    # The proxy.

    def start_proxy(self) -> None:
        self._proxy.start()

    def kill_proxy(self) -> None:
        self._proxy.end()

    def restart_proxy(self) -> None:
        self.kill_proxy()
        self.start_proxy()

    def health(self, path: str) -> int:
        """Return the status of the proxy's health server; 0 where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", HEALTH_PORT, timeout=2)
        connection.sock = socket_in(self.places.node, socket.SOCK_STREAM)
        try:
            connection.sock.connect(("127.0.0.1", HEALTH_PORT))
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def _open_servers(self) -> None:
        where = {who: self.places.pods[int(who[1])] for who in NEAR} | dict.fromkeys(FAR, self.places.far)
        for who, netns in (where | {"a": self.places.node, "b": self.places.far}).items():
            for version in (4, 6):
                for target in TARGETS:
                    for protocol in (TCP, UDP):
                        self.servers.open(netns, who, address_of(who, version), target, protocol)

    # Who asks.

    def pod(self, index: int = 0) -> Client:
        return Client(self.places.pods[index])

    @property
    def host(self) -> Client:
        """Return the node itself, as a pod of the host's network is."""
        return Client(self.places.node)

    def outside(self, version: int, index: int = 0) -> Client:
        """Return one of the clients that are neither node nor pod."""
        return Client(self.places.outside, places.outside_address(version, index))

    def far(self, version: int, index: int = 0) -> Client:
        """Return a pod of the other node."""
        return Client(self.places.far, places.far_pod(version, index))

    # What they ask.

    def new_ip(self, version: int) -> str:
        number = next(self._ips)
        return f"10.96.{number >> 8}.{number & 255}" if version == 4 else f"fd96::{number:x}"

    def new_vip(self, version: int) -> str:
        """Return an address for load balancers and external IPs; the outside routes it to the node."""
        return f"203.0.113.{next(self._vips)}" if version == 4 else f"2001:db8:113::{next(self._vips):x}"

    def new_node_port(self) -> int:
        return next(self._node_ports)

    def endpoint(self, who: str | Json, version: int, **more: Any) -> Json:
        """Write an endpoint: a server by its name, or what is written already."""
        return objects.endpoint(address_of(who, version), **more) if isinstance(who, str) else who

    def endpoint_at(self, address: str) -> Json:
        """Write an endpoint that is no server of the site's own."""
        return objects.endpoint(address)

    def deploy(
        self, version: int, *endpoints: str | Json, ports: Sequence[Json] = (), name: str = "",
        slice_ports: Sequence[Json] = (), cluster_ips: Sequence[str] | None = None,
        labels: Json | None = None, annotations: Json | None = None,
        status: Json | None = None, **spec: Any,
    ) -> Deployed:  # fmt: skip
        """Make a service of one family and its slice; a NodePort where its type asks for one."""
        name = name or objects.new_name()
        ips = [self.new_ip(version)] if cluster_ips is None else list(cluster_ips)
        wanted = list(ports) or [objects.port()]
        if spec.get("type") in ("NodePort", "LoadBalancer") and spec.get(
            "allocateLoadBalancerNodePorts", True
        ):
            wanted = [{"nodePort": self.new_node_port()} | one for one in wanted]
        body = objects.service(
            name, ips, wanted, labels=labels, annotations=annotations, status=status, **spec
        )
        written = [self.endpoint(one, version) for one in endpoints]
        made = Deployed(self, body, [objects.endpoint_slice(name, written, slice_ports)], version)
        if not written:
            made.slices[0]["addressType"] = "IPv6" if version == 6 else "IPv4"
        self.deployed.append(made)
        self.registry.apply(body, *made.slices)
        return made

    def keep(self, *more: Json) -> None:
        """Apply other objects, which go with the case."""
        self.extra.extend(more)
        self.registry.apply(*more)

    def clear(self) -> None:
        """Remove what a case has made."""
        for one in self.deployed:
            one.remove()
        self.registry.delete(*self.extra)
        self.deployed, self.extra = [], []

    # What comes of it.

    def settles(self, look: Callable[[], str], within: float = WITHIN) -> None:
        """Look until there is no problem any more; fail with the last one after the deadline."""
        end = time.monotonic() + within
        while problem := look():
            assert time.monotonic() < end, f"{problem}\n{self.log()}"
            time.sleep(0.003)  # a change is on its way

    def answers(
        self, client: Client, address: str, port: int, by: str | Iterable[str], protocol: str = TCP,
        *, count: int = 24,
    ) -> Counter[str]:  # fmt: skip
        """Wait until all of `by` answer a client and nobody else does; return how often each.

        With four endpoints, one of them is silent in 24 requests once in 250 times; then it is asked again.
        """
        wanted = {by} if isinstance(by, str) else set(by)
        many = 1 if wanted & {DROPPED, REFUSED} else count  # the kernel rations what it says of errors
        found: Counter[str] = Counter()

        def look() -> str:
            nonlocal found
            found = client.who(address, port, protocol, count=many)
            if wanted & {DROPPED, REFUSED} and client.netns == self.places.node:
                found.update({next(iter(wanted)): found.pop(DENIED, 0)} if DENIED in found else {})
            return "" if set(found) == wanted else f"{address}:{port}/{protocol}: {dict(found)}, not {wanted}"

        self.settles(look)
        return found

    def ports_behind(self, client: Client, address: str, port: int) -> set[int]:
        """Return the ports of the servers that answer now."""
        return {answer.port for answer in client.ask(address, port, count=24)}

    def differs(self, found: object, wanted: object) -> str:
        """Return "" where two values are equal, else what there is."""
        return "" if found == wanted else f"{found}, not {wanted}"

    def nft(self, name: str, kind: str = "map") -> str:
        """Return what the host's nft prints of a map or set of the proxy."""
        command = (
            "ip",
            "netns",
            "exec",
            self.places.node,
            "nft",
            "list",
            kind,
            "inet",
            "podwire_services",
            name,
        )
        return run(*command)

    def log(self) -> str:
        """Return what the registry lives through, and what the proxy said lately."""
        return f"{self.registry.state()}\n{self._proxy.log()}"

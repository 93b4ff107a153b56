"""ClusterIPs and NodePorts that services were given: objects as an API server would show them.

Who gives them (`service_proxy.allocation`) does not write them into the objects: they are claims beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pod_runner.cluster.bodies import JsonObject, member, number, rows, text, with_member
from pod_runner.cluster.kinds import PREFIX, SERVICE
from pod_runner.cluster.objects import Object
from pod_runner.cluster.store import ClusterStore
from service_proxy.claims import Claim, StoreLedger

Claims = Mapping[str, tuple[Claim, ...]]  # by NAMESPACE/NAME of the service


def with_allotted(cluster: ClusterStore, objects: Iterable[Object]) -> list[Object]:
    """Return objects, the services among them with what they were given."""
    found = list(objects)
    if not any(one.ref.kind == SERVICE.kind for one in found):
        return found
    claims = read_claims(cluster)
    return [
        Object(one.ref, filled(one.body, claims), one.version) if one.ref.kind == SERVICE.kind else one
        for one in found
    ]


def read_claims(cluster: ClusterStore) -> Claims:
    """Return who was given what."""
    found: dict[str, tuple[Claim, ...]] = {}
    for claim in StoreLedger(cluster.store, PREFIX).read().values():
        found[claim.owner] = (*found.get(claim.owner, ()), claim)
    return found


def filled(service: JsonObject, claims: Claims) -> JsonObject:
    """Return a service with its address and ports, as far as it was given any."""
    name = f"{text(service, 'metadata', 'namespace')}/{text(service, 'metadata', 'name')}"
    mine = claims.get(name, ())
    addresses = [one.thing.partition("/")[2] for one in mine if one.thing.startswith("ip/")]
    body = service
    if addresses and not text(service, "spec", "clusterIP"):
        addresses.sort(key=lambda one: ":" in one)
        body = with_member(body, addresses[0], "spec", "clusterIP")
        body = with_member(body, addresses, "spec", "clusterIPs")
    if isinstance(member(service, "spec", "ports"), list):
        ports = [_with_node_port(one, mine) for one in rows(service, "spec", "ports")]
        body = with_member(body, ports, "spec", "ports")
    return body


def _with_node_port(port: JsonObject, mine: Iterable[Claim]) -> JsonObject:
    protocol = (text(port, "protocol") or "TCP").lower()
    for claim in mine:
        kind, _, rest = claim.thing.partition("/")
        spoken, _, given = rest.partition("/")
        if kind == "port" and spoken.lower() == protocol and claim.use == str(number(port, "port")):
            return {**port, "nodePort": number(port, "nodePort") or int(given)}
    return port

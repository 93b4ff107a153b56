"""Rules of a Service: the API server's; the service proxy's own parser has the last word. Pure."""

from __future__ import annotations

import re

from pod_runner.manifests.problems import Found, JsonObject, Route
from pod_runner.manifests.rules import below, each, given, number, repeated, text
from service_proxy.catalogue import Kind
from service_proxy.objects import RefusedObject, parse

_PART = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")


def check_service(body: JsonObject, found: Found) -> None:
    """Judge a Service."""
    spec = below(body, "spec")
    kind = text(spec, "type") or "ClusterIP"
    _check_ports(spec, kind, found)
    _check_type(spec, kind, found)
    if text(spec, "sessionAffinity") in ("", "None") and spec.get("sessionAffinityConfig"):
        found.error(("spec", "sessionAffinityConfig"), "is for `sessionAffinity: ClientIP`", at_key=True)
    if not found.has_errors():
        _ask_the_proxy(body, found)


def _check_ports(spec: JsonObject, kind: str, found: Found) -> None:
    ports = list(each(spec, "ports", ("spec",)))
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        found.error(("spec",), "ports is missing")
    repeated(iter(ports), "name", found)
    taken: set[tuple[str, int | None]] = set()
    for route, port in ports:
        if len(ports) > 1 and not text(port, "name"):
            found.error(route, "a port of several needs a name")
        which = (text(port, "protocol") or "TCP", number(port, "port"))
        if which in taken:
            found.error((*route, "port"), f"{which[1]}/{which[0]} is there twice")
        taken.add(which)
        if number(port, "nodePort") and kind not in ("NodePort", "LoadBalancer"):
            found.error((*route, "nodePort"), "is for the types NodePort and LoadBalancer", at_key=True)


def _check_type(spec: JsonObject, kind: str, found: Found) -> None:
    """Fields that only some types have."""
    is_outside = kind in ("NodePort", "LoadBalancer")
    if kind == "ExternalName":
        if not text(spec, "externalName"):
            found.error(("spec",), "externalName is missing")
        for key in given(spec, "clusterIP", "clusterIPs"):
            if spec[key] not in ("", []):
                found.error(("spec", key), "a Service of type ExternalName has none", at_key=True)
    if spec.get("clusterIP") == "None" and is_outside:
        found.error(("spec", "clusterIP"), f"a Service of type {kind} needs an address")
    if text(spec, "externalTrafficPolicy") and not is_outside and not spec.get("externalIPs"):
        found.error(("spec", "externalTrafficPolicy"), "is for what comes from outside", at_key=True)
    if number(spec, "healthCheckNodePort") and not (
        kind == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    ):
        sentence = "is for the type LoadBalancer with `externalTrafficPolicy: Local`"
        found.error(("spec", "healthCheckNodePort"), sentence, at_key=True)
    if kind != "LoadBalancer":
        for key in given(
            spec, "loadBalancerClass", "loadBalancerSourceRanges", "allocateLoadBalancerNodePorts"
        ):
            if spec[key]:
                found.error(("spec", key), "is for the type LoadBalancer", at_key=True)


def _ask_the_proxy(body: JsonObject, found: Found) -> None:
    """What the parser refuses is an error, what it leaves out has no effect."""
    notes: list[str] = []
    try:
        parse(Kind.SERVICE, body, notes)
    except RefusedObject as error:
        _tell(f"{error}", found, is_error=True)
    for note in notes:
        _tell(note, found, is_error=False)


def _tell(sentence: str, found: Found, *, is_error: bool) -> None:
    """Take a sentence of the parser's apart: WHO: PLACE: what is wrong."""
    _, _, rest = sentence.partition(": ")
    place, _, words = rest.partition(": ")
    route: Route = tuple(int(part[2]) if part[2] else part[1] for part in _PART.finditer(place))
    if is_error:
        found.error(route, words)
    else:
        found.ignored(route, words)

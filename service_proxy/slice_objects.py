"""EndpointSlice (discovery.k8s.io/v1): JSON -> value. Pure; quick, for a hundred thousand endpoints."""

from __future__ import annotations

import re
import socket
from collections.abc import Hashable
from functools import lru_cache
from sys import intern
from typing import TypeVar, cast

from service_proxy.model import Address, Endpoint, EndpointPort, EndpointSlice, Hints, ServiceName, SliceName
from service_proxy.object_members import LABEL_MAX, NAME_MAX, Members, WrongMember, is_special

SERVICE_LABEL = "kubernetes.io/service-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
PROXY_LABEL = "service.kubernetes.io/service-proxy-name"
PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
FAMILIES = {"IPv4": 4, "IPv6": 6, "FQDN": 0}  # 0: names, which no proxy leads to
_SOCKET_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_HOSTNAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

T = TypeVar("T", bound=Hashable)


def shared(value: T) -> T:
    """Return the one of equal values: most slices have the same few ports."""
    return cast(T, _kept(value))


@lru_cache(4096)
def _kept(value: Hashable) -> Hashable:
    return value


def endpoint_slice(item: Members, notes: list[str]) -> EndpointSlice:
    """Return an EndpointSlice. One whose addresses are names has family 0 and nothing in it."""
    metadata = item.below("metadata")
    labels = metadata.labels("labels")
    namespace = metadata.name("namespace", "default", is_label=True)
    family = item.choice("addressType", FAMILIES, -1)
    if family < 0:
        raise item.wrong("addressType", " or ".join(FAMILIES))
    return EndpointSlice(
        name=SliceName(namespace, metadata.name("name")),
        service=ServiceName(namespace, labels.get(SERVICE_LABEL, "")),
        family=family,
        ports=shared(_ports(item)) if family else (),
        endpoints=_endpoints(item.items("endpoints"), family, notes) if family else (),
        is_headless=HEADLESS_LABEL in labels,
        proxy_name=labels.get(PROXY_LABEL, ""),
    )


def _ports(item: Members) -> tuple[EndpointPort, ...]:
    found = [
        EndpointPort(
            intern(port.text("name", longest=LABEL_MAX)),
            port.choice("protocol", PROTOCOLS, "tcp"),
            port.number("port", 1, 65535),
        )
        for port in item.each("ports")
        if port.has("port")  # none: any port, which is not for proxies
    ]
    return tuple(dict.fromkeys(found))


def _endpoints(items: list[object], family: int, notes: list[str]) -> tuple[Endpoint, ...]:
    found: list[Endpoint] = []
    wrong, first = 0, ""
    for index, item in enumerate(items):
        try:
            found.append(_endpoint(item, family))
        except _WrongEndpoint as error:
            wrong, first = wrong + 1, first or f"endpoints[{index}]{error}"
    if wrong:
        more = f"; so are {wrong - 1} more of its endpoints" if wrong > 1 else ""
        notes.append(f"{first}; left out{more}")
    return tuple(found)


class _WrongEndpoint(Exception):
    """One that is left out."""

    def __init__(self, place: str, expected: str, came: object) -> None:
        super().__init__(str(WrongMember(place, expected, came)))


def _endpoint(item: object, family: int) -> Endpoint:
    """Return one endpoint: no step here that most of them do not need."""
    if not isinstance(item, dict):
        raise _WrongEndpoint("", "an object", item)
    get = item.get
    target, hints, hostname = get("targetRef"), get("hints"), get("hostname")
    conditions = get("conditions")
    ready, serving, terminating = (True, True, False) if conditions is None else _conditions(conditions)
    return Endpoint(
        _address(get("addresses"), family),
        ready,
        serving,
        terminating,
        _text(get("nodeName"), ".nodeName"),
        _text(get("zone"), ".zone"),
        _hostname(hostname) if hostname else "",
        _pod(target) if target is not None else "",
        shared(_hints(hints)) if hints is not None else None,
    )


def _address(addresses: object, family: int) -> Address:
    """Return the first address: others mean nothing (discovery.k8s.io/v1, Endpoint.addresses)."""
    text = addresses[0] if isinstance(addresses, list) and addresses else None
    if isinstance(text, str):
        try:
            packed = socket.inet_pton(_SOCKET_FAMILIES[family], text)
        except (OSError, ValueError):  # ValueError: a NUL, or half a surrogate pair
            raise _WrongEndpoint(".addresses[0]", f"an IPv{family} address", text) from None
        if not is_special(packed):
            return packed
    expected = f"an IPv{family} address that is not loopback, link-local, multicast or unspecified"
    raise _WrongEndpoint(".addresses[0]", expected, text)


def _conditions(conditions: object) -> tuple[bool, bool, bool]:
    """Return ready, serving, terminating; what nobody said is true, true, false."""
    if not isinstance(conditions, dict):
        raise _WrongEndpoint(".conditions", "an object", conditions)
    ready, serving = conditions.get("ready"), conditions.get("serving")
    terminating = conditions.get("terminating")
    for name, value in (("ready", ready), ("serving", serving), ("terminating", terminating)):
        if value is not None and value is not True and value is not False:
            raise _WrongEndpoint(f".conditions.{name}", "true or false", value)
    return ready is not False, serving is not False, terminating is True


def _text(value: object, place: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > NAME_MAX:
        raise _WrongEndpoint(place, f"a text of at most {NAME_MAX} characters", value)
    return intern(value)


def _hostname(value: object) -> str:
    if not isinstance(value, str) or len(value) > LABEL_MAX or not _HOSTNAME.fullmatch(value):
        raise _WrongEndpoint(".hostname", f"a DNS label of at most {LABEL_MAX} characters", value)
    return value


def _pod(target: object) -> str:
    if not isinstance(target, dict):
        raise _WrongEndpoint(".targetRef", "an object", target)
    name = target.get("name")
    if target.get("kind") != "Pod" or name is None:
        return ""
    if not isinstance(name, str) or len(name) > NAME_MAX:
        raise _WrongEndpoint(".targetRef.name", f"a text of at most {NAME_MAX} characters", name)
    return name


def _hints(hints: object) -> Hints:
    if not isinstance(hints, dict):
        raise _WrongEndpoint(".hints", "an object", hints)
    return Hints(_names(hints.get("forZones"), "forZones"), _names(hints.get("forNodes"), "forNodes"))


def _names(items: object, key: str) -> tuple[str, ...]:
    if items is None:
        return ()
    if not isinstance(items, list):
        raise _WrongEndpoint(f".hints.{key}", "a list", items)
    names = [one.get("name") if isinstance(one, dict) else one for one in items]
    return tuple(_text(name, f".hints.{key}") for name in names)

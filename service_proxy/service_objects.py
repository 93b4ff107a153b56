"""Service (core/v1): JSON -> value. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from sys import intern

from linuxnet.packed import text_of
from service_proxy.model import (
    Address,
    Algorithm,
    Distribution,
    Service,
    ServiceName,
    ServicePort,
    ServiceType,
)
from service_proxy.node_objects import cidrs
from service_proxy.object_members import (
    LABEL_MAX,
    NAME_MAX,
    Choice,
    Members,
    WrongMember,
    address_of,
    packed_address,
)
from service_proxy.slice_objects import PROTOCOLS, shared

ALGORITHM, WEIGHTS = "podwire.io/algorithm", "podwire.io/weights"
DRAIN, LOAD_BALANCER_IPS = "podwire.io/drain", "podwire.io/load-balancer-ips"
WEIGHT_MAX = 1000
AFFINITY_DEFAULT, AFFINITY_MAX = 10800, 86400  # seconds (core/v1 ClientIPConfig)
LIST_MAX = 65536  # characters of an annotation that is a list

_TYPES = {one.value: one for one in ServiceType}
_ALGORITHMS = {one.value: one for one in Algorithm}
_DISTRIBUTIONS = {one.value: one for one in Distribution} | {"PreferClose": Distribution.SAME_ZONE}
_POLICIES = {"Cluster": False, "Local": True}
_FAMILIES = {"IPv4": 4, "IPv6": 6}
_STACKS = {"SingleStack": False, "PreferDualStack": True, "RequireDualStack": True}
_DOMAIN = re.compile(r"([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)*")


def service(item: Members, notes: list[str]) -> Service:
    """Return a Service."""
    metadata, spec = item.below("metadata"), item.below("spec")
    given = metadata.below("annotations")
    kind = spec.choice("type", _TYPES, ServiceType.CLUSTER_IP)
    is_headless, cluster_ips = _cluster_ips(spec)
    namespace = metadata.name("namespace", "default", is_label=True)
    return Service(
        name=ServiceName(namespace, metadata.name("name", is_label=True)),
        type=kind,
        ports=shared(_ports(spec)),
        cluster_ips=() if kind is ServiceType.EXTERNAL_NAME else cluster_ips,
        is_headless=is_headless,
        families=_families(spec, cluster_ips, is_headless=is_headless),
        external_name=_external_name(spec) if kind is ServiceType.EXTERNAL_NAME else "",
        selector=spec.labels("selector"),
        publishes_not_ready=spec.flag("publishNotReadyAddresses", False),
        external_ips=_addresses(_list(spec, "externalIPs"), notes),
        load_balancer_ips=_ingress(item.below("status").below("loadBalancer"), notes),
        load_balancer_class=spec.text("loadBalancerClass", longest=NAME_MAX + 1 + LABEL_MAX) or None,
        wanted_load_balancer_ips=_wanted_ips(spec, given, notes),
        source_ranges=cidrs(spec, "loadBalancerSourceRanges"),
        health_check_node_port=spec.number("healthCheckNodePort", 0, 65535, 0),
        is_local_inside=spec.choice("internalTrafficPolicy", _POLICIES, False),
        is_local_outside=spec.choice("externalTrafficPolicy", _POLICIES, False),
        affinity_timeout=_affinity(spec),
        distribution=_word(spec, "trafficDistribution", _DISTRIBUTIONS, Distribution.NONE, notes),
        algorithm=_word(given, ALGORITHM, _ALGORITHMS, Algorithm.RANDOM, notes),
        weights=_weights(given, notes),
        drained=frozenset(_whom(one) for _, one in _words(given, DRAIN, notes)),
        allocates_node_ports=spec.flag("allocateLoadBalancerNodePorts", True),
        labels=metadata.labels("labels"),
        version=metadata.text("resourceVersion"),
        created=_created(metadata.value("creationTimestamp")),
    )


def _created(stamp: object) -> str:
    """Return when; YAML may have made a time of the text."""
    return "" if stamp is None else str(stamp).replace(" ", "T")[:LABEL_MAX]


def _cluster_ips(spec: Members) -> tuple[bool, tuple[Address, ...]]:
    """Return whether it is headless, and its addresses: one of each family at most."""
    first = spec.value("clusterIP")
    given = list(_list(spec, "clusterIPs"))
    if not given and first not in (None, ""):
        given = [("spec.clusterIP", first)]
    elif given and first not in (None, "", given[0][1]):
        raise spec.wrong("clusterIP", "the first of spec.clusterIPs")
    if given and given[0][1] == "None":
        return True, ()
    found = tuple(address_of(place, text) for place, text in given if text != "")
    if len({len(one) for one in found}) < len(found):
        raise spec.wrong("clusterIPs", "one address of each family at most")
    return False, found


def _families(spec: Members, cluster_ips: tuple[Address, ...], *, is_headless: bool) -> tuple[int, ...]:
    """Return the families in their order: what was given, then what the policy adds."""
    found: list[int] = []
    for place, word in _list(spec, "ipFamilies"):
        if not isinstance(word, str) or word not in _FAMILIES or _FAMILIES[word] in found:
            raise WrongMember(place, "IPv4 and IPv6, each once", word)
        found.append(_FAMILIES[word])
    has = [4 if len(one) == 4 else 6 for one in cluster_ips]
    if found and has and found[: len(has)] != has[: len(found)]:
        raise spec.wrong("ipFamilies", "the families of spec.clusterIPs in their order")
    # headless without a selector: whoever makes its slices decides (core/v1, ipFamilyPolicy)
    is_open = is_headless and not spec.has("ipFamilyPolicy") and not spec.value("selector")
    if not found:
        found = has or [4]
    if spec.choice("ipFamilyPolicy", _STACKS, False) or (is_open and not spec.has("ipFamilies")):
        found += [one for one in (4, 6) if one not in found]
    return shared(tuple(found))


def _ports(spec: Members) -> tuple[ServicePort, ...]:
    found: list[ServicePort] = []
    names, numbers = set(), set()
    for port in spec.each("ports"):
        name = intern(port.text("name", longest=LABEL_MAX))
        protocol = port.choice("protocol", PROTOCOLS, "tcp")
        number = port.number("port", 1, 65535)
        if name in names:
            raise port.wrong("name", "a name that no other port has")
        if (protocol, number) in numbers:
            raise port.wrong("port", "a number that no other port has for its protocol")
        names.add(name)
        numbers.add((protocol, number))
        found.append(
            ServicePort(
                name,
                protocol,
                number,
                port.number("nodePort", 0, 65535, 0),
                _target(port),
                port.text("appProtocol"),
            )
        )
    return tuple(found)


def _target(port: Members) -> int | str:
    target = port.value("targetPort")
    if isinstance(target, str) and target:
        return intern(port.text("targetPort", longest=LABEL_MAX))
    return 0 if target == "" else port.number("targetPort", 0, 65535, 0)


def _external_name(spec: Members) -> str:
    name = spec.text("externalName", longest=NAME_MAX + 1).removesuffix(".").lower()
    if len(name) > NAME_MAX or not _DOMAIN.fullmatch(name):
        raise spec.wrong("externalName", "a domain name")
    return name


def _affinity(spec: Members) -> int:
    """Return seconds."""
    if not spec.choice("sessionAffinity", {"None": False, "ClientIP": True}, False):
        return 0
    config = spec.below("sessionAffinityConfig").below("clientIP")
    return config.number("timeoutSeconds", 1, AFFINITY_MAX, AFFINITY_DEFAULT)


def _ingress(status: Members, notes: list[str]) -> tuple[Address, ...]:
    """Return the addresses that are short-circuited: not names, and not those of a proxy on the way."""
    given = []
    for one in status.each("ingress"):
        mode = one.value("ipMode")
        if mode not in (None, "", "VIP", "Proxy"):
            notes.append(f"{one.wrong('ipMode', 'VIP or Proxy')}; left out")
        elif one.has("ip") and mode != "Proxy":
            given.append((one.place("ip"), one.value("ip")))
    return _addresses(given, notes)


def _wanted_ips(spec: Members, given: Members, notes: list[str]) -> tuple[Address, ...]:
    asked: list[tuple[str, object]] = list(_words(given, LOAD_BALANCER_IPS, notes))
    if not asked and spec.value("loadBalancerIP") not in (None, ""):
        asked = [("spec.loadBalancerIP", spec.value("loadBalancerIP"))]
    return _addresses(asked, notes)


def _weights(given: Members, notes: list[str]) -> Mapping[str, int]:
    """Return weights by name of a pod or node, or by address as it is written best."""
    found: dict[str, int] = {}
    for place, text in _words(given, WEIGHTS, notes):
        name, equals, weight = text.partition("=")
        digits = weight.strip()
        if (
            not equals
            or not name.strip()
            or not re.fullmatch(r"[0-9]{1,4}", digits)
            or int(digits) > WEIGHT_MAX
        ):
            notes.append(f"{WrongMember(place, f'NAME=WEIGHT from 0 to {WEIGHT_MAX}', text)}; left out")
        else:
            found[_whom(name.strip())] = int(digits)
    return found


def _whom(name: str) -> str:
    """Return the name of a pod or node, or an address as it is written best."""
    packed = packed_address(name)
    if packed is None:
        return intern(name)
    return text_of(packed)


def _words(given: Members, key: str, notes: list[str]) -> list[tuple[str, str]]:
    """Return the parts of an annotation between commas, and where each stands."""
    value = given.value(key)
    if value is None:
        return []
    if not isinstance(value, str) or len(value) > LIST_MAX:
        notes.append(f"{given.wrong(key, f'a text of at most {LIST_MAX} characters')}; left out")
        return []
    return [(given.place(key), one.strip()) for one in value.split(",") if one.strip()]


def _word(given: Members, key: str, words: Mapping[str, Choice], default: Choice, notes: list[str]) -> Choice:
    """Return what a word stands for; an unknown one is a wish that cannot be granted, no reason to refuse."""
    value = given.value(key)
    if value is None or value == "":
        return default
    if isinstance(value, str) and value in words:
        return words[value]
    notes.append(f"{given.wrong(key, ' or '.join(filter(None, words)))}; left out")
    return default


def _list(item: Members, key: str) -> Iterable[tuple[str, object]]:
    return [(f"{item.place(key)}[{index}]", one) for index, one in enumerate(item.items(key))]


def _addresses(given: Iterable[tuple[str, object]], notes: list[str]) -> tuple[Address, ...]:
    """Return those that can be a service's, each once; the others are left out."""
    found: dict[Address, None] = {}
    for place, text in given:
        try:
            found[address_of(place, text)] = None
        except WrongMember as error:
            notes.append(f"{error}; left out")
    return tuple(found)

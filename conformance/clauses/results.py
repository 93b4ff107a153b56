"""What an ADD prints: the form of the version that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_interface, ip_network

from conformance.calls import Json
from conformance.case import CHAINED_SINCE, Case, as_numbers
from conformance.clause import Kind, Level, NotApplicable, clause, expect, fail
from conformance.world.looking import links

FAMILIES = {"ip4": 4, "ip6": 6}  # keys of 0.1.0 and 0.2.0
SHAPES = (("0.1.0", "0.2.0"), ("0.3.0", "0.3.1", "0.4.0"), ("1.0.0",), ("1.1.0",))  # one form each
SINCE_1_1 = {
    "interfaces": ("mtu", "socketPath", "pciID"),
    "routes": ("mtu", "advmss", "priority", "table", "scope"),
}
DNS = {
    "nameservers": ["192.0.2.53", "2001:db8::53"],
    "domain": "judged.example",
    "search": ["judged.example", "example"],
    "options": ["ndots:2"],
}


@clause(
    "11",
    Level.MUST,
    "5, Success",
    "prints its result in the form of the version that was asked for",
    seconds=60,
)
def form_of_the_version(case: Case) -> None:
    """A result says the `cniVersion` of the configuration, and has that version's form.

    Until 0.2.0 there are `ip4` and `ip6`; from 0.3.0 on `ips`, whose entries say their family in `version`
    until 0.4.0 and not any more from 1.0.0 on. A runtime reads it by the version. Every version that the
    plugin lists is tried.
    """
    for version in _spoken(case):
        result = _added(case, version)
        said = result.get("cniVersion")
        expect(said == version, f"asked in version {version}, the result says cniVersion {said!r}")
        if as_numbers(version) < as_numbers("0.3.0"):
            _is_of_two_families(version, result)
        else:
            _is_a_list(version, result)


def _spoken(case: Case) -> list[str]:
    versions = case.plugin.versions or (case.version,)
    if case.kind is not Kind.CHAINED:
        return list(versions)
    return [one for one in versions if as_numbers(one) >= as_numbers(CHAINED_SINCE)]


def _added(case: Case, version: str, changes: Json | None = None) -> Json:
    """ADD a container of its own in a version; return the result."""
    attachment = case.attachment(version=version)
    added = case.add(attachment, case.config(attachment, changes, version))
    return added.result or {}


def _is_of_two_families(version: str, result: Json) -> None:
    new = [key for key in ("ips", "interfaces", "routes") if result.get(key)]
    expect(not new, f"a result of version {version} has {', '.join(new)}, which came with 0.3.0")
    for key, number in FAMILIES.items():
        one = result.get(key)
        if one is not None:
            expect(isinstance(one, dict) and "ip" in one, f"{key} of version {version} has no ip: {one}")
            _is_cidr(one["ip"], f"{key}.ip of version {version}", number)


def _is_a_list(version: str, result: Json) -> None:
    old = [key for key in FAMILIES if key in result]
    expect(not old, f"a result of version {version} has {', '.join(old)}, which went with 0.3.0")
    for one in _list(result, "ips", version):
        said = one.get("version")
        if as_numbers(version) >= as_numbers("1.0.0"):
            expect(said is None, f"ips of version {version} say version {said!r}, which went with 1.0.0")
            continue
        expect(said in ("4", "6"), f'ips of version {version} say "4" or "6" in version, not {said!r}')
        number = 6 if ":" in str(one.get("address")) else 4
        expect(said == str(number), f"{one.get('address')} is said to be of version {said}")


def _list(result: Json, key: str, version: str) -> list[Json]:
    found = result.get(key)
    whole = found is None or (isinstance(found, list) and all(isinstance(one, dict) for one in found))
    expect(whole, f"{key} of version {version} is no list of objects: {found}")
    return found or []


@clause(
    "14",
    Level.SHOULD,
    "5, Success",
    "lists the interfaces that it made",
    kinds=frozenset({Kind.INTERFACE, Kind.CHAINED}),
)
def lists_interfaces(case: Case) -> None:
    """`interfaces` has every interface that ADD made, also those on the host, with their MACs.

    Those in the container, and they alone, say CNI_NETNS in `sandbox`. Plugins after this one, and people,
    look there for the host's end. What a plugin makes once for all containers is there already.
    """
    case.need("0.3.0", "the list of interfaces")
    case.add(case.attachment())
    attachment = case.attachment()
    inside = attachment.netns.path
    before, before_inside = set(links()), set(links(inside))
    result = case.add(attachment).result or {}
    here, there = links(), links(inside)
    listed = _list(result, "interfaces", case.version)
    made = sorted(set(here) - before)
    case.note("interfaces that came", f"on the host: {', '.join(made)}; in the container: {', '.join(there)}")
    _are_listed(listed, made, here, "", "on the host")
    own = {attachment.ifname} if case.kind is Kind.INTERFACE else set()
    _are_listed(listed, sorted((set(there) - before_inside) | own), there, inside, "in the container")


def _are_listed(
    listed: list[Json], made: Iterable[str], seen: dict[str, Json], sandbox: str, where: str
) -> None:
    for name in made:
        entries = [
            one for one in listed if one.get("name") == name and bool(one.get("sandbox")) == bool(sandbox)
        ]
        expect(entries, f"ADD made {name} {where}, and the result does not list it as one {where}: {listed}")
        said = entries[0].get("sandbox", "")
        expect(said == sandbox, f"{name} is in {sandbox or 'the host'}; its sandbox says {said!r}")
        mac = entries[0].get("mac")
        wrong = mac and mac.lower() != seen[name].get("address", "").lower()
        expect(not wrong, f"{name} has the MAC {seen[name].get('address')}; the result says {mac}")


@clause("15", Level.SHOULD, "5, Success", "says which interface has which address, with its prefix length")
def addresses_and_their_interfaces(case: Case) -> None:
    """`ips` have addresses with prefix lengths, gateways without, and an index of `interfaces`.

    An interface plugin says the index, which its IPAM plugin cannot know; an IPAM plugin says none.
    """
    case.need("0.3.0", "the list of addresses")
    attachment = case.attachment()
    result = case.add(attachment).result or {}
    interfaces = _list(result, "interfaces", case.version)
    for one in _list(result, "ips", case.version):
        address = one.get("address")
        _is_cidr(address, "the address")
        if one.get("gateway"):
            _is_address(one["gateway"], f"the gateway of {address}")
        at = one.get("interface")
        if at is None:
            expect(
                case.kind is not Kind.INTERFACE, f"the entry of {address} does not say its interface: {one}"
            )
            continue
        within = type(at) is int and 0 <= at < len(interfaces)
        expect(
            within, f"the entry of {address} says interface {at!r}; there are {len(interfaces)} interfaces"
        )


@clause("16", Level.SHOULD, "5, Success", "prints routes and DNS as the version has them", seconds=60)
def fields_of_the_version(case: Case) -> None:
    """Routes have `dst` (with a prefix length) and `gw`, from 1.1.0 on also `mtu`, `priority` and others.

    DNS has `nameservers`, `search` and `options`, which are lists, and `domain`, a text. A field that the
    version does not have yet is not there: a runtime that is strict refuses it. One version of each form is
    tried.
    """
    tried = False
    for shape in SHAPES:
        spoken = [one for one in _spoken(case) if one in shape]
        if spoken:
            tried = True
            _has_known_fields(spoken[-1], _added(case, spoken[-1], {"dns": DNS}))
    if not tried:
        raise NotApplicable("it speaks no version that has routes")


def _has_known_fields(version: str, result: Json) -> None:
    if as_numbers(version) < as_numbers("1.1.0"):
        for key, later in SINCE_1_1.items():
            for one in _every(result, key):
                found = [name for name in later if name in one]
                expect(
                    not found,
                    f"{key} of version {version} have {', '.join(found)}, which came with 1.1.0: {one}",
                )
    for route in _every(result, "routes"):
        _is_route(version, route)
    _is_dns(version, result.get("dns"))


def _every(result: Json, key: str) -> Iterator[Json]:
    """Return the objects of a list, in 0.1.0 and 0.2.0 also those in `ip4` and `ip6`."""
    for place in (result, result.get("ip4"), result.get("ip6")):
        if isinstance(place, dict) and isinstance(place.get(key), list):
            yield from (one for one in place[key] if isinstance(one, dict))


def _is_route(version: str, route: Json) -> None:
    _is_cidr(route.get("dst"), f"dst of a route of version {version}")
    if route.get("gw"):
        _is_address(route["gw"], f"gw of the route to {route['dst']}")
    numbers = [name for name in SINCE_1_1["routes"] if name in route and type(route[name]) is not int]
    expect(not numbers, f"{', '.join(numbers)} of the route to {route['dst']} is no number: {route}")


def _is_dns(version: str, dns: object) -> None:
    if dns is None:
        return
    if not isinstance(dns, dict):
        fail(f"dns of version {version} is no object: {dns}")
    for key in ("nameservers", "search", "options"):
        found = dns.get(key, [])
        whole = found is None or (isinstance(found, list) and all(isinstance(one, str) for one in found))
        expect(whole, f"dns.{key} of version {version} is no list of texts: {found}")
    expect(
        isinstance(dns.get("domain") or "", str),
        f"dns.domain of version {version} is no text: {dns.get('domain')}",
    )
    for server in dns.get("nameservers") or ():
        _is_address(server, "an entry of dns.nameservers")


def _is_cidr(text: object, what: str, number: int = 0) -> None:
    try:
        found = ip_interface(str(text))
        ip_network(str(text), strict=False)
    except ValueError:
        fail(f"{what} is {text!r}, which is no address with a prefix length")
    expect("/" in str(text), f"{what} is {text!r}, without a prefix length")
    expect(number in (0, found.version), f"{what} is {text!r}, which is not of IPv{number}")


def _is_address(text: object, what: str) -> None:
    try:
        ip_address(str(text))
    except ValueError:
        fail(f"{what} is {text!r}, which is no IP address")


CLAUSES = (form_of_the_version, lists_interfaces, addresses_and_their_interfaces, fields_of_the_version)

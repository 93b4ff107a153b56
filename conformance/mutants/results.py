"""Mutants of the clauses in clauses/results.py and clauses/chaining.py."""

from __future__ import annotations

from collections.abc import Callable

from conformance.clause import EVERY_KIND, Kind
from conformance.mutants.mutant import Asked, Given, Good, Json, Mutant

INTERFACE, CHAINED = frozenset({Kind.INTERFACE}), frozenset({Kind.CHAINED})
NEWEST = "1.1.0"


def _of_results(change: Callable[[Asked, Json], Json]) -> Callable[[Asked, Good], Given]:
    """Return a plugin that prints other results."""

    def act(asked: Asked, good: Good) -> Given:
        given = good(asked)
        if asked.verb != "ADD" or given.status or not given.document:
            return given
        return given.with_document(change(asked, given.document))

    return act


def newest_version(_: Asked, result: Json) -> Json:
    """Say the newest `cniVersion` whatever was asked."""
    return result | {"cniVersion": NEWEST}


def no_families(asked: Asked, result: Json) -> Json:
    """Leave out `version` of addresses where it still was."""
    if "ips" not in result:
        return result
    return result | {"ips": [{key: one[key] for key in one if key != "version"} for one in result["ips"]]}


def no_routes(_: Asked, result: Json) -> Json:
    """Forget the routes of `prevResult`."""
    return result | {"routes": []} if "routes" in result else result


def no_host_end(asked: Asked, result: Json) -> Json:
    """List the interfaces in the container alone."""
    interfaces = result.get("interfaces")
    if not interfaces:
        return result
    places = [at for at, one in enumerate(interfaces) if one.get("sandbox")]
    ips = [
        one | {"interface": places.index(one["interface"])} if one.get("interface") in places else one
        for one in result["ips"]
    ]
    return result | {"interfaces": [interfaces[at] for at in places], "ips": ips}


def no_index(asked: Asked, result: Json) -> Json:
    """Do not say which interface has an address."""
    if "ips" not in result:
        return result
    return result | {"ips": [{key: one[key] for key in one if key != "interface"} for one in result["ips"]]}


def bare_nameserver(asked: Asked, result: Json) -> Json:
    """Print the nameservers as one text where DNS was configured with more than nameservers."""
    dns = result.get("dns")
    if not isinstance(dns, dict) or "options" not in asked.config.get("dns", {}):
        return result
    return result | {"dns": dns | {"options": " ".join(dns.get("options") or ())}}


def mtu_too_early(asked: Asked, result: Json) -> Json:
    """Print `mtu` of routes before 1.1.0."""
    if asked.config.get("cniVersion") == NEWEST or "routes" not in result:
        return result
    return result | {"routes": [one | {"mtu": 1400} for one in result["routes"]]}


MUTANTS = (
    Mutant(
        "11",
        "newest",
        "a result says the newest cniVersion, whatever was asked",
        EVERY_KIND,
        _of_results(newest_version),
    ),
    Mutant("11", "no-family", "addresses never say their version", EVERY_KIND, _of_results(no_families)),
    Mutant("13", "no-routes", "the routes of prevResult are lost", CHAINED, _of_results(no_routes)),
    Mutant("14", "no-host-end", "interfaces of the host are not listed", INTERFACE, _of_results(no_host_end)),
    Mutant("15", "no-index", "addresses do not say their interface", INTERFACE, _of_results(no_index)),
    Mutant(
        "16",
        "text",
        "dns.options is a text and no list",
        INTERFACE,
        _of_results(bare_nameserver),
        also=frozenset({"55"}),  # which compares them with what was configured
    ),
    Mutant("16", "too-early", "routes have an mtu before CNI 1.1.0", EVERY_KIND, _of_results(mtu_too_early)),
)

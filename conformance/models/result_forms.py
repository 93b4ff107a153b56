"""A result in the newest form, which the models work with, and as each CNI version prints it."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from typing import Any

Json = dict[str, Any]
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


def newest_form(result: Json) -> Json:
    """Return a result of any version with `interfaces`, `ips` and `routes` as CNI 1.1.0 has them."""
    old = [result[key] for key in ("ip4", "ip6") if isinstance(result.get(key), dict)]
    ips = [{"address": one["ip"]} | _only(one, "gateway") for one in old]
    ips += [{key: value for key, value in one.items() if key != "version"} for one in result.get("ips") or ()]
    routes = [route for one in old for route in one.get("routes") or ()] + list(result.get("routes") or ())
    dns = result.get("dns") or {}
    return {"interfaces": list(result.get("interfaces") or ()), "ips": ips, "routes": routes, "dns": dns}


def is_result(body: Json) -> bool:
    """Tell whether something has the form of a result, of any version."""
    try:
        newest = newest_form(body)
        for one in newest["ips"]:
            ip_interface(one["address"])
        for route in newest["routes"]:
            ip_network(route["dst"], strict=False)
        named = all(isinstance(one["name"], str) for one in newest["interfaces"])
        return named and all(type(one.get("interface", 0)) is int for one in newest["ips"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def in_form_of(result: Json, version: str) -> Json:
    """Return a result of the newest form as a version prints it."""
    body: Json = {"cniVersion": version}
    at = VERSIONS.index(version)
    if at < VERSIONS.index("0.3.0"):
        return body | _families(result) | {"dns": result["dns"]}
    routes, interfaces, ips = result["routes"], result["interfaces"], result["ips"]
    if at < VERSIONS.index("1.1.0"):
        routes = [_only(route, "dst", "gw") for route in routes]
        interfaces = [_only(one, "name", "mac", "sandbox") for one in interfaces]
    if at < VERSIONS.index("1.0.0"):
        ips = [{"version": family(one["address"])} | one for one in ips]
    return body | {"interfaces": interfaces, "ips": ips, "routes": routes, "dns": result["dns"]}


def _families(result: Json) -> Json:
    found: Json = {}
    for one in result["ips"]:
        number = family(one["address"])
        routes = [_only(route, "dst", "gw") for route in result["routes"] if family(route["dst"]) == number]
        entry = {"ip": one["address"]} | _only(one, "gateway") | {"routes": routes}
        found.setdefault(f"ip{number}", entry)  # these versions have room for one address a family
    return found


def family(address: str) -> str:
    """Return "4" or "6"."""
    return "6" if ":" in address else "4"


def _only(body: Json, *keys: str) -> Json:
    return {key: body[key] for key in keys if key in body}

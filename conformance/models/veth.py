"""A good interface plugin: a veth pair between the host and the container, addresses by delegation.

It keeps no state of its own. The host's end is named after the attachment and its alias after the network, so
DEL and GC find it without a namespace and without `prevResult`. Configuration: `mtu` (bytes), `mode`
("routed" is the only one), `ipam` (may be left out), `dns`.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from hashlib import sha256
from ipaddress import ip_interface, ip_network
from typing import Any

from conformance.models.common_parts import (
    DELEGATE,
    DIFFERS,
    IN_THE_WAY,
    NO_INTERFACE,
    UNSUPPORTED,
    WRONG_CONFIG,
    CniError,
    Request,
    answer,
    delegate,
)
from conformance.models.kernel import destinations, links, remove_link, run
from conformance.models.result_forms import family, newest_form

Json = dict[str, Any]
PREFIX = "jv"  # of every host's end; + 13 hex of a hash: 15 bytes, what IFNAMSIZ allows


def main() -> int:
    """Answer one call."""
    return answer({"ADD": add, "DEL": remove, "CHECK": check, "STATUS": status, "GC": collect})


# --- the verbs


def add(request: Request) -> Json:
    """Make the pair; whatever was done before a failure is taken back."""
    _judge(request)
    if request.ifname in links(request.netns):
        raise CniError(IN_THE_WAY, f"CNI_IFNAME is {request.ifname}, which exists in {request.netns}")
    if _host_end(request) in links():
        raise CniError(
            IN_THE_WAY, f"{request.container} has {request.ifname} in {request.network}; DEL first"
        )
    try:
        lease = _usable(newest_form(delegate(request)))
        _connect(request, lease)
        return _result(request, lease)
    except CniError:
        _take_back(request)
        raise


def remove(request: Request) -> None:
    """Remove the pair, then the addresses; whatever has gone already has gone."""
    remove_link(_host_end(request))
    delegate(request)


def check(request: Request) -> None:
    """Compare `prevResult` with what is there."""
    _judge(request)
    delegate(request)
    previous = request.previous or {}
    here, there = links(), links(request.netns)
    if _host_end(request) not in here or request.ifname not in there:
        raise CniError(
            NO_INTERFACE, f"{request.ifname} or its end on the host, {_host_end(request)}, is missing"
        )
    for name, link in ((_host_end(request), here), (request.ifname, there)):
        if "UP" not in link[name]["flags"]:
            raise CniError(DIFFERS, f"{name} is down")
    own = _own_index(request, previous)
    _check_mac(previous["interfaces"][own], there[request.ifname])
    ours = [one for one in previous["ips"] if one.get("interface", own) == own]
    _check_addresses(ours, there[request.ifname])
    _check_routes(request, previous["routes"], ours)


def status(request: Request) -> None:
    """Tell whether the next ADD can succeed."""
    _judge(request)
    links()
    delegate(request)


def collect(request: Request) -> None:
    """Remove what belongs to this network and to no attachment that is listed; go on over errors."""
    errors = []
    try:
        delegate(request)
    except CniError as error:
        errors.append(error)
    valid = request.valid_attachments()
    kept = {_name_of(request.network, one["containerID"], one["ifname"]) for one in valid or ()}
    for name, link in links().items() if valid is not None else ():
        if link.get("ifalias") == _alias(request.network) and name not in kept:
            try:
                remove_link(name)
            except CniError as error:
                errors.append(error)
    if errors:
        raise CniError(errors[0].code, "; ".join(error.msg for error in errors), errors[0].details)


# --- what an attachment is called


def _name_of(network: str, container: str, ifname: str) -> str:
    return PREFIX + sha256(f"{network} {container} {ifname}".encode()).hexdigest()[:13]


def _alias(network: str) -> str:
    return f"judge-veth {sha256(network.encode()).hexdigest()[:32]}"


def _host_end(request: Request) -> str:
    return _name_of(request.network, request.container, request.ifname)


# --- before anything is changed


def _judge(request: Request) -> None:
    mtu, mode, ipam = (request.config.get(key) for key in ("mtu", "mode", "ipam"))
    if mtu is not None and (type(mtu) is not int or not 68 <= mtu <= 65535):
        raise CniError(WRONG_CONFIG, f"mtu is {mtu!r}; it is a number of bytes, 68 to 65535")
    if ipam is not None and (not isinstance(ipam, dict) or not isinstance(ipam.get("type", ""), str)):
        raise CniError(WRONG_CONFIG, f"ipam is {ipam!r}; it is an object that has a type")
    if mode not in (None, "routed"):
        raise CniError(UNSUPPORTED, f"mode is {mode}; this plugin has routed alone")


def _usable(lease: Json) -> Json:
    try:
        for one in lease["ips"]:
            ip_interface(one["address"])
        for route in lease["routes"]:
            ip_network(route["dst"], strict=False)
    except (KeyError, TypeError, ValueError) as error:
        raise CniError(DELEGATE, "the addresses that were given cannot be used", repr(error)) from error
    return lease


# --- making


def _connect(request: Request, lease: Json) -> None:
    host_end, mtu = _host_end(request), request.config.get("mtu")
    size = ("mtu", str(mtu)) if mtu else ()
    peer = ("peer", "name", request.ifname, *size, "netns", request.netns)
    run("ip", "link", "add", host_end, *size, "type", "veth", *peer)
    run("ip", "link", "set", host_end, "alias", _alias(request.network), "up")
    run("ip", "-batch", "-", netns=request.netns, stdin=_inside(request.ifname, lease))
    run("ip", "-batch", "-", stdin=_outside(host_end, lease))


def _inside(ifname: str, lease: Json) -> str:
    """Return the lines for ip(8) in the container: addresses, then the routes through their gateways.

    Routes are appended: another interface of the container may have a default route as well.
    """
    lines = [f"link set {ifname} up"]
    gateways: dict[str, str] = {}
    for one in lease["ips"]:
        lines.append(f"addr add {one['address']} dev {ifname}{_no_detection(one['address'])}")
        if one.get("gateway"):
            gateways.setdefault(family(one["address"]), one["gateway"])
    for route in lease["routes"]:
        gateway = route.get("gw") or gateways.get(family(route["dst"]))
        via = f" via {gateway} onlink" if gateway else ""
        lines.append(f"route append {route['dst']}{via} dev {ifname}{_extras(route)}")
    return "\n".join(lines) + "\n"


def _outside(host_end: str, lease: Json) -> str:
    """Return the lines for ip(8) on the host: the gateways on its end, a route to every address."""
    lines = []
    for one in lease["ips"]:
        address = ip_interface(one["address"])
        if one.get("gateway"):
            lines.append(f"addr add {one['gateway']} dev {host_end}{_no_detection(one['gateway'])}")
        lines.append(f"route add {address.ip} dev {host_end}")
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def _extras(route: Json) -> str:
    words = {"mtu": "mtu", "advmss": "advmss", "priority": "metric", "table": "table", "scope": "scope"}
    return "".join(f" {word} {route[key]}" for key, word in words.items() if route.get(key))


def _no_detection(address: str) -> str:
    return " nodad" if family(address) == "6" else ""  # nobody else is on a link of two ends


def _result(request: Request, lease: Json) -> Json:
    """Return what was there before with what was made; the addresses are those of the container's end."""
    before = request.previous or newest_form({})
    at = len(before["interfaces"]) + 1
    host_end = _host_end(request)
    made = [
        {"name": host_end, "mac": links()[host_end]["address"]},
        {
            "name": request.ifname,
            "mac": links(request.netns)[request.ifname]["address"],
            "sandbox": request.netns,
        },
    ]
    return {
        "interfaces": before["interfaces"] + made,
        "ips": before["ips"] + [one | {"interface": at} for one in lease["ips"]],
        "routes": before["routes"] + lease["routes"],
        "dns": request.config.get("dns") or lease["dns"] or before["dns"],
    }


# --- unmaking


def _take_back(request: Request) -> None:
    with suppress(CniError):  # the first error is the one that is told
        remove_link(_host_end(request))
    with suppress(CniError):
        delegate(request, "DEL")


# --- comparing


def _own_index(request: Request, previous: Json) -> int:
    for at, one in enumerate(previous["interfaces"]):
        if one.get("name") == request.ifname and one.get("sandbox"):
            return at
    raise CniError(WRONG_CONFIG, f"prevResult has no interface {request.ifname} of a container")


def _check_mac(wanted: Json, link: Json) -> None:
    if str(wanted.get("mac", link["address"])).lower() != link["address"]:
        raise CniError(DIFFERS, f"{wanted['name']} has the MAC {link['address']} in place of {wanted['mac']}")


def _check_addresses(wanted: list[Json], link: Json) -> None:
    there = {f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"]}
    for one in wanted:
        if str(ip_interface(one["address"])) not in there:
            raise CniError(DIFFERS, f"{link['ifname']} has lost the address {one['address']}")


def _check_routes(request: Request, wanted: list[Json], ours: list[Json]) -> None:
    there = destinations(request.netns)
    for route in wanted:
        if ip_network(route["dst"], strict=False) not in there:
            raise CniError(DIFFERS, f"the route to {route['dst']} is missing in the container")
    here = destinations()
    for one in ours:
        if ip_network(ip_interface(one["address"]).ip) not in here:
            raise CniError(DIFFERS, f"the host has no route to {one['address']} any more")


if __name__ == "__main__":
    sys.exit(main())

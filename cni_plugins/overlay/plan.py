"""The delegate's configuration: what flannel's plugin would give it, and what a node of ours adds.

    name, cniVersion             the network's
    type                         bridge, unless the configuration says otherwise
    mtu, ipMasq                  of the lease, unless the configuration says them
    isGateway                    true for bridge, likewise
    ipam                         the configuration's; host-local unless it says otherwise; the lease's ranges;
                                 routes to the pods' networks behind its own routes
    runtimeConfig, args, dns     handed down

Ours: further blocks of a node are alternatives in the range set of their family; a bridge keeps the gateways
of other blocks, and those that pods of an earlier lease still use (`severalGateways`); ptp takes
`isDefaultGateway`, which it has not, as default routes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from cni_plugins.delegate import require_plugin_name
from cni_plugins.overlay.config import OverlayConfig, look, says
from cni_spec.errors import INVALID_CONFIG, CniError
from cni_spec.json_input import JsonObject, json_type, shorten
from overlay.subnet import Subnet
from overlay.subnet_env import SubnetEnv

HANDED_DOWN = ("runtimeConfig", "args", "dns")
PREVIOUS = "prevResult"
GC_KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")  # either spelling is some runtime's
DEFAULT_ROUTES = {4: "0.0.0.0/0", 6: "::/0"}


def delegate_config(config: OverlayConfig, body: JsonObject, lease: SubnetEnv | None) -> JsonObject:
    """Return what the delegate reads. `body` is what this plugin read.

    Without a lease the ranges, routes and MTU are missing: enough for DEL and GC, which go by the ids.

    Raises:
        CniError: code 7, for a delegate's type or routes that are none.
    """
    plugin_type = require_plugin_name(config.delegate_type, "delegate.type")
    found = {key: value for key, value in config.delegate.items() if value is not None}
    routes_default = plugin_type == "ptp" and _take(found, "isDefaultGateway") is True
    _default(found, "type", plugin_type)
    if lease is not None:
        _default(found, "ipMasq", not lease.ip_masq)
        _default(found, "mtu", lease.mtu)
    if plugin_type == "bridge":
        _default(found, "isGateway", True)
        _default(found, "severalGateways", True)
    for key in HANDED_DOWN:
        if says(body, key):
            _default(found, key, look(body, key))
    ipam = delegate_ipam(config.ipam, lease, routes_default=routes_default)
    return found | {"name": config.name, "cniVersion": config.cni_version, "ipam": ipam}


def delegate_ipam(given: JsonObject, lease: SubnetEnv | None, *, routes_default: bool = False) -> JsonObject:
    """Return the `ipam` section: what is given, with the lease's ranges and routes."""
    found = {key: value for key, value in given.items() if value is not None}
    _default(found, "type", "host-local")
    if lease is None:
        return found
    own = _take(found, "routes")
    _take(found, "ranges")
    default = DEFAULT_ROUTES if routes_default else {}
    return found | {
        "ranges": [_alternatives(subnets) for _, subnets in _by_family(lease.subnets)],
        "routes": _routes(own, lease, default),
    }


def with_request(kept: JsonObject, config: OverlayConfig, body: JsonObject) -> JsonObject:
    """Return the configuration of the ADD as the delegate reads it for a later verb."""
    later = {key: look(body, key) for key in HANDED_DOWN if says(body, key)}
    previous = look(body, PREVIOUS)
    if isinstance(previous, dict):
        later[PREVIOUS] = _with_gateways(previous)
    return kept | later | {"cniVersion": config.cni_version}


def with_gc_keys(found: JsonObject, body: JsonObject) -> JsonObject:
    """Return a configuration with GC's list of attachments."""
    return found | {key: body[key] for key in GC_KEYS if key in body}


def dump(found: JsonObject) -> bytes:
    """Return what a delegate reads on stdin, and what is kept: compact, keys sorted, as flannel's."""
    return json.dumps(found, sort_keys=True, separators=(",", ":")).encode()


def _alternatives(subnets: Iterable[Subnet]) -> list[JsonObject]:
    return [{"subnet": str(subnet)} for subnet in subnets]


def _by_family(subnets: Iterable[Subnet]) -> list[tuple[int, list[Subnet]]]:
    families = {version: [one for one in subnets if one.version == version] for version in (4, 6)}
    return [(version, found) for version, found in families.items() if found]


def _routes(own: object, lease: SubnetEnv, default: Mapping[int, str]) -> list[object]:
    if own is not None and not isinstance(own, list):
        raise CniError(INVALID_CONFIG, f"ipam.routes: expected a list, came {json_type(own)}")
    given = [*(own or ())]
    families = [version for version, _ in _by_family(lease.subnets)]
    targets = [default[one] for one in families if one in default] + [str(one) for one in lease.networks]
    there = {shorten(look(one, "dst")) for one in given if isinstance(one, dict)}
    return given + [{"dst": target} for target in targets if shorten(target) not in there]


def _with_gateways(previous: JsonObject) -> JsonObject:
    """Return a result whose routes name their gateways: the reference's CHECK finds no other (1.1.1)."""
    gateways: dict[bool, object] = {}
    for ip in _objects(previous.get("ips")):
        if says(ip, "gateway"):
            gateways.setdefault(":" in str(look(ip, "gateway")), look(ip, "gateway"))
    routes: list[JsonObject] = []
    for route in _objects(previous.get("routes")):
        gateway = gateways.get(":" in str(look(route, "dst")))
        is_direct = says(route, "gw") or says(route, "scope") or gateway is None
        routes.append(route if is_direct else route | {"gw": gateway})
    return previous | ({"routes": routes} if routes else {})


def _objects(items: object) -> list[JsonObject]:
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _default(section: JsonObject, key: str, value: object) -> None:
    """Set a key that is not said yet, in whatever letter case."""
    if not says(section, key):
        section[key] = value


def _take(section: JsonObject, key: str) -> object:
    """Remove a key, in whatever letter case, and return its value."""
    for name in [one for one in section if one.casefold() == key.casefold()]:
        return section.pop(name)
    return None

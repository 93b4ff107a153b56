"""What a chained plugin does with the result of those before it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network

from conformance.calls import Json
from conformance.case import Case, said
from conformance.clause import Kind, Level, clause, expect, fail

DNS = {
    "nameservers": ["192.0.2.53"],
    "domain": "judged.example",
    "search": ["example"],
    "options": ["ndots:2"],
}


@clause("13", Level.MUST, "2, ADD", "hands on prevResult", kinds=frozenset({Kind.CHAINED}), since="0.3.0")
def hands_on(case: Case) -> None:
    """A plugin that was given a `prevResult` prints it, with what it has changed.

    What plugins before it made is there still: their interfaces, addresses, routes and DNS must be in the
    result, or the runtime and the plugins after it never hear of them. Order may differ, and a plugin may
    add, and change MACs and MTUs.
    """
    attachment = case.attachment()
    attachment = replace(attachment, previous=(attachment.previous or {}) | {"dns": DNS})
    answer = case.ask("ADD", attachment)
    expect(answer.succeeded, f"ADD was refused: {said(answer)}")
    result = answer.document()
    if result is None:
        fail(f"ADD was given a prevResult, and printed {answer.stdout[:200]!r}")
    before, after = _parts(attachment.previous or {}), _parts(result)
    for key, entries in before.items():
        missing = sorted(str(one) for one in entries - after[key])
        expect(not missing, f"{key} of prevResult are not in the result: {', '.join(missing)}")


def _parts(result: Json) -> dict[str, set[object]]:
    """Return what must stay, in a form that does not depend on order and spelling."""
    interfaces = result.get("interfaces") or []
    return {
        "interfaces": {(one.get("name"), one.get("sandbox") or "host") for one in interfaces},
        "ips": {_address(one, interfaces) for one in result.get("ips") or ()},
        "routes": {_route(one) for one in result.get("routes") or ()},
        "dns": _entries(result.get("dns") or {}),
    }


def _address(one: Json, interfaces: list[Json]) -> tuple[object, ...]:
    at = one.get("interface")
    known = type(at) is int and 0 <= at < len(interfaces)
    name = interfaces[at].get("name") if known and at is not None else None
    try:
        return str(ip_interface(str(one.get("address")))), one.get("gateway"), name
    except ValueError:
        return str(one.get("address")), one.get("gateway"), name


def _route(one: Json) -> tuple[str, object]:
    try:
        return str(ip_network(str(one.get("dst")), strict=False)), one.get("gw")
    except ValueError:
        return str(one.get("dst")), one.get("gw")


def _entries(dns: Json) -> set[object]:
    return {
        (key, entry)
        for key, value in dns.items()
        for entry in (value if isinstance(value, list) else [value])
    }


CLAUSES = (hands_on,)

"""Values of other types than the profile's, and earlier results that lie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from conformance.case import Attachment, Case, Json
from conformance.clause import Kind, Level, NotApplicable, clause, expect
from conformance.robust.leavings import settle, undo, watch
from conformance.robust.sanity import expect_sane
from conformance.world.given import UPLINK
from conformance.world.looking import addresses, links

INTERFACE_OR_CHAINED = frozenset({Kind.INTERFACE, Kind.CHAINED})
LISTENING_KEYS = ("dns", "args", "capabilities")  # of any plugin: whether they are read is its own affair
WRONG: dict[type, tuple[object, ...]] = {
    bool: (7, {"a": 1}),
    int: (True, "many", {"a": 1}),
    float: (True, "many", {"a": 1}),
    str: (7, {"a": 1}),
    list: (7, {"a": 1}),
    dict: (7, [1]),
}


@clause("robust-types", Level.ROBUST, "beyond", "refuses values of another type", seconds=60)
def types(case: Case) -> None:
    """A key of the plugin's own with a value of another type is refused, `true` where a number belongs too.

    A guess at what the author may have meant is a network that works differently from what is written. The
    keys that are tried are those of the profile's configuration; a plugin that takes any value of a key does
    not know the key, as older ones do. Nothing is made by these ADDs.
    """
    settle(case)
    attachment = case.attachment()
    good = case.config(attachment)
    keys = set(case.profile.config) | ({"runtimeConfig"} if case.profile.runtime_config else set())
    places: dict[tuple[str | int, ...], list[object]] = {}
    for key in sorted(keys - set(LISTENING_KEYS)):
        for place, wrong in wrong_values(good[key], (key,)):
            places.setdefault(place, []).append(wrong)
    if not places:
        raise NotApplicable("the profile's configuration has no keys of this plugin's own")
    before = watch(case, attachment)
    for place, values in places.items():
        _try_types(case, attachment, place, values)
    before.expect_same("these ADDs")


def _try_types(
    case: Case, attachment: Attachment, place: tuple[str | int, ...], values: list[object]
) -> None:
    taken = []
    for value in values:
        asked = f"ADD with {'.'.join(str(one) for one in place)}: {json.dumps(value)}"
        answer = case.ask("ADD", attachment, config=put(case.config(attachment), place, value))
        expect_sane(answer, asked)
        if answer.succeeded:
            taken.append(asked)
            undo(case, attachment)
    expect(len(taken) in (0, len(values)), f"{' and '.join(taken)} succeeded; other types are refused")


@clause(
    "robust-others-links",
    Level.ROBUST,
    "beyond",
    "spares what a prevResult does not own",
    kinds=INTERFACE_OR_CHAINED,
)
def others_links(case: Case) -> None:
    """DEL whose prevResult names interfaces of others (the host's uplink, lo) leaves these as they are.

    A cached result can be old: the names in it may be somebody else's by now.
    """
    if case.version < "0.4.0":
        raise NotApplicable("DEL has a prevResult from CNI 0.4.0 on")
    attachment = case.add(case.attachment())
    lying = dict(attachment.result or {})
    lying["interfaces"] = [
        {"name": UPLINK, "mac": links()[UPLINK]["address"]},
        {"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": attachment.netns.path},
    ]
    before = _settings(UPLINK)
    answer = case.ask("DEL", attachment, config=case.config(attachment) | {"prevResult": lying})
    expect_sane(answer, "DEL with a prevResult of others' interfaces")
    after = _settings(UPLINK)
    changed = [key for key in before if before[key] != after.get(key)]
    expect(
        not changed, f"DEL changed {UPLINK}, which its prevResult named but which is not its own: {changed}"
    )


@clause("robust-prev-result", Level.ROBUST, "beyond", "survives any prevResult", kinds=INTERFACE_OR_CHAINED)
def prev_result(case: Case) -> None:
    """DEL and (chained plugins) ADD with a prevResult that is none never crash; DEL undoes what they did."""
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    for what, previous in bad_results(case, attachment):
        body = case.config(attachment) | {"prevResult": previous}
        if case.kind is Kind.CHAINED:
            expect_sane(case.ask("ADD", attachment, config=body), f"ADD with a prevResult {what}")
        expect_sane(case.ask("DEL", attachment, config=body), f"DEL with a prevResult {what}")
    undo(case, attachment)
    before.expect_same("these calls and a DEL")


def wrong_values(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Return places of a configuration, and what does not belong there."""
    for wrong in WRONG.get(type(value), ()):
        yield place, wrong
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        if key not in ("type", "cniVersion"):
            yield from wrong_values(one, (*place, key))


def put(tree: Any, place: tuple[str | int, ...], value: object) -> Any:
    """Return a tree with a value at a place."""
    copy: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[place[0]] = put(tree[place[0]], place[1:], value) if len(place) > 1 else value
    return copy


def bad_results(case: Case, attachment: Attachment) -> Iterator[tuple[str, object]]:
    """Return results that no plugin gives, each with the end of a sentence."""
    good: Json = attachment.previous or {"ips": [{"address": "10.9.0.2/24", "interface": 0}]}
    good = {"cniVersion": case.version} | good
    yield "that is a string", "x"
    yield "that is a list", [good]
    yield "of a version that does not exist", good | {"cniVersion": "9.9.9"}
    yield "whose ips are a number", good | {"ips": 7}
    yield "with an address that is none", good | {"ips": [{"version": "4", "address": "300.1.1.1/99"}]}
    yield "with an index that leads nowhere", good | {"ips": [_address(99)]}
    yield "with a negative index", good | {"ips": [_address(-2)]}
    yield "with interfaces without names", good | {"interfaces": [{}, {"name": ""}, {"sandbox": "/"}]}
    yield "with a path as a name", good | {"interfaces": [{"name": "../../x", "mac": "y", "sandbox": "/etc"}]}


def _settings(ifname: str) -> Json:
    """Return what a plugin could change of an interface; {} where it is gone."""
    link = links().get(ifname)
    if link is None:
        return {}
    flags = sorted(set(link["flags"]) & {"UP", "PROMISC", "ALLMULTI"})
    return {"address": link["address"], "mtu": link["mtu"], "addresses": addresses(ifname), "flags": flags}


def _address(index: int) -> Json:
    return {"version": "4", "address": "10.9.0.2/24", "interface": index}


CLAUSES = (types, others_links, prev_result)

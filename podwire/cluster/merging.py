"""A manifest, what was applied before, and what is there -> what is to be. Pure.

As kubectl's three-way merge: what the manifest says holds; what it said before and says no more goes away;
what others have set since (replicas by `scale`, a node by the scheduler, all of status) stays. Lists are
taken whole.
Defaults that were filled in for the manifest of before are nobody's wish: they are filled in anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pod_runner.cluster.bodies import JsonObject, table, text, with_member, without_member
from pod_runner.manifests.defaults import with_defaults
from podwire.cluster.printed import LAST_APPLIED


def noted(wish: JsonObject) -> JsonObject:
    """Return a new object: the wish with its defaults, and a note of what was asked for."""
    return _with_note(with_defaults(wish), wish)


def merged(live: JsonObject, wish: JsonObject) -> JsonObject:
    """Return what an object is to be after a manifest has been applied to it."""
    before = last_applied(live)
    filled = with_defaults(before) if before else {}
    kept = without_member(live, "metadata", "annotations", LAST_APPLIED)
    return _with_note(with_defaults(_merge(kept, before, filled, wish)), wish)


def differs(live: JsonObject, wanted: JsonObject) -> bool:
    """Tell whether an object is to change in more than the note."""
    return _bare(live) != _bare(wanted)


def last_applied(live: JsonObject) -> JsonObject:
    """Return the manifest of before; {} if none was applied, or the note is spoilt."""
    try:
        found = json.loads(text(live, "metadata", "annotations", LAST_APPLIED) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get("kind") == live.get("kind") else {}


def _merge(
    live: JsonObject, before: Mapping[str, object], filled: Mapping[str, object], wish: Mapping[str, object]
) -> JsonObject:
    result = {
        key: value for key, value in live.items()
        if key not in before and not (key in filled and filled[key] == value)
    }  # fmt: skip
    for key, value in wish.items():
        if isinstance(value, dict) and isinstance(live.get(key), dict):
            result[key] = _merge(table(live, key), table(dict(before), key), table(dict(filled), key), value)
        elif value is not None:  # null leaves it open
            result[key] = value
    return {
        key: result[key] for key in dict.fromkeys([*live, *wish]) if key in result
    }  # in the order of before


def _with_note(body: JsonObject, wish: JsonObject) -> JsonObject:
    note = json.dumps(wish, separators=(",", ":"))
    return with_member(body, note, "metadata", "annotations", LAST_APPLIED)


def _bare(body: JsonObject) -> JsonObject:
    bare = without_member(body, "metadata", "annotations", LAST_APPLIED)
    return bare if table(bare, "metadata", "annotations") else without_member(bare, "metadata", "annotations")

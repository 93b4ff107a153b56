"""Objects as they are printed for programs: JSON, YAML, `kind/name`. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum

import yaml

from pod_runner.cluster.bodies import JsonObject, member, text, with_member, without_member
from pod_runner.cluster.objects import Object, Ref

LAST_APPLIED = "podwire.io/last-applied"  # an annotation: the manifest as it was applied


class Form(StrEnum):
    """What is printed of objects."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def shown_name(ref: Ref) -> str:
    """Return `deployment.apps/web`, as kubectl names objects."""
    group = f".{ref.resource.group}" if ref.resource.group else ""
    return f"{ref.kind.lower()}{group}/{ref.name}"


def shown(found: Object) -> JsonObject:
    """Return an object as it is printed: with its version, without what `apply` notes for itself."""
    kept = without_member(found.body, "metadata", "annotations", LAST_APPLIED)
    if not text(kept, "metadata", "resourceVersion") and found.version:
        kept = with_member(kept, str(found.version), "metadata", "resourceVersion")
    if member(kept, "metadata", "annotations") == {}:
        kept = without_member(kept, "metadata", "annotations")
    return kept


def listed(objects: Sequence[Object], *, is_one: bool) -> JsonObject:
    """Return one object, or a List of any number."""
    bodies = [shown(one) for one in objects]
    if is_one and len(bodies) == 1:
        return bodies[0]
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": bodies}


def to_form(body: JsonObject, form: Form) -> str:
    """Return an object's text in JSON or YAML, with a line's end."""
    if form is Form.YAML:
        return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
    return json.dumps(body, indent=4, ensure_ascii=False) + "\n"

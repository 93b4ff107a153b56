"""Label and field selectors, as an API server understands them (those that are asked for here)."""

from __future__ import annotations

from tests.kube_api.collection import Json, Matches


def matching(query: dict[str, str]) -> Matches:
    """Return what a list or watch selects."""
    labels = [one for one in query.get("labelSelector", "").split(",") if one]
    fields = [one for one in query.get("fieldSelector", "").split(",") if one]

    def matches(item: Json) -> bool:
        own = item.get("metadata", {}).get("labels") or {}
        return all(_label(one, own) for one in labels) and all(_field(one, item) for one in fields)

    return matches


def _label(wanted: str, labels: Json) -> bool:
    if wanted.startswith("!"):
        return wanted[1:] not in labels
    key, equals, value = wanted.partition("=")
    return labels.get(key) == value if equals else key in labels


def _field(wanted: str, item: Json) -> bool:
    path, _, value = wanted.partition("=")
    found: object = item
    for part in path.split("."):
        found = found.get(part, "") if isinstance(found, dict) else ""
    return found == value

"""judge: everything that is wrong with one object, or without effect. Pure.

The table first (`checking`), then what fields say of each other (`*_rules`).
"""

from __future__ import annotations

from collections.abc import Mapping

from cni_spec.suggestions import suggest
from pod_runner.manifests.checking import Checker
from pod_runner.manifests.fields import table
from pod_runner.manifests.metadata_rules import check_metadata
from pod_runner.manifests.pod_rules import check_pod
from pod_runner.manifests.problems import Found, JsonObject, Problem, printable
from pod_runner.manifests.rules import Rule
from pod_runner.manifests.service_rules import check_service
from pod_runner.manifests.workload_rules import check_config_map, check_deployment, check_replica_set
from service_proxy.object_members import shown

_RULES: Mapping[str, Rule] = {
    "Pod": check_pod,
    "Deployment": check_deployment,
    "ReplicaSet": check_replica_set,
    "Service": check_service,
    "ConfigMap": check_config_map,
}


def judge(body: JsonObject) -> list[Problem]:
    """Return what there is to say about an object, in no order; errors refuse it."""
    found = Found()
    kind = _kind_of(body, found)
    if kind is None:
        return found.all()
    Checker(table(), found).check_section(kind, body, ())
    check_metadata(kind, body, found)
    rule = _RULES.get(kind)
    if rule is not None:
        rule(body, found)
    return found.all()


def _kind_of(body: JsonObject, found: Found) -> str | None:
    """Return the kind of an object that can be one of this cluster's."""
    kind, version = body.get("kind"), body.get("apiVersion")
    if not isinstance(kind, str) or not kind:
        found.error((), "kind is missing")
        return None
    group = version.rpartition("/")[0] if isinstance(version, str) else ""
    known = table().kinds.get(kind)
    if known is None or (group and group != known.rpartition("/")[0] and not _is_old(group)):
        reason = table().other_kinds.get(kind) if known is None else None
        hint = suggest(kind, (*table().kinds, *table().other_kinds)) if known is None else ""
        sentence = f"not supported: {reason}" if reason else f"there is no such kind here{hint}"
        which = f"{kind} of {group}" if known is not None else kind
        found.error(("kind",), f"{printable(which)}: {sentence}")
        return None
    if version in (None, ""):
        found.error((), f"apiVersion is missing: {known}")
    elif version != known:
        found.error(("apiVersion",), f"expected {known}, not {shown(version)}")
    return kind


def _is_old(group: str) -> bool:
    """Tell whether workloads were once in a group: then the kind is meant, the version is wrong."""
    return group in ("extensions", "apps")

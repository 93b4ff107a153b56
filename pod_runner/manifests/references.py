"""Rules of references to the pod itself: fieldRef and resourceFieldRef, of variables and of files. Pure."""

from __future__ import annotations

import re

from cni_spec.suggestions import suggest
from pod_runner.manifests.forms import FORMS
from pod_runner.manifests.problems import Found, JsonObject, Route
from pod_runner.manifests.rules import below, text
from service_proxy.object_members import shown

# core/v1 validation: validEnvDownwardAPIFieldPathExpressions, validVolumeDownwardAPIFieldPathExpressions
_OF_ALL = ("metadata.name", "metadata.namespace", "metadata.uid")
OF_VARIABLES = (
    *_OF_ALL, "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
OF_FILES = (*_OF_ALL, "metadata.labels", "metadata.annotations")
RESOURCES = tuple(f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "memory"))
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


def check_field(source: JsonObject, route: Route, found: Found, *, is_file: bool) -> None:
    """Judge `fieldRef`, if there is one."""
    path = text(below(source, "fieldRef"), "fieldPath")
    known = OF_FILES if is_file else OF_VARIABLES
    if not path or path in known:
        return
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript is None:
        hint = suggest(path, known) if len(path) <= 100 else ""
        sentence = f"{shown(path)} is no field that a pod tells{hint or ': ' + ', '.join(known)}"
        found.error((*route, "fieldRef", "fieldPath"), sentence)
    elif expected := FORMS["label-key"](subscript[2]):
        found.error((*route, "fieldRef", "fieldPath"), f"expected {expected}, not {shown(subscript[2])}")


def check_resource(source: JsonObject, route: Route, found: Found) -> None:
    """Judge `resourceFieldRef`, if there is one."""
    resource = text(below(source, "resourceFieldRef"), "resource")
    if resource and resource not in RESOURCES:
        sentence = f"expected {' or '.join(RESOURCES)}, not {shown(resource)}"
        found.error((*route, "resourceFieldRef", "resource"), sentence)

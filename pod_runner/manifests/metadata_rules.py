"""Rules of metadata: names as their kind needs them, what belongs to no namespace. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pod_runner.manifests.forms import FORMS
from pod_runner.manifests.problems import Found, JsonObject
from pod_runner.manifests.rules import below, text

ANNOTATIONS_MAX = 256 << 10  # bytes of all keys and values (apimachinery, TotalAnnotationSizeLimitB)
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035: a letter first
_LABELS: Mapping[str, str] = {"Namespace": "label"}  # kinds whose names are labels; others' may have dots


def check_metadata(kind: str, body: JsonObject, found: Found) -> None:
    """Judge an object's name and namespace; the table has judged their forms in general."""
    metadata = below(body, "metadata")
    name = text(metadata, "name")
    is_name = bool(name) and not FORMS["name"](name)  # otherwise that has been told
    if is_name and kind == "Service" and not _SERVICE_NAME.fullmatch(name):
        sentence = "a name of lower case letters, digits and hyphens, a letter first, at most 63 characters"
        found.error(("metadata", "name"), f"expected {sentence}")
    if is_name and kind in _LABELS and (expected := FORMS[_LABELS[kind]](name)):
        found.error(("metadata", "name"), f"expected {expected}")
    if kind == "Namespace" and metadata.get("namespace"):
        found.error(("metadata", "namespace"), "a Namespace belongs to none", at_key=True)
    annotations = below(metadata, "annotations")
    size = sum(len(f"{key}") + len(f"{value}") for key, value in annotations.items())
    if size > ANNOTATIONS_MAX:
        found.error(("metadata", "annotations"), f"{size} characters are more than {ANNOTATIONS_MAX}")

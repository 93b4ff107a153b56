"""A file's text -> Kubernetes-shaped objects: JSON, YAML, any number of documents, lists opened.

JSON is read as such also where a file is called YAML: that is forty times faster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import yaml

from service_proxy.sources.identity import JsonObject
from service_proxy.sources.yaml_text import BadDocument, PlainLoader, check_nesting, told

SUFFIXES = (".yaml", ".yml", ".json")
DEPTH = 8  # a List in a List in a List; deeper is nobody's


def objects_in(text: bytes) -> Iterator[JsonObject]:
    """Give all objects of a file, each as it is read. Raises BadDocument, perhaps after the first of them."""
    for document in _documents(text):
        if document is not None:  # "---" twice
            yield from _opened(document, "", DEPTH)


def _documents(text: bytes) -> Iterator[object]:
    if text.lstrip()[:1] in (b"{", b"["):
        try:
            whole = json.loads(text)
        except (ValueError, RecursionError):  # YAML in braces, or several documents
            pass
        else:
            yield whole
            return
    with told():
        decoded = text.decode("utf-8-sig")
        check_nesting(decoded)
        yield from yaml.load_all(decoded, PlainLoader)


def _opened(document: object, kind: str, depth: int) -> Iterator[JsonObject]:
    """Give the objects of a document; those of a typed list (ServiceList) may leave their kind out."""
    if not isinstance(document, dict):
        raise BadDocument(f"expected an object with a kind, not {type(document).__name__}")
    named = document.get("kind")
    items = document.get("items")
    if not isinstance(named, str) or not named.endswith("List") or not isinstance(items, list | None):
        yield document if named or not kind else {"kind": kind, **document}
        return
    if not depth:
        raise BadDocument("lists are nested too deeply")
    for item in items or ():
        yield from _opened(item, named.removesuffix("List"), depth - 1)

"""A file's text -> Kubernetes-shaped objects: JSON, YAML, any number of documents, lists opened.

JSON is read as such also where a file is called YAML: that is forty times faster. Of YAML this is the part
that JSON could say as well: `<<` is refused, since nested merges of ten lines can fill any memory, and what
looks like a date stays text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import yaml

from service_proxy.sources.identity import JsonObject

SUFFIXES = (".yaml", ".yml", ".json")
DEPTH = 8  # a List in a List in a List; deeper is nobody's
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # by C, if libyaml is there


class BadDocument(Exception):
    """A file that cannot be read as a whole: the message says where and why."""


class _PlainLoader(_Loader):  # type: ignore[valid-type,misc]  # chosen when it is known what there is
    """The YAML that JSON could say as well."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own attribute
        first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _Loader.yaml_implicit_resolvers.items()
    }

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge nothing: the key `<<` is then one that cannot be constructed."""


def objects_in(text: bytes) -> list[JsonObject]:
    """Return all objects of a file. Raises BadDocument."""
    found: list[JsonObject] = []
    for document in _documents(text):
        if document is not None:  # "---" twice
            found += _opened(document, "", DEPTH)
    return found


def _documents(text: bytes) -> list[object]:
    if text.lstrip()[:1] in (b"{", b"["):
        try:
            return [json.loads(text)]
        except (ValueError, RecursionError):  # YAML in braces, or several documents
            pass
    try:
        return list(yaml.load_all(text, _PlainLoader))
    except yaml.YAMLError as error:
        raise BadDocument(_sentence(error)) from error
    except (ValueError, OverflowError) as error:  # a number that is none, a character that none is
        raise BadDocument(f"{error}") from error
    except RecursionError as error:
        raise BadDocument("it is nested too deeply") from error


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


def _sentence(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(f"{error}".split())

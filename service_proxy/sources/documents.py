"""A file's text -> Kubernetes-shaped objects: JSON, YAML, any number of documents, lists opened.

JSON is read as such also where a file is called YAML: that is forty times faster. Of YAML this is the part
that JSON could say as well: `<<` is refused, since nested merges of ten lines can fill any memory, and what
looks like a date stays text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

from service_proxy.sources.identity import JsonObject

SUFFIXES = (".yaml", ".yml", ".json")
DEPTH = 8  # a List in a List in a List; deeper is nobody's
NESTED = 200  # brackets in brackets; a Pod has some ten
_DEEP_LINE = re.compile(rf"[ \t?:-]{{{NESTED}}}")  # a level of a block takes a column at least
_BRACKET = re.compile(r"[\[\]{}]")
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
    try:
        decoded = text.decode("utf-8-sig")
        if _may_be_deep(decoded):
            _check_depth(decoded)
        yield from yaml.load_all(decoded, _PlainLoader)
    except yaml.YAMLError as error:
        raise BadDocument(_sentence(error)) from error
    except (ValueError, OverflowError) as error:  # a number that is none; text that is not UTF-8
        raise BadDocument(f"{error}") from error
    except RecursionError as error:
        raise BadDocument("it is nested too deeply") from error


def _may_be_deep(text: str) -> bool:
    """Tell whether a text has what nests: many columns before a word, or brackets in brackets."""
    if _DEEP_LINE.search(text):
        return True
    depth = 0
    for found in _BRACKET.finditer(text):  # those in quotes are counted too: then the parser has the word
        depth = depth + 1 if found[0] in "[{" else max(0, depth - 1)
        if depth > NESTED:
            return True
    return False


def _check_depth(text: str) -> None:
    """Refuse what is nested too deeply; the loader by C would end the process. Raises BadDocument."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > NESTED:
            raise BadDocument("it is nested too deeply")


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

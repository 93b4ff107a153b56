"""A text -> documents: what YAML or JSON says, and where in the text each key and value stands. Pure.

JSON is read by its own decoder, since YAML has other escapes and numbers. Of both, keys that are there twice
are refused, and what JSON could not say (bytes, numbers without end).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml

from cni_spec.positions import Positions, Spot, join_path, locate
from pod_runner.manifests.problems import Route, printable
from service_proxy.sources.yaml_text import NESTED, BadDocument, PlainLoader, check_nesting, told

LARGEST = 200_000  # values of a document, each alias counted in full: ten lines of aliases can be billions
START = Spot(1, 1)


@dataclass(frozen=True)
class Document:
    """A document's value, and `spot(route, at_key)`: where in the text; of what is missing, its parent."""

    value: object
    spot: Callable[[Route, bool], Spot]


def documents_in(text: str) -> Iterator[Document]:
    """Give the documents of a text as they are read. Raises BadDocument, perhaps after the first."""
    text = text.removeprefix("\ufeff")
    with told():
        check_nesting(text)
        if text.lstrip()[:1] in ("{", "["):
            try:
                whole = json.loads(text)
            except json.JSONDecodeError:  # YAML in braces, or several documents
                pass
            else:
                yield _of_json(whole, text)
                return
        loader = PlainLoader(text)
        try:
            while loader.check_node():
                yield _of_yaml(loader)
        finally:
            loader.dispose()


def _of_json(whole: object, text: str) -> Document:
    positions = locate(text)
    for path, offset in positions.repeated:
        spot = positions.spot(offset)
        raise BadDocument(f"the key {printable(path)} is there twice", spot.line, spot.column)
    return Document(_as_json(whole, NESTED), lambda route, at_key: _spot_in_json(positions, route, at_key))


def _spot_in_json(positions: Positions, route: Route, at_key: bool) -> Spot:
    path = ""
    for part in route:
        path = join_path(path, part)
    return positions.of_key(path) if at_key else positions.of_value(path)


def _of_yaml(loader: PlainLoader) -> Document:
    node = loader.get_node()
    _check_size(node, {}, ())
    value = _as_json(loader.construct_document(node), NESTED)
    return Document(value, lambda route, at_key: _spot_in_yaml(node, route, at_key))


def _check_size(node: yaml.Node, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """Return how many values a node has, aliases in full; refuse repeated keys and circles."""
    known = sizes.get(id(node))
    if known is not None:
        return known
    if id(node) in above:
        raise _bad(node, "an alias of what it is in")
    size, inner = 1, (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise _bad(key, f"the key {printable(key.value)} is there twice")
            seen.add(f"{key.value}")
            size += _check_size(value, sizes, inner)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_check_size(item, sizes, inner) for item in node.value)
    if size > LARGEST:
        raise _bad(node, f"more than {LARGEST} values")
    sizes[id(node)] = size
    return size


def _bad(node: yaml.Node, problem: str) -> BadDocument:
    return BadDocument(problem, node.start_mark.line + 1, node.start_mark.column + 1)


def _spot_in_yaml(node: yaml.Node, route: Route, at_key: bool) -> Spot:
    """Follow a route as far as there is something, and tell where that begins."""
    mark = node.start_mark
    for depth, part in enumerate(route):
        is_last = depth == len(route) - 1
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if _key(key) == part), None)
            if pair is None:
                break
            node = pair[1]
            mark = pair[0].start_mark if (is_last and at_key) or _is_empty(node) else node.start_mark
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
        else:
            break
    return Spot(mark.line + 1, mark.column + 1)


def _key(node: yaml.Node) -> object:
    """Return a key as `_as_json` spells it."""
    is_flag = node.tag.endswith(":bool")
    return f"{yaml.SafeLoader.bool_values[node.value.lower()]}".lower() if is_flag else node.value


def _is_empty(node: yaml.Node) -> bool:
    """Tell whether nothing is written where a value is expected: its mark is anywhere."""
    return isinstance(node, yaml.ScalarNode) and node.start_mark.index == node.end_mark.index


def _as_json(value: object, depth: int) -> object:
    """Return a value as JSON has it: keys are texts. Raises BadDocument."""
    if not depth:
        raise BadDocument("it is nested too deeply")
    if isinstance(value, dict):
        return {_as_key(key): _as_json(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item, depth - 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise BadDocument("a number without end")
    if value is None or isinstance(value, str | bool | int | float):
        return _as_text(value) if isinstance(value, str) else value
    raise BadDocument(f"JSON has no {type(value).__name__}")


def _as_key(key: object) -> str:
    """Return a key as kubectl has it: numbers and true and false are words there."""
    if isinstance(key, bool):
        return f"{key}".lower()
    if isinstance(key, str | int):
        return _as_text(f"{key}")
    raise BadDocument("a key that is no text")


def _as_text(text: str) -> str:
    """Refuse half a surrogate pair (JSON can escape one): no file could hold it."""
    text.encode()  # UnicodeEncodeError is a ValueError, which `told` tells
    return text

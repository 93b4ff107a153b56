"""YAML of which only that is read which JSON could say as well, within limits.

`<<` is refused, since nested merges of ten lines can fill any memory; what looks like a date stays text, and
so does `22:22`, which YAML 1.1 takes for a number of base 60 and Kubernetes does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import yaml

NESTED = 200  # brackets in brackets; a Pod has some ten
_DEEP_LINE = re.compile(rf"[ \t?:-]{{{NESTED}}}")  # a level of a block takes a column at least
_BRACKET = re.compile(r"[\[\]{}]")
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # by C, if libyaml is there
_INT, _FLOAT, _TIME = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp"))
# PyYAML's without base 60, and with what Go's YAML takes for numbers, too (1e3, 0o17)
_NUMBERS = {
    _INT: re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    _FLOAT: re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return by its first character what a plain word can be; a whole number is asked for before others."""
    return {
        first: sorted(
            ((tag, _NUMBERS.get(tag, form)) for tag, form in forms if tag != _TIME),
            key=lambda one: one[0] != _INT,
        )
        for first, forms in _Loader.yaml_implicit_resolvers.items()
    }


class BadDocument(Exception):
    """A file that cannot be read as a whole: the message says where and why.

    `line` and `column` count from 1, 0 where there is none; `problem` is the sentence without them.
    """

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}, column {column}: {problem}" if line else problem)
        self.problem, self.line, self.column = problem, line, column


class PlainLoader(_Loader):  # type: ignore[valid-type,misc]  # chosen when it is known what there is
    """The YAML that JSON could say as well."""

    yaml_implicit_resolvers = _resolvers()  # PyYAML's own attribute

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge nothing: the key `<<` is then one that cannot be constructed."""


@contextmanager
def told() -> Iterator[None]:
    """Make a BadDocument of whatever reading can raise."""
    try:
        yield
    except yaml.YAMLError as error:
        raise _bad_document(error) from error
    except (ValueError, OverflowError) as error:  # a number that is none; text that is not UTF-8
        raise BadDocument(f"{error}") from error
    except RecursionError as error:
        raise BadDocument("it is nested too deeply") from error


def check_nesting(text: str) -> None:
    """Refuse what is nested too deeply: the loader by C would end the process. Raises BadDocument."""
    if not may_be_deep(text):
        return
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > NESTED:
            raise BadDocument("it is nested too deeply")


def may_be_deep(text: str) -> bool:
    """Tell whether a text has what nests: many columns before a word, or brackets in brackets."""
    if _DEEP_LINE.search(text):
        return True
    depth = 0
    for found in _BRACKET.finditer(text):  # those in quotes are counted too: then the parser has the word
        depth = depth + 1 if found[0] in "[{" else max(0, depth - 1)
        if depth > NESTED:
            return True
    return False


def _bad_document(error: yaml.YAMLError) -> BadDocument:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return BadDocument(f"{error.problem}", mark.line + 1, mark.column + 1)
    return BadDocument(" ".join(f"{error}".split()))

"""Where in a JSON text a key or a value is: the standard library's decoder does not tell.

The text has been accepted by the decoder before; this scanner only follows its structure.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

_SPACE = re.compile(r"[ \t\n\r]*")  # RFC 8259 section 2
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL = re.compile(r"[-+.0-9A-Za-z]+")  # a number, true, false or null


@dataclass(frozen=True, order=True)
class Spot:
    """A place in a text: line and column, both counted from 1, the column in characters."""

    line: int
    column: int


@dataclass
class Positions:
    """Offsets of keys and values by path, such as `plugins[0].ipam.subnet`; letter case does not count.

    `repeated` are the offsets of keys that were there before in the same object.
    """

    text: str
    keys: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    repeated: list[tuple[str, int]] = field(default_factory=list)

    def of_key(self, path: str) -> Spot:
        """Return where a key is; where it is not, its nearest parent's value."""
        return self._spot(self.keys, path)

    def of_value(self, path: str) -> Spot:
        """Return where a value is; where it is not, its nearest parent's value."""
        return self._spot(self.values, path)

    def spot(self, offset: int) -> Spot:
        """Turn an offset into line and column."""
        line = bisect_right(self._starts, offset)
        return Spot(line, offset - self._starts[line - 1] + 1)

    @cached_property
    def _starts(self) -> list[int]:
        """Return where lines begin."""
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    def _spot(self, table: dict[str, int], path: str) -> Spot:
        folded = path.casefold()
        if folded in table:
            return self.spot(table[folded])
        while folded and folded not in self.values:
            folded = parent_of(folded)
        return self.spot(self.values.get(folded, 0))


def parent_of(path: str) -> str:
    """Return the path without its last part: `a.b[0]` -> `a.b` -> `a` -> ``."""
    if path.endswith("]"):
        return path[: path.rindex("[")]
    return path.rpartition(".")[0]


def join_path(parent: str, part: str | int) -> str:
    """Add a key or an index to a path."""
    if isinstance(part, int):
        return f"{parent}[{part}]"
    return f"{parent}.{part}" if parent else part


def locate(text: str) -> Positions:
    """Find all keys and values of a JSON text.

    Raises:
        ValueError: the text is not what the decoder would accept.
    """
    positions = Positions(text)
    _scan_value(positions, _skip(text, 0), "")
    return positions


def _scan_value(positions: Positions, at: int, path: str) -> int:
    """Note a value and what is inside it; return the offset after it."""
    positions.values.setdefault(path.casefold(), at)
    text = positions.text
    if text.startswith("{", at):
        return _scan_object(positions, _skip(text, at + 1), path)
    if text.startswith("[", at):
        return _scan_list(positions, _skip(text, at + 1), path)
    return _match(_STRING if text.startswith('"', at) else _LITERAL, text, at).end()


def _scan_object(positions: Positions, at: int, path: str) -> int:
    text = positions.text
    seen: set[str] = set()
    while not text.startswith("}", at):
        quoted = _match(_STRING, text, at)
        key = json.loads(quoted.group())
        inner = join_path(path, key)
        if key in seen:
            positions.repeated.append((inner, at))
        seen.add(key)
        positions.keys.setdefault(inner.casefold(), at)
        at = _after_comma(text, _scan_value(positions, _after_colon(text, quoted.end()), inner))
    return at + 1


def _scan_list(positions: Positions, at: int, path: str) -> int:
    text, index = positions.text, 0
    while not text.startswith("]", at):
        at = _after_comma(text, _scan_value(positions, at, join_path(path, index)))
        index += 1
    return at + 1


def _after_comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text.startswith(",", at) else at


def _after_colon(text: str, at: int) -> int:
    return _skip(text, _skip(text, at) + 1)


def _match(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    found = pattern.match(text, at)
    if found is None:
        raise ValueError(f"not JSON at offset {at}")
    return found


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at

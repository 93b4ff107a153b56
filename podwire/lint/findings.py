"""Finding, and the file it points into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cni_spec.json_input import JsonObject
from cni_spec.network_list import PluginEntry
from cni_spec.positions import Positions, Spot, join_path


class Severity(StrEnum):
    """An error will not work; a warning works, but hardly as it was meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing to be changed: where, how bad, and why, as a sentence."""

    file: Path
    spot: Spot
    severity: Severity
    sentence: str

    @property
    def order(self) -> tuple[str, Spot, str]:
        """Return what findings are sorted by: file, place, words."""
        return str(self.file), self.spot, self.sentence

    def __str__(self) -> str:
        where = f"{self.file}:{self.spot.line}:{self.spot.column}"
        return f"{where}: {self.severity}: {self.sentence}"


@dataclass(frozen=True)
class Document:
    """A JSON file that was read, and where its parts are."""

    file: Path
    body: JsonObject
    positions: Positions

    def at_key(self, path: str, severity: Severity, sentence: str) -> Finding:
        """Make a finding about a key."""
        return Finding(self.file, self.positions.of_key(path), severity, sentence)

    def at_value(self, path: str, severity: Severity, sentence: str) -> Finding:
        """Make a finding about a value."""
        return Finding(self.file, self.positions.of_value(path), severity, sentence)


@dataclass(frozen=True)
class Placed:
    """One plugin of a list, with the document it is in and its path there ("" for a file of its own)."""

    entry: PluginEntry
    document: Document
    path: str

    def inside(self, path: str) -> str:
        """Return the path in the document of something inside the plugin's configuration."""
        return (
            path
            if not self.path
            else (f"{self.path}{path}" if path[:1] in ("", "[") else join_path(self.path, path))
        )

    def error(self, path: str, sentence: str) -> Finding:
        """Make an error about a value inside."""
        return self.document.at_value(self.inside(path), Severity.ERROR, sentence)

    def warning(self, path: str, sentence: str) -> Finding:
        """Make a warning about a value inside."""
        return self.document.at_value(self.inside(path), Severity.WARNING, sentence)

    def look(self, *keys: str) -> object:
        """Return what is inside at a path of keys in any letter case, None if there is nothing."""
        value: object = self.entry.body
        for key in keys:
            if not isinstance(value, dict):
                return None
            value = next((item for name, item in value.items() if name.casefold() == key.casefold()), None)
        return value

    def number(self, *keys: str) -> int:
        """Return an integer inside, 0 if there is none."""
        value = self.look(*keys)
        return value if type(value) is int else 0


Findings = Iterator[Finding]

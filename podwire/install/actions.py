"""What can be done to a file, as values that print. Each is atomic: a runtime never sees half of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Write:
    """Put a file in place, over whatever is there."""

    path: Path
    data: bytes = field(repr=False)
    mode: int

    def __str__(self) -> str:
        return f"write {self.path}"

    def apply(self) -> None:
        """Write beside it, then rename."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(self.data)
            temporary.chmod(self.mode)
            temporary.rename(self.path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


@dataclass(frozen=True)
class BackUp:
    """Give a file a second name, so that the first can be written over."""

    path: Path
    backup: Path

    def __str__(self) -> str:
        return f"keep {self.path} as {self.backup.name}"

    def apply(self) -> None:
        """Link it; the first name stays in use meanwhile."""
        os.link(self.path, self.backup, follow_symlinks=False)


@dataclass(frozen=True)
class Restore:
    """Give a file its first name back."""

    path: Path
    backup: Path

    def __str__(self) -> str:
        return f"restore {self.path} from {self.backup.name}"

    def apply(self) -> None:
        """Rename it over what is there."""
        self.backup.rename(self.path)


@dataclass(frozen=True)
class Remove:
    """Take a file away."""

    path: Path

    def __str__(self) -> str:
        return f"remove {self.path}"

    def apply(self) -> None:
        """Unlink it, if it is there."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Keep:
    """Leave a file as it is, and say why."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"leave {self.path}: {self.why}"

    def apply(self) -> None:
        """Do nothing."""


Action = Write | BackUp | Restore | Remove | Keep

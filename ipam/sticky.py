"""Addresses that are remembered for a pod's name: small, durable.

`<dataDir>/.podwire/<network>/sticky.sqlite`. Unlike reservations these outlive a boot, so every change is
synced before it counts (SQLite's synchronous=EXTRA: file, journal and folder). It changes only when a name
gets an address it did not have, hence never in the daily restart of a pod.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cni_spec.errors import IO_FAILURE, CniError
from ipam.keys import Key

_SCHEMA = """
CREATE TABLE IF NOT EXISTS remembered (address BLOB PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID
"""
_INDEX = "CREATE INDEX IF NOT EXISTS names ON remembered (name)"


class Sticky:
    """What is remembered on one network. Used under the network's lock only."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            self._db.execute("PRAGMA synchronous = EXTRA")
            self._db.execute(_SCHEMA)
            self._db.execute(_INDEX)
        except sqlite3.DatabaseError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def addresses_of(self, name: str) -> list[Key]:
        """Return what is remembered for a name."""
        return [
            key
            for (key,) in self._db.execute(
                "SELECT address FROM remembered WHERE name = ? ORDER BY address", (name,)
            )
        ]

    def name_of(self, key: Key) -> str | None:
        """Return for whom an address is remembered."""
        row = self._db.execute("SELECT name FROM remembered WHERE address = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def all(self) -> dict[Key, str]:
        """Return everything that is remembered."""
        return dict(self._db.execute("SELECT address, name FROM remembered ORDER BY address"))

    def remember(self, name: str, key: Key, instead_of: list[Key]) -> None:
        """Remember an address for a name, and no longer these for anybody."""
        if self.name_of(key) == name and not instead_of:
            return
        self._db.execute("BEGIN")
        self._db.executemany("DELETE FROM remembered WHERE address = ?", [(old,) for old in instead_of])
        self._db.execute("INSERT OR REPLACE INTO remembered VALUES (?, ?)", (key, name))
        self._db.execute("COMMIT")

    def forget(self, key: Key) -> None:
        """Remember an address no longer."""
        self._db.execute("DELETE FROM remembered WHERE address = ?", (key,))


def open_sticky(path: Path, *, create: bool) -> Sticky | None:
    """Open a network's memory; None if there is none and none is to be made.

    A damaged file is moved aside, to `sticky.sqlite.damaged`: pods get new addresses then, once.

    Raises:
        CniError: code 5, if it cannot be opened (a full or read-only disk).
    """
    if not create and not path.exists():
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open_sound(path)
    except sqlite3.OperationalError as error:
        raise CniError(IO_FAILURE, f"remembered addresses in {path}: {error}") from error


def _open_sound(path: Path) -> Sticky:
    try:
        return Sticky(path)
    except sqlite3.OperationalError:  # not the file's fault
        raise
    except sqlite3.DatabaseError:  # damaged, or no database
        path.replace(path.with_name(f"{path.name}.damaged"))
        return Sticky(path)

"""What makes ADD, DEL and CHECK O(log n): a hint, made anew whenever it is in doubt.

One SQLite file a network, `<dataDir>/.podwire/<network>/index.sqlite`. It answers two questions without
reading the directory: what does this container hold, and which address is the next free one. For the
second it keeps the blocked addresses as runs, joined and split as addresses come and go, so that the end
of a run is the next free address: one look-up however full the pool is. Blocked is what is reserved, what
cools down after its release, and what is remembered for a pod that is away.

The file is used under the network's lock only. SQLite's rollback journal lets it survive a SIGKILL at any
instant; it is not synced, for after a power failure it is checked and compared with every file before
anything is believed (see store.py). Any error of SQLite's means: throw it away and read the directory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from ipam.directory import Identity, Owner
from ipam.keys import Key, shift
from ipam.pools import Span, join_spans

FORMAT = 1  # PRAGMA user_version; another one is thrown away

_SCHEMA = f"""
CREATE TABLE meta (stamp INTEGER NOT NULL, boot_id TEXT NOT NULL);
CREATE TABLE reservations (
    address BLOB PRIMARY KEY, container_id TEXT NOT NULL, ifname TEXT NOT NULL, boot_id TEXT NOT NULL,
    netns TEXT NOT NULL, since REAL NOT NULL, inode INTEGER NOT NULL, mtime INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX owners ON reservations (container_id, ifname);
CREATE TABLE cooling (address BLOB PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX cooling_since ON cooling (since);
CREATE TABLE idle (address BLOB PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX idle_since ON idle (since);
CREATE TABLE runs (first BLOB PRIMARY KEY, last BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {FORMAT};
"""
_ROW = "address, container_id, ifname, boot_id, netns, since, inode, mtime"
_IDENTITIES = "SELECT address, inode, mtime FROM reservations"
_BLOCKED = "SELECT address FROM reservations UNION SELECT address FROM cooling UNION SELECT address FROM idle"

Table = Literal["reservations", "cooling", "idle"]


class Reservation(NamedTuple):
    """An address that is held, and what its file does not say.

    `boot_id` is the boot in which it was first seen, `netns` the namespace's path ("" if another program
    made the file), `since` seconds of the wall clock.
    """

    key: Key
    owner: Owner
    boot_id: str
    netns: str
    since: float
    identity: Identity


class Index:
    """The index of one network; None for `path` keeps it in memory.

    `stays_open`: for more than one operation, by any thread, one at a time.
    """

    def __init__(self, path: Path | None, *, stays_open: bool = False) -> None:
        self._path = path
        self._db = sqlite3.connect(
            path or ":memory:", isolation_level=None, timeout=0, check_same_thread=not stays_open
        )
        self._inode = _inode(path)
        self._keeps_runs = True
        self._db.execute("PRAGMA synchronous = OFF")
        if not stays_open:  # the network's lock is held anyway; but between operations it is not
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = TRUNCATE")
        self.begin()
        if self._number("PRAGMA user_version") != FORMAT:
            self._create()

    def begin(self) -> None:
        """Begin an operation."""
        self._keeps_runs = True
        self._db.execute("BEGIN")

    def roll_back(self) -> None:
        """End an operation without keeping what was not committed."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def is_current(self) -> bool:
        """Tell whether the file that is open is the one that is there."""
        return self._inode is not None and self._inode == _inode(self._path)

    def close(self) -> None:
        """Close without keeping what was not committed."""
        self._db.close()

    def commit(self, stamp: int, boot_id: str) -> None:
        """Keep everything, as the state of a directory with this stamp, compared in this boot."""
        if self.meta() != (stamp, boot_id):
            self._db.execute("DELETE FROM meta")
            self._db.execute("INSERT INTO meta VALUES (?, ?)", (stamp, boot_id))
        self._db.execute("COMMIT")

    def meta(self) -> tuple[int, str]:
        """Return the stamp of the directory and the boot when both were last compared."""
        row = self._db.execute("SELECT stamp, boot_id FROM meta").fetchone()
        return (int(row[0]), str(row[1])) if row else (0, "")

    def check(self) -> None:
        """Read the whole file. Raises sqlite3.DatabaseError if it is damaged."""
        verdict = self._db.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))

    def get(self, key: Key) -> Reservation | None:
        """Return the reservation of an address."""
        row = self._db.execute(f"SELECT {_ROW} FROM reservations WHERE address = ?", (key,)).fetchone()
        return _reservation(row) if row else None

    def held_by(self, owner: Owner) -> list[Key]:
        """Return what an owner holds, sorted."""
        found = self._db.execute(
            "SELECT address FROM reservations WHERE container_id = ? AND ifname = ? ORDER BY address",
            (owner.container_id, owner.ifname),
        )
        return [key for (key,) in found]

    def reservations(self) -> Iterator[Reservation]:
        """List everything that is held, sorted by address."""
        rows = self._db.execute(f"SELECT {_ROW} FROM reservations ORDER BY address")
        return (_reservation(row) for row in rows)

    def identities(self) -> dict[Key, tuple[int, int]]:
        """Return what every file looked like when it was last read (`Identity`, as a plain tuple)."""
        return {key: (inode, mtime) for key, inode, mtime in self._db.execute(_IDENTITIES)}

    def put(self, one: Reservation) -> None:
        """Note that an address is held: it neither cools nor waits any longer."""
        self._db.execute(
            "INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (one.key, one.owner.container_id, one.owner.ifname, *one[2:5], *one.identity),
        )
        if self._keeps_runs:
            self._db.execute("DELETE FROM cooling WHERE address = ?", (one.key,))
            self._db.execute("DELETE FROM idle WHERE address = ?", (one.key,))
            self._block(one.key)

    def mark(self, table: Literal["cooling", "idle"], key: Key, since: float) -> None:
        """Note that an address cools down, or waits for its pod, since then."""
        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (key, since))
        self._block(key)

    def drop(self, table: Table, key: Key) -> None:
        """Forget one reason to block an address; it is free if that was the last."""
        self._db.execute(f"DELETE FROM {table} WHERE address = ?", (key,))
        if self._keeps_runs and not any(
            self._has(other, key) for other in ("reservations", "cooling", "idle")
        ):
            self._unblock(key)

    def next_free(self, key: Key) -> Key:
        """Return the first address from this one on that nothing blocks."""
        run = self._run_at(key)
        return key if run is None else shift(run[1], 1)

    def cooled(self, now: float, cooldown: float, limit: int) -> list[Key]:
        """Return addresses that cooled for `cooldown` seconds, or since a time that is yet to come."""
        query = "SELECT address FROM cooling WHERE since <= ? OR since > ? LIMIT ?"
        return [key for (key,) in self._db.execute(query, (now - cooldown, now, limit))]

    def oldest_idle(self, spans: Iterable[Span]) -> Key | None:
        """Return what has waited longest for its pod and does not cool."""
        query = (
            "SELECT since, address FROM idle WHERE address BETWEEN ? AND ?"
            " AND address NOT IN (SELECT address FROM cooling) ORDER BY since LIMIT 1"
        )
        found = [row for span in spans if (row := self._db.execute(query, span).fetchone())]
        return min(found)[1] if found else None

    def addresses(self, table: Table) -> list[Key]:
        """Return all addresses of a table."""
        return [key for (key,) in self._db.execute(f"SELECT address FROM {table}")]

    def count(self, table: Table, span: Span) -> int:
        """Return how many addresses of a table are in a span."""
        return self._number(f"SELECT count(*) FROM {table} WHERE address BETWEEN ? AND ?", span)

    def put_runs_off(self) -> None:
        """Let runs, and what `put` ends, be until `make_runs`: cheaper where much changes at once."""
        self._keeps_runs = False

    def make_runs(self) -> None:
        """Make all runs anew."""
        self._keeps_runs = True
        for table in ("cooling", "idle"):
            self._db.execute(f"DELETE FROM {table} WHERE address IN (SELECT address FROM reservations)")
        runs = join_spans((key, key) for (key,) in self._db.execute(_BLOCKED))
        self._db.execute("DELETE FROM runs")
        self._db.executemany("INSERT INTO runs VALUES (?, ?)", runs)

    def runs(self) -> list[Span]:
        """Return all runs, sorted."""
        return [(first, last) for first, last in self._db.execute("SELECT * FROM runs ORDER BY first")]

    def _block(self, key: Key) -> None:
        if not self._keeps_runs or self._run_at(key):
            return
        first, last = key, key
        if before := self._run_at(shift(key, -1)):
            first = before[0]
        if after := self._run_at(shift(key, 1)):
            last = after[1]
            self._db.execute("DELETE FROM runs WHERE first = ?", (after[0],))
        self._db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (first, last))

    def _unblock(self, key: Key) -> None:
        run = self._run_at(key)
        if run is None:
            return
        self._db.execute("DELETE FROM runs WHERE first = ?", (run[0],))
        parts = [(run[0], shift(key, -1)), (shift(key, 1), run[1])]
        rest = [(first, last) for first, last in parts if first <= last]
        self._db.executemany("INSERT INTO runs VALUES (?, ?)", rest)

    def _run_at(self, key: Key) -> Span | None:
        query = "SELECT first, last FROM runs WHERE first <= ? ORDER BY first DESC LIMIT 1"
        row = self._db.execute(query, (key,)).fetchone()
        return (row[0], row[1]) if row and row[1] >= key else None

    def _has(self, table: str, key: Key) -> bool:
        return self._number(f"SELECT count(*) FROM {table} WHERE address = ?", (key,)) > 0

    def _number(self, query: str, values: tuple[Key, ...] = ()) -> int:
        return int(self._db.execute(query, values).fetchone()[0])

    def _create(self) -> None:
        if self._number("SELECT count(*) FROM sqlite_master"):
            raise sqlite3.DatabaseError("an index of another format")
        for statement in _SCHEMA.split(";"):  # executescript would commit
            self._db.execute(statement)


def _inode(path: Path | None) -> int | None:
    try:
        return path.stat().st_ino if path else None
    except OSError:  # thrown away by somebody who found it damaged
        return None


def _reservation(row: tuple[bytes, str, str, str, str, float, int, int]) -> Reservation:
    key, container_id, ifname, boot_id, netns, since, inode, mtime = row
    return Reservation(key, Owner(container_id, ifname), boot_id, netns, since, Identity(inode, mtime))

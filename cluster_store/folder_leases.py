"""The leases of a directory store: one small file each, with the seconds it runs and when it ends.

Time is CLOCK_BOOTTIME, which no clock jump moves and which goes on through a suspend. It means nothing to
another machine that shares the folder, nor after a reboot: so each boot that looks at a lease notes an end of
its own, counted from its first look, and `keep_alive` removes all others. A dead owner's lease thus ends, on
every machine, at most its time after that machine first looked.

    30
    0d5a6f2e-... 8123.417
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from cluster_store.folder import Folder
from cluster_store.store import Delete, LeaseGone
from cluster_store.value_file import Signature, signature_of, write_note


class FolderLeases:
    """One thread's view of the leases. Everything is called while the folder is held."""

    def __init__(self, folder: Folder) -> None:
        self._keys = folder
        self._folder = folder.inner / "leases"
        self._temporary = folder.inner / "tmp"
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._read: dict[str, tuple[Signature, float]] = {}  # when each ends, by file name

    def grant(self, ttl: int) -> int:
        """Begin a lease; return its id."""
        lease = int.from_bytes(os.urandom(7)) + 1
        self._write(lease, ttl)
        return lease

    def keep_alive(self, lease: int) -> int:
        """Start its time anew; return its seconds. Raises LeaseGone."""
        self.refuse_gone(lease)
        ttl, _ = _parse((self._folder / str(lease)).read_text())
        self._write(lease, ttl)
        return ttl

    def refuse_gone(self, lease: int) -> None:
        """Raise LeaseGone if there is no such lease, or has just been."""
        try:
            ttl, ends = _parse((self._folder / str(lease)).read_text())
            if ends.get(self._boot, _now() + ttl) > _now():
                return
            self.end(lease)
        except FileNotFoundError:
            pass
        raise LeaseGone(f"lease {lease} has expired or was revoked")

    def end(self, lease: int) -> None:
        """End a lease and every key under it; the keys first, so that nobody who is killed leaves them."""
        if keys := self._keys.keys_under(lease):
            self._keys.write([Delete(key) for key in keys])
        (self._folder / str(lease)).unlink(missing_ok=True)

    def end_overdue(self) -> float:
        """End those whose time is over; return in how many seconds the next one's will be."""
        ends = self._ends()
        for lease in [lease for lease, end in ends.items() if end <= _now()]:
            self.end(lease)
            del ends[lease]
        return min(ends.values(), default=float("inf")) - _now()

    def _ends(self) -> dict[int, float]:
        found: dict[str, tuple[Signature, float]] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.isascii() and entry.name.isdigit():
                    found[entry.name] = self._end_of(entry)
        self._read = found
        return {int(name): end for name, (_, end) in found.items()}

    def _end_of(self, entry: os.DirEntry[str]) -> tuple[Signature, float]:
        signature = signature_of(entry.stat())
        known = self._read.get(entry.name)
        if known and known[0] == signature:
            return known
        ttl, ends = _parse((self._folder / entry.name).read_text())
        if self._boot not in ends:
            self._write(int(entry.name), ttl, ends)
            ends[self._boot] = _now() + ttl
        return signature, ends[self._boot]

    def _write(self, lease: int, ttl: int, others: dict[str, float] | None = None) -> None:
        ends = (others or {}) | {self._boot: _now() + ttl}
        lines = [str(ttl), *(f"{boot} {end:.3f}" for boot, end in ends.items())]
        write_note(self._folder / str(lease), "\n".join(lines) + "\n", self._temporary)


def _parse(text: str) -> tuple[int, dict[str, float]]:
    """Read a lease's file; a damaged one (a power failure) runs out at once, as any does at a reboot."""
    try:
        ttl, *lines = text.splitlines()
        return int(ttl), {boot: float(end) for boot, end in (line.split() for line in lines)}
    except ValueError:
        return 0, {}


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)

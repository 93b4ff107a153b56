"""Doing at once what comes at once: threads that meet share one action; one alone never waits for company.

Deleting a link or committing to nf_tables is slow because the kernel waits, not because there is much to
do; ten at once take as long as one. Whoever holds the turn acts for everybody who came while the turn
before was running. Nobody is made to wait for others to come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class _Entry(Generic[T]):
    item: T
    is_done: bool = False
    failure: Exception | None = None


@dataclass
class Together(Generic[T]):
    """`act` takes what came together and returns a failure or None for each, in order."""

    act: Callable[[Sequence[T]], Sequence[Exception | None]]
    _waiting: list[_Entry[T]] = field(default_factory=list)
    _door: Lock = field(default_factory=Lock)
    _turn: Lock = field(default_factory=Lock)

    def do(self, item: T) -> None:
        """Have an item acted on, and raise its own failure if it has one."""
        entry = _Entry(item)
        with self._door:
            self._waiting.append(entry)
        with self._turn:
            if not entry.is_done:
                self._act_for_all()
        if entry.failure is not None:
            raise entry.failure

    def _act_for_all(self) -> None:
        with self._door:
            entries, self._waiting = self._waiting, []
        try:
            failures = self.act([entry.item for entry in entries])
        except Exception as failure:  # noqa: BLE001 - it is raised again, by each thread for itself
            failures = [failure] * len(entries)
        for entry, one in zip(entries, failures, strict=True):
            entry.failure, entry.is_done = one, True

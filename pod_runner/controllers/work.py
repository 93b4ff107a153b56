"""What is to be decided: each thing once, however often it was touched, now or later. In memory alone."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class What(StrEnum):
    """Which decision."""

    SET = "set"
    ROLLOUT = "rollout"
    SCHEDULE = "schedule"  # of all pods that wait
    NODE = "node"
    OWNER = "owner"  # has this object's owner gone?
    NAMESPACE = "namespace"
    EVENTS = "events"


class Task(NamedTuple):
    """One thing to decide; `name` is of the object that it is about."""

    what: What
    namespace: str = ""
    name: str = ""
    kind: str = ""  # where a decision is about several


class Work:
    """Tasks that are due, in the order they were touched, and those that will be. Times are `now`'s."""

    def __init__(self) -> None:
        self._due: dict[Task, None] = {}
        self._later: list[tuple[float, Task]] = []
        self._at: dict[Task, float] = {}  # the earliest of each task's times
        self._waiting: dict[str, set[Task]] = {}  # by the key of which news are awaited

    def touch(self, tasks: Iterable[Task]) -> None:
        """Have these decided."""
        self._due |= dict.fromkeys(tasks)

    def later(self, task: Task, at: float) -> None:
        """Have it decided at a point in time, if it is not sooner."""
        if at < self._at.get(task, float("inf")):
            self._at[task] = at
            heapq.heappush(self._later, (at, task))

    def after(self, task: Task, key: str) -> None:
        """Have it decided when there are news of a key."""
        self._waiting.setdefault(key, set()).add(task)

    def heard(self, key: str) -> None:
        """Take note of news of a key."""
        self.touch(self._waiting.pop(key, ()))

    def take(self, now: float) -> Task | None:
        """Return one that is due, None if none is."""
        self._ripen(now)
        task = next(iter(self._due), None)
        if task is not None:
            del self._due[task]
        return task

    def next_at(self, now: float) -> float | None:
        """Return when something is due: `now`, later, or None for never."""
        self._ripen(now)
        if self._due:
            return now
        return self._later[0][0] if self._later else None

    def clear(self) -> None:
        """Forget all."""
        self._due.clear()
        self._later.clear()
        self._at.clear()
        self._waiting.clear()

    def __len__(self) -> int:
        """Return how many are due."""
        return len(self._due)

    def _ripen(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            at, task = heapq.heappop(self._later)
            if self._at.get(task) == at:
                del self._at[task]
                self._due[task] = None

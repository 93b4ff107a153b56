"""Events of the controllers: a few at a time, beside what they are about; the newest, if there are too many.

An event is for a person. It is no part of a decision, and lost if the store is away.
"""

from __future__ import annotations

from collections.abc import Callable

from pod_runner.cluster.events import Happening, body_of
from pod_runner.cluster.objects import Object, Ref
from pod_runner.controllers.writing import Part, Writer, new, put

MOST = 200  # that wait; as many as a cluster keeps (cluster.events.KEPT)
AT_ONCE = 50  # of a commit
EVERY = 0.5  # seconds between two commits


class Happenings:
    """What has happened and was not written yet."""

    def __init__(self) -> None:
        self._waiting: dict[Ref, Happening] = {}
        self._next_at = 0.0

    def tell(self, happening: Happening) -> None:
        """Have it written soon."""
        self._waiting.pop(happening.ref, None)
        self._waiting[happening.ref] = happening
        if len(self._waiting) > MOST:
            del self._waiting[next(iter(self._waiting))]

    def next_at(self) -> float | None:
        """Return when to write, None for never."""
        return self._next_at if self._waiting else None

    def write(self, writer: Writer, find: Callable[[Ref], Object | None], now: float, wall: float) -> None:
        """Write some, if it is time. Raises as `Writer.write`."""
        if not self._waiting or now < self._next_at:
            return
        self._next_at = now + EVERY
        parts = []
        for ref in list(self._waiting)[:AT_ONCE]:
            if writer.awaited((ref.key,)):
                continue
            happening, before = self._waiting.pop(ref), find(ref)
            body = body_of(happening, before.body if before else None, wall)
            parts.append(put(before, body) if before else new(ref, body))
        if parts:
            writer.write(Part(()), parts)

    def clear(self) -> None:
        """Forget all: somebody else tells."""
        self._waiting.clear()

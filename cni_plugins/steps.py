"""DEL and GC: go on after a failure, report them all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cni_spec.errors import CniError
from linuxnet.errors import Busy, Conflict, KernelError, MissingTool

FAILURES = (CniError, KernelError, Conflict, MissingTool, Busy)


class Steps:
    """Run steps that do not depend on each other; the first failure is raised at the end, with the rest."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, Exception]] = []

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Run one step; a failure is kept for `finish`."""
        try:
            yield
        except FAILURES as failure:
            self.failures.append((what, failure))

    def finish(self) -> None:
        """Raise the first failure, the others as its notes."""
        if not self.failures:
            return
        _, first = self.failures[0]
        for what, other in self.failures[1:]:
            first.add_note(f"{what}: {other}")
        raise first

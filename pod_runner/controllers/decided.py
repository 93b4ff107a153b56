"""Decided: what a decision comes to, before it is written. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pod_runner.cluster.events import Happening
from pod_runner.controllers.writing import Part


@dataclass(frozen=True)
class Decided:
    """What a decision writes: the core first, others with it as far as they fit. `again_in`: seconds."""

    core: Part
    parts: tuple[Part, ...] = ()
    told: tuple[Happening, ...] = ()
    again_in: float | None = None

    @property
    def is_nothing(self) -> bool:
        """Tell whether there is nothing to write."""
        return not self.core.changes and not self.parts


NOTHING = Decided(Part(()))

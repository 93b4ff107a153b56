"""What the loop is told, by whichever thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pod_runner.cluster.bodies import JsonObject
from pod_runner.cluster.following import Seen
from pod_runner.node.starting import Done
from pod_runner.node.wanted import WantedPod


@dataclass(frozen=True)
class Told:
    """A supervisor has said what its pod is; None: it has ended, or there is none."""

    uid: str
    status: JsonObject | None


@dataclass(frozen=True)
class Followed:
    """What the store's follower has seen."""

    seen: list[Seen]


@dataclass(frozen=True)
class Statics:
    """All pods of the folder of static pods, as it is now."""

    pods: Mapping[str, WantedPod]


@dataclass(frozen=True)
class Look:
    """The folders are to be looked at."""


@dataclass(frozen=True)
class Leave:
    """The loop is to end."""


Message = Told | Followed | Statics | Done | Look | Leave

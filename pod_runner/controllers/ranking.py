"""Which pods of a set go first when it has too many: as Kubernetes' ReplicaSet controller ranks them. Pure.

kubernetes/pkg/controller/controller_utils.go, ActivePodsWithRanks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pod_runner.controllers.views import PodView

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def going_first(pods: Iterable[PodView], neighbours: Iterable[PodView]) -> Sequence[PodView]:
    """Return active pods, the one that is missed least first.

    `neighbours`: the active pods of the same application, these among them: where many share a node, one of
    those goes before one that stands alone.
    """
    crowd = Counter(pod.node for pod in neighbours)
    return sorted(pods, key=lambda pod: _rank(pod, crowd[pod.node]))


def _rank(pod: PodView, crowd: int) -> tuple[object, ...]:
    return (
        bool(pod.node),
        _PHASES.get(pod.phase, 0),
        pod.is_ready,
        pod.deletion_cost,
        -crowd,
        -pod.ready_since if pod.is_ready else 0.0,
        -pod.restarts,
        -pod.created,
        pod.ref,  # the same whoever decides
    )

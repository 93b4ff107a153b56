"""Deployment, ReplicaSet, ConfigMap and Namespace, typed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pod_runner.manifests.model import KubeModel, LabelSelector, Metadata
from pod_runner.manifests.pod import PodTemplate

QUARTER = "25%"  # apps/v1: how many more and how many fewer a rolling update takes
FOREVER = 2**31 - 1  # progressDeadlineSeconds without a deadline (apps/v1)


class RollingUpdate(KubeModel):
    """Pods more than wanted, and pods fewer, through an update: numbers, or percentages of the replicas."""

    max_surge: int | str = QUARTER
    max_unavailable: int | str = QUARTER

    def surge(self, replicas: int) -> int:
        """Return how many more there may be; a part of one counts as one."""
        return _part(self.max_surge, replicas, rounds_up=True)

    def unavailable(self, replicas: int) -> int:
        """Return how many may be missing: whole ones, but one where nothing could move otherwise."""
        missing = _part(self.max_unavailable, replicas, rounds_up=False)
        return missing if missing or self.surge(replicas) else 1


def _part(given: int | str, replicas: int, *, rounds_up: bool) -> int:
    if isinstance(given, int):
        return given
    hundredfold = int(given.removesuffix("%")) * replicas
    return -(-hundredfold // 100) if rounds_up else hundredfold // 100


class Strategy(KubeModel):
    """How pods of an old template give way."""

    type: Literal["RollingUpdate", "Recreate"] = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate()


class DeploymentSpec(KubeModel):
    """What a deployment is to be; times in seconds."""

    selector: LabelSelector
    template: PodTemplate
    replicas: int = 1
    strategy: Strategy = Strategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10
    progress_deadline_seconds: int = 600
    paused: bool = False


class Deployment(KubeModel):
    """A deployment."""

    metadata: Metadata
    spec: DeploymentSpec


class ReplicaSetSpec(KubeModel):
    """What a replica set is to be."""

    selector: LabelSelector
    template: PodTemplate
    replicas: int = 1
    min_ready_seconds: int = 0


class ReplicaSet(KubeModel):
    """A replica set."""

    metadata: Metadata
    spec: ReplicaSetSpec


class ConfigMap(KubeModel):
    """Texts by key."""

    metadata: Metadata
    data: dict[str, str] = Field(default_factory=dict)
    immutable: bool = False


class Namespace(KubeModel):
    """A namespace."""

    metadata: Metadata

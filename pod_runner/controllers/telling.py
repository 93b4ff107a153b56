"""How far a rollout is, in the words of `kubectl rollout status`. Pure."""

from __future__ import annotations

from typing import NamedTuple

from pod_runner.cluster.bodies import number, text
from pod_runner.cluster.objects import Object
from pod_runner.controllers.conditions import condition
from pod_runner.controllers.progress import LATE


class Told(NamedTuple):
    """A sentence; whether the rollout has come to its end; whether it came to none in time."""

    sentence: str
    is_done: bool = False
    is_late: bool = False


def rollout_status(deployment: Object) -> Told:
    """Say how far a deployment's rollout is (k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go)."""
    body, status = deployment.body, deployment.status
    if number(body, "metadata", "generation") > number(status, "observedGeneration"):
        return Told("Waiting for deployment spec update to be observed...")
    name = deployment.name
    if text(condition(body, "Progressing"), "reason") == LATE:
        return Told(f'deployment "{name}" exceeded its progress deadline', is_late=True)
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    wanted = number(deployment.spec, "replicas", default=1)
    present, updated = number(status, "replicas"), number(status, "updatedReplicas")
    available = number(status, "availableReplicas")
    if updated < wanted:
        return Told(f"{waiting}{updated} out of {wanted} new replicas have been updated...")
    if present > updated:
        return Told(f"{waiting}{present - updated} old replicas are pending termination...")
    if available < updated:
        return Told(f"{waiting}{available} of {updated} updated replicas are available...")
    return Told(f'deployment "{name}" successfully rolled out', is_done=True)

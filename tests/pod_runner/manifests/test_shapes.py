"""Manifests as people have them are accepted, or refused by field with the reason."""

from __future__ import annotations

import kubernetes_validate
import pytest

from pod_runner.manifests.model import KubeModel
from pod_runner.manifests.pod import Pod
from pod_runner.manifests.problems import JsonObject
from pod_runner.manifests.reading import Placed, read
from pod_runner.manifests.workload import ConfigMap, Deployment, Namespace, ReplicaSet
from tests.pod_runner.manifests.examples import Shape, line_of, shapes

MODELS: dict[str, type[KubeModel]] = {
    "Pod": Pod, "Deployment": Deployment, "ReplicaSet": ReplicaSet, "ConfigMap": ConfigMap,
    "Namespace": Namespace,
}  # fmt: skip
SHAPES = shapes()
ACCEPTED = [one for shape in SHAPES for one in read(shape.text, shape.name).objects]


def test_there_are_many() -> None:
    assert len(SHAPES) >= 60
    assert len(ACCEPTED) >= 60


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_shape_is_taken_or_refused_by_field(shape: Shape) -> None:
    reading = read(shape.text, "shape.yaml")
    assert tuple(line_of(one) for one in reading.problems) == shape.expected
    assert bool(reading.objects) != bool(reading.errors)


@pytest.mark.parametrize("placed", ACCEPTED, ids=lambda one: f"{one.kind}-{one.name}")
def test_what_is_accepted_is_kubernetes_and_fits_the_models(placed: Placed) -> None:
    kubernetes_validate.validate(placed.body, "1.30", strict=True)
    if placed.kind in MODELS:
        MODELS[placed.kind].model_validate(placed.body)


def _leaves(value: object, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return {leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}")} or {path}
    if isinstance(value, list):
        return {leaf for index, item in enumerate(value) for leaf in _leaves(item, f"{path}[{index}]")}
    return {f"{path}={value}"} if value is not None else set()


@pytest.mark.parametrize("placed", ACCEPTED, ids=lambda one: f"{one.kind}-{one.name}")
def test_defaults_take_nothing_away(placed: Placed) -> None:
    given: JsonObject = placed.given
    assert _leaves(given) <= _leaves(placed.body) | {leaf for leaf in _leaves(given) if "=" not in leaf}

"""What cannot become something else is named."""

from __future__ import annotations

from copy import deepcopy

import pytest

from pod_runner.manifests.problems import JsonObject
from pod_runner.manifests.reading import read
from pod_runner.manifests.updates import FIXED, judge_update

TEXT = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: web, image: "nginx:1"}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec: {containers: [{name: web, image: "nginx:1"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {a: b}
immutable: true
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.10, ports: [{port: 80}]}
"""
OBJECTS = {one.kind: one.body for one in read(TEXT, "x").objects}


def _changed(kind: str, route: tuple[str | int, ...], value: object) -> JsonObject:
    body = deepcopy(OBJECTS[kind])
    inner: object = body
    for part in route[:-1]:
        inner = inner[part]  # type: ignore[index]  # a route of a body that is known
    if value is None:
        del inner[route[-1]]  # type: ignore[attr-defined]  # the same
    else:
        inner[route[-1]] = value  # type: ignore[index]  # the same
    return body


@pytest.mark.parametrize(
    ("kind", "route", "value"),
    [
        ("Pod", ("metadata", "name"), "other"),
        ("Pod", ("metadata", "namespace"), "other"),
        ("Pod", ("spec", "restartPolicy"), "Never"),
        ("Pod", ("spec", "containers", 0, "command"), ["x"]),
        ("Deployment", ("spec", "selector"), {"matchLabels": {"tier": "front"}}),
        ("ConfigMap", ("immutable",), None),
        ("Service", ("spec", "clusterIP"), "10.96.0.11"),
    ],
)
def test_what_is_fixed_is_named(kind: str, route: tuple[str | int, ...], value: object) -> None:
    (problem,) = judge_update(OBJECTS[kind], _changed(kind, route, value))
    assert (problem.route, problem.sentence) == (route, FIXED)


@pytest.mark.parametrize(
    ("kind", "route", "value"),
    [
        ("Pod", ("metadata", "labels"), {"a": "b"}),
        ("Pod", ("spec", "containers", 0, "image"), "nginx:2"),
        ("Pod", ("spec", "tolerations"), [{"operator": "Exists"}]),
        ("Deployment", ("spec", "replicas"), 5),
        ("Deployment", ("spec", "template", "spec", "containers", 0, "image"), "nginx:2"),
        ("ConfigMap", ("metadata", "labels"), {"a": "b"}),
        ("Service", ("spec", "clusterIP"), None),
        ("Service", ("spec", "ports"), [{"port": 81}]),
    ],
)
def test_the_rest_may_change(kind: str, route: tuple[str | int, ...], value: object) -> None:
    assert judge_update(OBJECTS[kind], _changed(kind, route, value)) == []


def test_a_container_more_is_another_pod() -> None:
    containers = [{"name": "web", "image": "nginx:1"}, {"name": "two", "image": "nginx:1"}]
    changed = _changed("Pod", ("spec", "containers"), containers)
    assert ("spec", "containers") in [one.route for one in judge_update(OBJECTS["Pod"], changed)]


def test_a_node_that_was_chosen_is_no_change() -> None:
    bound = _changed("Pod", ("spec", "nodeName"), "node1")
    assert judge_update(bound, OBJECTS["Pod"]) == []
    assert judge_update(bound, _changed("Pod", ("spec", "nodeName"), "node2")) != []


def test_immutable_data_stays() -> None:
    (problem,) = judge_update(OBJECTS["ConfigMap"], _changed("ConfigMap", ("data",), {"a": "c"}))
    assert problem.path == "data"

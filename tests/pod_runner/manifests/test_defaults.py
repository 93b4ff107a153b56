"""What a manifest leaves open is filled in as an API server does."""

from __future__ import annotations

import pytest

from pod_runner.manifests.defaults import pull_policy, with_defaults
from pod_runner.manifests.judging import judge
from pod_runner.manifests.problems import JsonObject

POD: JsonObject = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"a": None}},
    "spec": {
        "hostNetwork": True,
        "nodeSelector": None,
        "dnsPolicy": "",
        "containers": [
            {
                "name": "web",
                "image": "nginx:1.25",
                "ports": [{"containerPort": 80}],
                "livenessProbe": {"httpGet": {"port": 80}},
                "resources": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "500m"}},
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            }
        ],
        "volumes": [{"name": "empty"}, {"name": "config", "configMap": {"name": "c"}}],
    },
}
FILLED = {
    "hostNetwork": True,
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "enableServiceLinks": True,
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "containers": [
        {
            "name": "web",
            "image": "nginx:1.25",
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
            "livenessProbe": {
                "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                "periodSeconds": 10,
                "timeoutSeconds": 1,
                "successThreshold": 1,
                "failureThreshold": 3,
            },
            "resources": {
                "limits": {"cpu": "1", "memory": "64Mi"},
                "requests": {"cpu": "500m", "memory": "64Mi"},
            },
            "env": [
                {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}}
            ],
        }
    ],
    "volumes": [
        {"name": "empty", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "c", "defaultMode": 420}},
    ],
}


def _errors(body: JsonObject) -> list[str]:
    return [f"{one}" for one in judge(body) if one.is_error]


def test_a_pod_is_filled_in() -> None:
    assert _errors(POD) == []
    assert with_defaults(POD) == {**POD, "metadata": {"name": "web", "labels": {"a": ""}}, "spec": FILLED}


def test_what_was_filled_in_is_good_and_stays_as_it_is() -> None:
    once = with_defaults(POD)
    assert _errors(once) == []
    assert with_defaults(once) == once


def test_the_given_object_is_left_alone() -> None:
    before = repr(POD)
    with_defaults(POD)
    assert repr(POD) == before


def _deployment(spec: JsonObject) -> JsonObject:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "host"}]}}
    wanted = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": wanted}


ROLLING = {"maxSurge": "25%", "maxUnavailable": "25%"}


@pytest.mark.parametrize(
    ("given", "strategy"),
    [
        ({}, {"type": "RollingUpdate", "rollingUpdate": ROLLING}),
        ({"strategy": {"type": "Recreate"}}, {"type": "Recreate"}),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0}}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}},
        ),
    ],
)
def test_a_deployment_rolls_by_a_quarter(given: JsonObject, strategy: JsonObject) -> None:
    spec = with_defaults(_deployment(given))["spec"]
    assert isinstance(spec, dict)
    assert spec["strategy"] == strategy
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_a_service_is_filled_in() -> None:
    body: JsonObject = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}], "sessionAffinity": "ClientIP"},
    }
    assert with_defaults(body)["spec"] == {
        "type": "NodePort",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "internalTrafficPolicy": "Cluster",
        "externalTrafficPolicy": "Cluster",
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1.25", "IfNotPresent"),
        ("host", "IfNotPresent"), ("localhost:5000/a", "Always"), ("localhost:5000/a:1", "IfNotPresent"),
        ("a@sha256:00", "IfNotPresent"),
    ],
)  # fmt: skip
def test_images_are_pulled_as_their_tag_says(image: str, policy: str) -> None:
    assert pull_policy(image) == policy

"""What an API server fills in: defaults of the table, and those that depend on something else. Pure."""

from __future__ import annotations

from copy import deepcopy

from pod_runner.manifests.fields import ListOf, MapOf, Section, Supported, Type, Words, table
from pod_runner.manifests.problems import JsonObject

HOST_IMAGE = "host"  # no image: the node's own root
LATEST = ("latest", "")


def with_defaults(body: JsonObject) -> JsonObject:
    """Return a body without errors with everything filled in that it leaves open; null is open, too."""
    kind = body.get("kind")
    filled = _filled(Section(str(kind)), body)
    assert isinstance(filled, dict)
    spec = filled.get("spec")
    if kind == "Pod":
        _fill_pod(spec)
    elif kind in ("Deployment", "ReplicaSet") and isinstance(spec, dict):
        _fill_pod(spec["template"]["spec"])
        _fill_strategy(spec.get("strategy"))
    elif kind == "Service" and isinstance(spec, dict):
        _fill_service(spec)
    return filled


def _filled(of_type: Type, value: object) -> object:
    """Return a value as it was, without nulls, with the table's defaults in all its sections."""
    if isinstance(of_type, Section) and isinstance(value, dict):
        fields = table().sections[of_type.name]
        filled = {key: _in_field(fields.get(key), item) for key, item in value.items() if item is not None}
        for name, field in fields.items():
            if not isinstance(field, Supported):
                continue
            if isinstance(field.type, Words) and filled.get(name) == "" and "" not in field.type.words:
                del filled[name]
            if field.default is not None and name not in filled:
                filled[name] = _filled(field.type, deepcopy(field.default))
        return filled
    if isinstance(of_type, ListOf) and isinstance(value, list):
        return [_filled(of_type.inner, item) for item in value]
    if isinstance(of_type, MapOf) and isinstance(value, dict):
        return {key: "" if item is None else _filled(of_type.inner, item) for key, item in value.items()}
    return value


def _in_field(field: object, value: object) -> object:
    return _filled(field.type, value) if isinstance(field, Supported) else deepcopy(value)


def _fill_pod(spec: object) -> None:
    assert isinstance(spec, dict)
    for key in ("initContainers", "containers"):
        for container in spec.get(key, []):
            container.setdefault("imagePullPolicy", pull_policy(str(container.get("image", ""))))
            limits = container["resources"].get("limits", {})
            if limits:  # core/v1: a request that is not there is as large as the limit
                requests = container["resources"].setdefault("requests", {})
                container["resources"]["requests"] = {**limits, **requests}
            if spec.get("hostNetwork"):
                for port in container.get("ports", []):
                    port.setdefault("hostPort", port["containerPort"])
    for volume in spec.get("volumes", []):
        if set(volume) == {"name"}:
            volume["emptyDir"] = {}


def _fill_strategy(strategy: object) -> None:
    if isinstance(strategy, dict) and strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = _filled(
            Section("RollingUpdateDeployment"), strategy.get("rollingUpdate", {})
        )


def _fill_service(spec: JsonObject) -> None:
    for port in _objects(spec.get("ports")):
        if port.get("targetPort") in (None, "", 0) and spec.get("clusterIP") != "None":
            port["targetPort"] = port["port"]
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})


def _objects(value: object) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def pull_policy(image: str) -> str:
    """Return what holds for an image of which nothing is said: Always for `latest`, or without a tag."""
    name = image.rpartition("/")[2]
    if "@" in name or image == HOST_IMAGE:
        return "IfNotPresent"
    return "Always" if name.partition(":")[2] in LATEST else "IfNotPresent"

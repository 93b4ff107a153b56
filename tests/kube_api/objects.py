"""The Nodes an API server keeps: server-side apply and merge. It answers as 1.36 does."""

from __future__ import annotations

import copy
import json

from tests.kube_api.collection import ApiError, Json, Objects, Resource, Revision, merge

__all__ = ["ApiError", "Json", "NodeObjects", "managers", "partial"]

# What the server fills in of its own accord, as recorded from 1.36.
EMPTY_STATUS: Json = {
    "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
    "nodeInfo": dict.fromkeys(
        (
            "architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion",
            "kubeletVersion", "machineID", "operatingSystem", "osImage", "systemUUID",
        ),
        "",
    ),
}  # fmt: skip


class NodeObjects(Objects):
    """Nodes, as others write them, too."""

    def __init__(self, revision: Revision | None = None) -> None:
        super().__init__(Resource("", "nodes", "Node", False), revision)

    @property
    def nodes(self) -> dict[str, Json]:
        """Return all by name."""
        return self.items

    def create(self, body: Json) -> Json:
        """Make a Node, as the kubelet and the node controller do."""
        return super().create({**body, "status": EMPTY_STATUS | body.get("status", {})})

    def annotate(self, name: str, **annotations: str | None) -> Json:
        """Set or remove (None) annotations of flannel's; "_" stands for "-"."""
        named = {f"flannel.alpha.coreos.com/{key.replace('_', '-')}": one for key, one in annotations.items()}

        def change(node: Json) -> None:
            merge(node, {"metadata": {"annotations": named}})

        return self.update(name, change)

    def merge(self, name: str, body: Json, *, is_status: bool, manager: str) -> Json:
        """Patch by RFC 7386."""
        with self.changed:
            node = copy.deepcopy(self.get(name))
            self._check_preconditions(name, node, body)
            before = copy.deepcopy(node)
            merge(node, _within(body, is_status))
            _record_manager(node, manager, "Update", is_status, {})
            return self._keep("MODIFIED", node) if _said(node) != _said(before) else before

    def apply(self, name: str, body: Json, *, is_status: bool, manager: str, force: bool) -> Json:
        """Apply on the server's side: annotations and conditions, which is all that anybody here applies."""
        with self.changed:
            node = copy.deepcopy(self.get(name))
            self._check_preconditions(name, node, body)
            before = copy.deepcopy(node)
            wanted = _within(body, is_status)
            _apply_annotations(node, wanted, manager, is_status, force)
            for condition in wanted.get("status", {}).get("conditions", []):
                listed = node["status"].setdefault("conditions", [])
                listed[:] = [one for one in listed if one["type"] != condition["type"]] + [condition]
            owned = sorted(wanted.get("metadata", {}).get("annotations", {}))
            _record_manager(node, manager, "Apply", is_status, {"annotations": owned})
            return self._keep("MODIFIED", node) if _said(node) != _said(before) else before

    def _check_preconditions(self, name: str, node: Json, body: Json) -> None:
        metadata = body.get("metadata", {})
        where = f'Operation cannot be fulfilled on nodes "{name}"'
        if metadata.get("uid", node["metadata"]["uid"]) != node["metadata"]["uid"]:
            raise ApiError(409, "Conflict", f"{where}: Precondition failed: UID in precondition")
        if (
            metadata.get("resourceVersion", node["metadata"]["resourceVersion"])
            != (node["metadata"]["resourceVersion"])
        ):
            said = f"{where}: the object has been modified; please apply your changes to the latest version"
            raise ApiError(409, "Conflict", f"{said} and try again")


def partial(node: Json) -> Json:
    """Return an object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": node["metadata"]}


def managers(node: Json) -> dict[str, Json]:
    """Return who owns which annotations by applying: {manager: entry}."""
    return {one["manager"]: one for one in node["metadata"].get("managedFields", [])}


def _within(body: Json, is_status: bool) -> Json:
    """Leave out what the end point does not change: spec by status, status by the object itself."""
    return {key: value for key, value in body.items() if key != ("spec" if is_status else "status")}


def _apply_annotations(node: Json, wanted: Json, manager: str, is_status: bool, force: bool) -> None:
    named = wanted.get("metadata", {}).get("annotations", {})
    there = node["metadata"].setdefault("annotations", {})
    for key, value in named.items():
        if key in there and there[key] != value and not force:
            owner = next((who for who, one in managers(node).items() if who != manager), "kubectl-create")
            said = f'conflict with "{owner}" using v1: .metadata.annotations.{key}'
            raise ApiError(409, "Conflict", f"Apply failed with 1 conflict: {said}")
    entry = managers(node).get(manager, {})
    for key in entry.get("fieldsV1", {}).get("annotations", []):
        if key not in named:
            there.pop(key, None)
    there |= named


def _record_manager(node: Json, manager: str, operation: str, is_status: bool, fields: Json) -> None:
    entry = {
        "manager": manager, "operation": operation, "apiVersion": "v1", "time": "2026-11-20T20:12:20Z",
        "fieldsType": "FieldsV1", "fieldsV1": fields, **({"subresource": "status"} if is_status else {}),
    }  # fmt: skip
    listed = node["metadata"].setdefault("managedFields", [])
    keys = ("manager", "operation", "subresource")
    listed[:] = [one for one in listed if any(one.get(k) != entry.get(k) for k in keys)] + [entry]


def _said(node: Json) -> str:
    return json.dumps(node, sort_keys=True)

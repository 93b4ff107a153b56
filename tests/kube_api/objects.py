"""The Nodes an API server keeps: versions, history, server-side apply. It answers as 1.36 does."""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

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


class ApiError(Exception):
    """A refusal."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    @property
    def status(self) -> Json:
        """Return the Status that tells of it."""
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        }  # fmt: skip


class NodeObjects:
    """Nodes, and what happened to them. `changed` is notified of everything."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.version = 200
        self.compacted = 0  # history up to here is forgotten
        self.nodes: dict[str, Json] = {}
        self.history: list[tuple[int, str, Json]] = []
        self._pages: dict[str, tuple[int, list[Json]]] = {}

    def create(self, body: Json) -> Json:
        """Make a Node, as the kubelet and the node controller do."""
        with self.changed:
            node = copy.deepcopy(body)
            metadata = node.setdefault("metadata", {})
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.setdefault("creationTimestamp", "2026-11-20T20:12:19Z")
            node = {"apiVersion": "v1", "kind": "Node", **node}
            node.setdefault("spec", {})
            node["status"] = EMPTY_STATUS | node.get("status", {})
            return self._keep("ADDED", node)

    def update(self, name: str, change: Callable[[Json], object]) -> Json:
        """Change a Node, as some other client does."""
        with self.changed:
            node = copy.deepcopy(self.get(name))
            change(node)
            return self._keep("MODIFIED", node)

    def annotate(self, name: str, **annotations: str | None) -> Json:
        """Set or remove (None) annotations of flannel's; "_" stands for "-"."""
        named = {f"flannel.alpha.coreos.com/{key.replace('_', '-')}": one for key, one in annotations.items()}

        def change(node: Json) -> None:
            _merge(node, {"metadata": {"annotations": named}})

        return self.update(name, change)

    def delete(self, name: str) -> None:
        """Remove a Node."""
        with self.changed:
            self._keep("DELETED", copy.deepcopy(self.nodes[name]))
            del self.nodes[name]

    def compact(self) -> None:
        """Forget what happened until now, and every list whose pages are being read."""
        with self.changed:
            self.version += 1
            self.compacted = self.version
            self._pages.clear()
            self.changed.notify_all()

    def get(self, name: str) -> Json:
        """Return a Node. Raises ApiError 404."""
        if name not in self.nodes:
            raise ApiError(404, "NotFound", f'nodes "{name}" not found')
        return self.nodes[name]

    def page(self, limit: int, token: str) -> tuple[list[Json], Json]:
        """Return one page of a list, and the list's metadata."""
        with self.changed:
            if token and token not in self._pages:
                said = "The provided continue parameter is too old to display a consistent list result."
                raise ApiError(410, "Expired", said)
            version, left = self._pages.get(
                token, (self.version, [self.nodes[n] for n in sorted(self.nodes)])
            )
            metadata: Json = {"resourceVersion": f"{version}"}
            if limit and len(left) > limit:
                following = uuid.uuid4().hex
                self._pages[following] = (version, left[limit:])
                metadata |= {"continue": following, "remainingItemCount": len(left) - limit}
            return left[: limit or None], metadata

    def check_known(self, version: int) -> None:
        """See that a watch can begin there; compaction does not touch one that runs. Raises ApiError 410."""
        if version < self.compacted:
            raise ApiError(410, "Expired", f"too old resource version: {version} ({self.compacted})")

    def since(self, version: int) -> list[tuple[int, str, Json]]:
        """Return what happened after a version."""
        return [one for one in self.history if one[0] > version]

    def merge(self, name: str, body: Json, *, is_status: bool, manager: str) -> Json:
        """Patch by RFC 7386."""
        with self.changed:
            node = copy.deepcopy(self.get(name))
            self._check_preconditions(name, node, body)
            before = copy.deepcopy(node)
            _merge(node, _within(body, is_status))
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

    def _keep(self, kind: str, node: Json) -> Json:
        self.version += 1
        node["metadata"]["resourceVersion"] = f"{self.version}"
        self.nodes[node["metadata"]["name"]] = node
        self.history.append((self.version, kind, node))
        self.changed.notify_all()
        return node


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


def _merge(target: Json, patch: Json) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            _merge(target[key], value)
        else:
            target[key] = value

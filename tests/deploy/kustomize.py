"""As much of kustomize as deploy/kubernetes uses: resources, and strategic merge patches.

Whatever else a kustomization says is refused here, so that no overlay can rely on what is not tested.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
HEAD = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
# By which key a patch finds its element of a list ("x-kubernetes-patch-merge-key" of Kubernetes' OpenAPI);
# other lists are replaced.
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}

Json = dict[str, Any]


def expand(folder: Path) -> list[Json]:
    """Return the objects of a kustomization. Raises AssertionError for what kustomize would refuse."""
    body = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert body.keys() <= {*HEAD, "resources", "patches"} and HEAD.items() <= body.items()
    objects = [one for name in body["resources"] for one in _resource(folder / name)]
    named = {identity(one): one for one in objects}
    assert len(named) == len(objects), f"{folder}: two objects have one name"
    for patch in body.get("patches", []):
        assert patch.keys() == {"path"}
        for one in _documents(folder / patch["path"]):
            assert identity(one) in named, f"{patch['path']} patches {identity(one)}, which there is not"
            named[identity(one)] = merged(named[identity(one)], one)
    return list(named.values())


def identity(one: Json) -> tuple[str, str, str, str]:
    """Return what makes an object this one."""
    metadata = one["metadata"]
    return one["apiVersion"], one["kind"], metadata.get("namespace", ""), metadata["name"]


def merged(before: Any, patch: Any, key: str = "") -> Any:
    """Lay a strategic merge patch over a value; `key` is the value's own."""
    if isinstance(before, dict) and isinstance(patch, dict):
        assert not any(one.startswith("$") for one in patch), "directives are not known here"
        result = {name: merged(value, patch[name], name) if name in patch else value for name, value in before.items()}  # fmt: skip # noqa: E501
        fresh = {name: deepcopy(value) for name, value in patch.items() if name not in before}
        return {name: value for name, value in (result | fresh).items() if value is not None}
    if isinstance(before, list) and isinstance(patch, list) and key in MERGE_KEYS:
        by = MERGE_KEYS[key]
        found = {one[by]: one for one in before}
        for one in patch:
            found[one[by]] = merged(found[one[by]], one) if one[by] in found else deepcopy(one)
        return list(found.values())
    return deepcopy(patch)


def _resource(path: Path) -> list[Json]:
    return expand(path) if path.is_dir() else _documents(path)


def _documents(path: Path) -> list[Json]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one is not None]

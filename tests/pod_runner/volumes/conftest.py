"""A pod's order that tests fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.order import NodePlaces, PodOrder

Made = tuple[PodOrder, Pod]
Make = Callable[..., Made]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes a pod with these fields of its spec; ConfigMaps and places by keyword."""

    def make_pod(
        config_maps: dict[str, dict[str, str]] | None = None,
        places: dict[str, object] | None = None,
        **spec: object,
    ) -> Made:
        metadata = {
            "name": "web-1", "namespace": "shop", "uid": "u-1", "labels": {"app": "web"},
            "annotations": {"note": 'say "hi"'},
        }  # fmt: skip
        spec.setdefault("containers", [{"name": "main", "image": "host"}])
        body: dict[str, object] = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        node = NodePlaces(
            name="node1", address="192.0.2.1", pods=f"{tmp_path}/pods", images=f"{tmp_path}/images",
            volumes=f"{tmp_path}/volumes",
        )  # fmt: skip
        node = replace(node, **(places or {}))  # type: ignore[arg-type]  # by name, of any type
        return PodOrder(body, node, config_maps or {}), Pod.model_validate(body)

    return make_pod

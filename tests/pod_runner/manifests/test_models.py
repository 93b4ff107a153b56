"""The typed models have the fields that the table calls supported, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest

from pod_runner.manifests.fields import ListOf, Section, Supported, Type, table
from pod_runner.manifests.model import KubeModel, Metadata
from pod_runner.manifests.pod import Pod
from pod_runner.manifests.workload import ConfigMap, Deployment, Namespace, ReplicaSet

# what a reader of a typed object has no use for: it holds for all, or says which object it is
NOT_MODELLED = {
    "Pod.apiVersion", "Pod.kind", "Deployment.apiVersion", "Deployment.kind", "ReplicaSet.apiVersion",
    "ReplicaSet.kind", "ConfigMap.apiVersion", "ConfigMap.kind", "Namespace.apiVersion", "Namespace.kind",
    "ObjectFieldSelector.apiVersion", "PodSpec.schedulerName", "PodSpec.os",
}  # fmt: skip
# what the cluster writes and its readers want, of objects and of templates
CLUSTERS = {
    "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds",
}  # fmt: skip
NO_TEMPLATES = {"name", "namespace", "ownerReferences"}
SERVICES = {"Service", "ServiceSpec", "ServicePort", "SessionAffinityConfig", "ClientIPConfig"}


def _models_in(annotation: Any) -> Iterator[type[KubeModel]]:
    if isinstance(annotation, type) and issubclass(annotation, KubeModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _sections_in(of_type: Type) -> Iterator[str]:
    if isinstance(of_type, Section):
        yield of_type.name
    elif isinstance(of_type, ListOf):
        yield from _sections_in(of_type.inner)


def _pairs(section: str, model: type[KubeModel], seen: set[str]) -> Iterator[tuple[str, type[KubeModel]]]:
    """Yield each section with the model that stands for it."""
    if section in seen:
        return
    seen.add(section)
    yield section, model
    by_alias = {info.alias: info for info in model.model_fields.values()}
    for name, field in table().sections[section].items():
        if isinstance(field, Supported) and name in by_alias:
            for inner in _sections_in(field.type):
                for one in _models_in(by_alias[name].annotation):
                    yield from _pairs(inner, one, seen)


def _all_pairs() -> list[tuple[str, type[KubeModel]]]:
    seen: set[str] = set()
    kinds: tuple[type[KubeModel], ...] = (Pod, Deployment, ReplicaSet, ConfigMap, Namespace)
    return [pair for kind in kinds for pair in _pairs(kind.__name__, kind, seen)]


@pytest.mark.parametrize(("section", "model"), _all_pairs(), ids=lambda one: f"{one}")
def test_a_model_has_what_is_supported(section: str, model: type[KubeModel]) -> None:
    supported = {
        name
        for name, field in table().sections[section].items()
        if isinstance(field, Supported) and f"{section}.{name}" not in NOT_MODELLED
    }
    modelled = {info.alias for info in model.model_fields.values()}
    if model is Metadata:
        modelled -= CLUSTERS | (NO_TEMPLATES if section == "TemplateMeta" else set())
    assert supported == modelled


def test_every_section_has_a_model_but_those_of_services() -> None:
    without = set(table().sections) - {section for section, _ in _all_pairs()}
    assert without == {
        "Service",
        "ServiceSpec",
        "ServicePort",
        "SessionAffinityConfig",
        "ClientIPConfig",
        "PodOS",
    }

"""Which services select a pod and which pods a service selects, in as many steps as there are of them. Pure.

A selector is found by one of its label pairs, the one that fewest others are found by; a pod by each of its.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from service_proxy.model import Pod, ServiceName, SliceName

Name = TypeVar("Name", ServiceName, SliceName)


class Pair(NamedTuple):
    """One label, in its namespace."""

    namespace: str
    label: str
    value: str


class Selectors:
    """The selectors of services and the labels of pods."""

    def __init__(self) -> None:
        self._selectors: dict[ServiceName, tuple[Pair, Mapping[str, str]]] = {}
        self._services: dict[Pair, set[ServiceName]] = {}
        self._labels: dict[SliceName, Mapping[str, str]] = {}
        self._pods: dict[Pair, set[SliceName]] = {}

    def set_service(self, name: ServiceName, selector: Mapping[str, str]) -> None:
        """Take a service's selector; an empty one selects nothing."""
        if (known := self._selectors.pop(name, None)) is not None:
            _discard(self._services, known[0], name)
        if selector:
            pairs = _pairs(name.namespace, selector)
            rarest = min(pairs, key=lambda pair: len(self._services.get(pair, ())))
            self._selectors[name] = rarest, selector
            self._services.setdefault(rarest, set()).add(name)

    def set_pod(self, name: SliceName, pod: Pod | None) -> None:
        """Take a pod's labels; None: it has gone."""
        for pair in _pairs(name.namespace, self._labels.pop(name, {})):
            _discard(self._pods, pair, name)
        if pod is not None and pod.labels:
            self._labels[name] = pod.labels
            for pair in _pairs(name.namespace, pod.labels):
                self._pods.setdefault(pair, set()).add(name)

    def services_of(self, pod: SliceName) -> list[ServiceName]:
        """Return the services that select a pod."""
        labels = self._labels.get(pod, {})
        found = (name for pair in _pairs(pod.namespace, labels) for name in self._services.get(pair, ()))
        return [name for name in found if _matches(self._selectors[name][1], labels)]

    def selects(self, service: ServiceName, pod: SliceName) -> bool:
        """Tell whether a service selects a pod."""
        known, labels = self._selectors.get(service), self._labels.get(pod)
        if known is None or labels is None or service.namespace != pod.namespace:
            return False
        return _matches(known[1], labels)

    def pods_of(self, service: ServiceName) -> list[SliceName]:
        """Return the pods that a service selects."""
        if (known := self._selectors.get(service)) is None:
            return []
        selector = known[1]
        pairs = _pairs(service.namespace, selector)
        fewest: set[SliceName] = min((self._pods.get(pair, set()) for pair in pairs), key=len)
        return [name for name in fewest if _matches(selector, self._labels[name])]


def _pairs(namespace: str, labels: Mapping[str, str]) -> Iterable[Pair]:
    return [Pair(namespace, label, value) for label, value in labels.items()]


def _matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(label) == value for label, value in selector.items())


def _discard(index: dict[Pair, set[Name]], pair: Pair, name: Name) -> None:
    index[pair].discard(name)
    if not index[pair]:
        del index[pair]

"""Which object: its kind, its key, and where a registry has it. Pure.

Of objects nobody has judged yet: only what names them is looked at.
"""

from __future__ import annotations

from typing import NamedTuple

from service_proxy.catalogue import Key, Kind
from service_proxy.model import ServiceName, SliceName

JsonObject = dict[str, object]
DEFAULT_NAMESPACE = "default"  # where kubectl puts what names none


class Place(NamedTuple):
    """Where objects of a kind live in an API server; `plural` is also their folder in a store."""

    group: str  # "" is core/v1
    plural: str
    is_namespaced: bool

    @property
    def path(self) -> str:
        """Return the path of all there are."""
        return f"/apis/{self.group}/v1/{self.plural}" if self.group else f"/api/v1/{self.plural}"


PLACES = {
    Kind.SERVICE: Place("", "services", True),
    Kind.SLICE: Place("discovery.k8s.io", "endpointslices", True),
    Kind.POD: Place("", "pods", True),
    Kind.NODE: Place("", "nodes", False),
    Kind.SERVICE_CIDR: Place("networking.k8s.io", "servicecidrs", False),
    Kind.NAMESPACE: Place("", "namespaces", False),
}
_BY_NAME = {kind.value: kind for kind in Kind}


class Unnamed(Exception):
    """An object without a usable name: the message says what is missing."""


def kind_of(item: JsonObject) -> Kind | None:
    """Return what an object says that it is; None: nothing that services are made of.

    Knative has a Service, too: the API group tells. An object that names no apiVersion is taken as it is.
    """
    kind = _BY_NAME.get(name) if isinstance(name := item.get("kind"), str) else None
    version = item.get("apiVersion")
    if kind is None or version is None:
        return kind
    group, slash, _ = version.partition("/") if isinstance(version, str) else ("?", "/", "")
    return kind if (group if slash else "") == PLACES[kind].group else None


def key_of(kind: Kind, item: JsonObject) -> Key:
    """Return an object's key. Raises Unnamed."""
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(name := metadata.get("name"), str) or not name:
        raise Unnamed(f"a {kind.value} without metadata.name")
    if not PLACES[kind].is_namespaced:
        return name
    namespace = metadata.get("namespace")
    if not isinstance(namespace, str) or not namespace:
        raise Unnamed(f"{kind.value} {name}: metadata.namespace is missing")
    return ServiceName(namespace, name) if kind is Kind.SERVICE else SliceName(namespace, name)


def with_namespace(kind: Kind, item: JsonObject) -> JsonObject:
    """Return the object with the default namespace where it names none and needs one."""
    metadata = item.get("metadata")
    if not PLACES[kind].is_namespaced or not isinstance(metadata, dict) or metadata.get("namespace"):
        return item
    return {**item, "metadata": {**metadata, "namespace": DEFAULT_NAMESPACE}}


def shown(kind: Kind, key: Key) -> str:
    """Return an object's kind and name, for a person."""
    return f"{kind.value} {key if isinstance(key, str) else '/'.join(key)}"


def key_path(kind: Kind, key: Key, prefix: str) -> str:
    """Return the key that a store has an object under: PREFIX/services/NAMESPACE/NAME."""
    return "/".join((prefix, PLACES[kind].plural, *((key,) if isinstance(key, str) else key)))


def key_in_path(kind: Kind, path: str, prefix: str) -> Key | None:
    """Return the key of the object that a store has there; None: that is no object's."""
    parts = path.removeprefix(folder(kind, prefix)).split("/")
    if not all(parts) or len(parts) != (2 if PLACES[kind].is_namespaced else 1):
        return None
    if len(parts) == 1:
        return parts[0]
    return ServiceName(*parts) if kind is Kind.SERVICE else SliceName(*parts)


def folder(kind: Kind, prefix: str) -> str:
    """Return how all keys of a kind begin."""
    return f"{prefix}/{PLACES[kind].plural}/"

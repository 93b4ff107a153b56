"""Object: a body with the store's version of it; Ref: what names it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from cluster_store.store import Item
from pod_runner.cluster.bodies import JsonObject, member, table, text, words
from pod_runner.cluster.kinds import BY_KIND, KINDS, PREFIX, ResourceKind

DEFAULT_NAMESPACE = "default"  # where kubectl puts what names none
_BY_PLURAL = {one.plural: one for one in KINDS}


class BadObject(Exception):
    """What lies under a key is no object, or calls itself otherwise."""


class Ref(NamedTuple):
    """One object's kind and name; `namespace` is "" where the kind has none."""

    kind: str
    namespace: str
    name: str

    @property
    def resource(self) -> ResourceKind:
        """Return its kind."""
        return BY_KIND[self.kind]

    @property
    def key(self) -> str:
        """Return its key in the store."""
        return self.resource.key(self.namespace, self.name)

    def __str__(self) -> str:
        """Return it as kubectl's messages do: `deployments.apps "web"`."""
        resource = self.resource
        group = f".{resource.group}" if resource.group else ""
        return f'{resource.plural}{group} "{self.name}"'


def ref_of(kind: ResourceKind, namespace: str, name: str) -> Ref:
    """Return what names an object; the namespace counts where the kind has them."""
    return Ref(kind.kind, (namespace or DEFAULT_NAMESPACE) if kind.is_namespaced else "", name)


@dataclass(frozen=True)
class Object:
    """An object as it is in the store. Its body is shared and not to be changed: make another one."""

    ref: Ref
    body: JsonObject
    version: int = 0  # the store's; 0: not known, as of one that was just written

    @property
    def name(self) -> str:
        """Return metadata.name."""
        return self.ref.name

    @property
    def namespace(self) -> str:
        """Return metadata.namespace, "" where the kind has none."""
        return self.ref.namespace

    @cached_property
    def uid(self) -> str:
        """Return metadata.uid; what somebody wrote without one is named by its key."""
        return text(self.body, "metadata", "uid") or self.ref.key

    @property
    def labels(self) -> dict[str, str]:
        """Return metadata.labels."""
        return words(self.body, "metadata", "labels")

    @property
    def is_terminating(self) -> bool:
        """Tell whether it is being deleted."""
        return member(self.body, "metadata", "deletionTimestamp") is not None

    @property
    def spec(self) -> JsonObject:
        """Return its spec."""
        return table(self.body, "spec")

    @property
    def status(self) -> JsonObject:
        """Return its status."""
        return table(self.body, "status")


def ref_in_key(key: str) -> Ref | None:
    """Return which object a key of a store names; None: none of a kind that is known."""
    parts = key.removeprefix(PREFIX + "/").split("/")
    kind = _BY_PLURAL.get(parts[0])
    if not key.startswith(PREFIX + "/") or kind is None or not all(parts):
        return None
    if len(parts) != (3 if kind.is_namespaced else 2):
        return None
    return Ref(kind.kind, parts[1] if kind.is_namespaced else "", parts[-1])


def ref_of_body(body: JsonObject) -> Ref:
    """Return what names an object that is to be written. Raises BadObject."""
    kind, name = text(body, "kind"), text(body, "metadata", "name")
    if kind not in BY_KIND:
        raise BadObject(f"there is no kind {kind!r} here; there are {', '.join(BY_KIND)}")
    if not name or "/" in name:
        raise BadObject(f"a {kind} without a name (metadata.name)")
    namespace = text(body, "metadata", "namespace")
    if "/" in namespace:
        raise BadObject(f"{kind} {name}: {namespace!r} cannot be a namespace")
    return ref_of(BY_KIND[kind], namespace, name)


def read_item(ref: Ref, item: Item) -> Object:
    """Read what lies under an object's key. Raises BadObject."""
    try:
        body = json.loads(item.value)
    except (ValueError, RecursionError) as error:
        raise BadObject(f"{item.key}: {error or 'nested too deeply'}") from error
    if not isinstance(body, dict):
        raise BadObject(f"{item.key}: expected a JSON object, not {type(body).__name__}")
    named = (text(body, "metadata", "namespace") if ref.namespace else "", text(body, "metadata", "name"))
    if named != (ref.namespace, ref.name):
        raise BadObject(f"{item.key}: it is called {'/'.join(filter(None, named))!r} inside")
    return Object(ref, body, item.version)


def to_text(body: JsonObject) -> str:
    """Return what is written into a store."""
    return json.dumps(body, separators=(",", ":"))

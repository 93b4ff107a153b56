"""Kubernetes-shaped JSON -> values, at the door: whatever is wrong with an object is said in one sentence.

What is parsed here is valid for good. Members that nobody here uses are not looked at, as an API server
of another version may have any; a wrong value of one that is used refuses the object, except where a list
is as useful without one of its items (an endpoint of a slice): that one is left out, with a note.

Written by hand, not as pydantic models as elsewhere: a node reads a hundred thousand endpoints at once, and
this takes a fifth of the time and leaves only small values behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from service_proxy.catalogue import Key, Kind, Value
from service_proxy.node_objects import namespace, node, service_cidr
from service_proxy.object_members import SHOWN_MAX, Members, WrongMember
from service_proxy.pod_objects import pod
from service_proxy.service_objects import service
from service_proxy.slice_objects import endpoint_slice

Parser = Callable[[Members, list[str]], Value]

_PARSERS: Mapping[Kind, Parser] = {
    Kind.SERVICE: service,
    Kind.SLICE: endpoint_slice,
    Kind.POD: pod,
    Kind.NODE: node,
    Kind.SERVICE_CIDR: service_cidr,
    Kind.NAMESPACE: namespace,
}
_IN_NAMESPACES = (Kind.SERVICE, Kind.SLICE, Kind.POD)


class RefusedObject(Exception):
    """An object that cannot be used, in one sentence: which, which member, what was expected, what came."""


def parse(kind: Kind, item: object, notes: list[str] | None = None) -> Value:
    """Return the value of one object (a dict as JSON or YAML gives it); append to `notes` what was left out.

    Raises:
        RefusedObject: the object cannot be used.
    """
    left_out: list[str] = []
    try:
        value = _PARSERS[kind](Members(item), left_out)
    except WrongMember as error:
        raise RefusedObject(f"{_who(kind, item)}: {error}") from error
    if left_out and notes is not None:
        who = _who(kind, item)
        notes.extend(f"{who}: {one}" for one in left_out)
    return value


def key_of(value: Value) -> Key:
    """Return by what the catalogue knows a value."""
    return value.name


def _who(kind: Kind, item: object) -> str:
    """Return an object's name as far as it has one, for errors."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name")
    shown = name[:SHOWN_MAX] if isinstance(name, str) and name else f"a {kind.value} without a name"
    if kind not in _IN_NAMESPACES:
        return ascii(shown)[1:-1]
    namespace_name = metadata.get("namespace")
    where = namespace_name[:SHOWN_MAX] if isinstance(namespace_name, str) else "default"
    return f"{ascii(where)[1:-1]}/{ascii(shown)[1:-1]}"

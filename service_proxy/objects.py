"""Kubernetes-shaped JSON -> values, at the door: whatever is wrong with an object is said in one sentence.

What is parsed here is valid for good. Members that nobody here uses are not looked at, as an API server
of another version may have any; a wrong value of one that is used refuses the object, except where a list
is as useful without one of its items (an endpoint of a slice): that one is left out, with a note.
"""

from __future__ import annotations

from service_proxy.catalogue import Key, Kind, Value


class RefusedObject(Exception):
    """An object that cannot be used, in one sentence: which, which member, what was expected, what came."""


def parse(kind: Kind, item: object, notes: list[str] | None = None) -> Value:
    """Return the value of one object (a dict as JSON or YAML gives it); append to `notes` what was left out.

    Raises:
        RefusedObject: the object cannot be used.
    """
    raise NotImplementedError


def key_of(value: Value) -> Key:
    """Return by what the catalogue knows a value."""
    return value.name

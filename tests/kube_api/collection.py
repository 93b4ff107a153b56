"""Objects of one kind in an API server: versions, history, pages, selectors. It answers as 1.36 does."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

Json = dict[str, Any]
Matches = Callable[[Json], bool]


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


class Resource(NamedTuple):
    """A kind and where it is: `group` "" is core."""

    group: str
    plural: str
    kind: str
    is_namespaced: bool

    @property
    def version(self) -> str:
        """Return apiVersion."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def path(self) -> str:
        """Return the path of all."""
        return f"/apis/{self.group}/v1/{self.plural}" if self.group else f"/api/v1/{self.plural}"


class Revision:
    """The number of the last change of anything in one server; `changed` is notified of everything."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.number = 200


class Happened(NamedTuple):
    """One change; `before` is what was there, {} for nothing."""

    version: int
    kind: str
    item: Json
    before: Json


def everything(_: Json) -> bool:
    """Match any object."""
    return True


class Objects:
    """All of one kind, by "name" or "namespace/name", and what happened to them."""

    def __init__(self, resource: Resource, revision: Revision | None = None) -> None:
        self.resource, self._revision = resource, revision or Revision()
        self.changed = self._revision.changed
        self.compacted = 0  # history up to here is forgotten
        self.items: dict[str, Json] = {}
        self.history: list[Happened] = []
        self._pages: dict[str, tuple[int, list[Json]]] = {}

    @property
    def version(self) -> int:
        """Return the version of the last change."""
        return self._revision.number

    def create(self, body: Json) -> Json:
        """Make an object, or one more version of it (kubectl apply)."""
        with self.changed:
            item = copy.deepcopy(body)
            metadata = item.setdefault("metadata", {})
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.setdefault("creationTimestamp", "2026-11-20T20:12:19Z")
            item = {"apiVersion": self.resource.version, "kind": self.resource.kind, **item}
            item.setdefault("spec", {})
            return self._keep("MODIFIED" if self.name_of(item) in self.items else "ADDED", item)

    def update(self, name: str, change: Callable[[Json], object]) -> Json:
        """Change an object, as some other client does."""
        with self.changed:
            item = copy.deepcopy(self.get(name))
            change(item)
            return self._keep("MODIFIED", item)

    def delete(self, name: str) -> None:
        """Remove an object."""
        with self.changed:
            self._keep("DELETED", copy.deepcopy(self.items[name]))
            del self.items[name]

    def create_new(self, body: Json) -> Json:
        """Make an object that there is not (POST). Raises ApiError 409."""
        with self.changed:
            if (name := self.name_of(body)) in self.items:
                raise ApiError(409, "AlreadyExists", f'{self.resource.plural} "{name}" already exists')
            body["metadata"].pop("resourceVersion", None)
            return self.create(body)

    def replace(self, name: str, body: Json) -> Json:
        """Write all of an object anew (PUT). Raises ApiError 404, 409."""
        with self.changed:
            before = self.get(name)
            self._check_version(name, body["metadata"])
            kept = {key: before["metadata"][key] for key in ("uid", "creationTimestamp")}
            item = {**copy.deepcopy(body), "metadata": {**body["metadata"], **kept}}
            return self._keep("MODIFIED", item)

    def remove(self, name: str, preconditions: Json) -> None:
        """Remove an object by a client's wish (DELETE). Raises ApiError 404, 409."""
        with self.changed:
            self.get(name)
            self._check_version(name, preconditions)
            self.delete(name)

    def merge_patch(self, name: str, body: Json, *, is_status: bool) -> Json:
        """Patch by RFC 7386: the status, or all but it. Raises ApiError 404, 409."""
        with self.changed:
            before = self.get(name)
            self._check_version(name, body.get("metadata", {}))
            item = copy.deepcopy(before)
            merge(item, {key: one for key, one in body.items() if (key == "status") is is_status})
            return self._keep("MODIFIED", item) if item != before else before

    def _check_version(self, name: str, said: Json) -> None:
        has = self.get(name)["metadata"]["resourceVersion"]
        if said.get("resourceVersion", has) != has:
            text = "the object has been modified; please apply your changes to the latest version"
            what = f'Operation cannot be fulfilled on {self.resource.plural} "{name}"'
            raise ApiError(409, "Conflict", f"{what}: {text} and try again")

    def compact(self) -> None:
        """Forget what happened until now, and every list whose pages are being read."""
        with self.changed:
            self._revision.number += 1
            self.compacted = self.version
            self._pages.clear()
            self.changed.notify_all()

    def get(self, name: str) -> Json:
        """Return an object. Raises ApiError 404."""
        if name not in self.items:
            raise ApiError(404, "NotFound", f'{self.resource.plural} "{name}" not found')
        return self.items[name]

    def page(self, limit: int, token: str, matches: Matches = everything) -> tuple[list[Json], Json]:
        """Return one page of a list, and the list's metadata."""
        with self.changed:
            if token and token not in self._pages:
                said = "The provided continue parameter is too old to display a consistent list result."
                raise ApiError(410, "Expired", said)
            found = [one for _, one in sorted(self.items.items()) if matches(one)] if not token else []
            version, left = self._pages.get(token, (self.version, found))
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

    def since(self, version: int, matches: Matches = everything) -> list[tuple[int, str, Json]]:
        """Return what happened after a version, as a watch of those that match sees it."""
        found = []
        for one in self.history[self._first_after(version) :]:
            was, is_now = (
                bool(one.before) and matches(one.before),
                one.kind != "DELETED" and matches(one.item),
            )
            kinds = {(True, True): "MODIFIED", (False, True): "ADDED", (True, False): "DELETED"}
            if kind := kinds.get((was, is_now)):
                found.append((one.version, kind, one.item))
        return found

    def _first_after(self, version: int) -> int:
        at = len(self.history)
        while at and self.history[at - 1].version > version:
            at -= 1
        return at

    def name_of(self, item: Json) -> str:
        """Return by what an object is known here."""
        metadata = item["metadata"]
        if not self.resource.is_namespaced:
            return str(metadata["name"])
        return f"{metadata.setdefault('namespace', 'default')}/{metadata['name']}"

    def _keep(self, kind: str, item: Json) -> Json:
        self._revision.number += 1
        item["metadata"]["resourceVersion"] = f"{self.version}"
        name = self.name_of(item)
        self.history.append(Happened(self.version, kind, item, self.items.get(name, {})))
        self.items[name] = item
        self.changed.notify_all()
        return item


def merge(target: Json, patch: Json) -> None:
    """Change an object by RFC 7386."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            merge(target[key], value)
        else:
            target[key] = value

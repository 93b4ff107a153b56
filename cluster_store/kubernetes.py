"""Kubernetes objects: list, watch, write.

    kubernetes_access   how the server is reached, and as whom
    kubeconfig          kubectl's file
    kubernetes_http     one connection: questions, deadlines
    kubernetes_answers  what an answer means, refusals above all
    kubernetes_listing  all objects of a kind, in pages
    kubernetes_stream   lines of an answer without end
    kubernetes_leases   a `Store` of Lease objects

Objects stay JSON here; whoever asked knows what they are. A watch is one list and what happened since: when
the server has forgotten what that was (410 Gone), the next thing is another list. Nobody need know why.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

from cluster_store.kubernetes_access import Access
from cluster_store.kubernetes_answers import Expired, JsonObject, KindUnknown, NotFound, refusal
from cluster_store.kubernetes_http import Connection, Question
from cluster_store.kubernetes_listing import ALL, METADATA, PAGE, Keep, Listing, list_objects, whole
from cluster_store.kubernetes_stream import LineStream
from cluster_store.store import StoreUnavailable

FIELD_MANAGER = "podwire"
WATCH_TIME = (300, 600)  # seconds that one watch lasts at most; the server's own limits, drawn at random
SILENCE = 180.0  # seconds; bookmarks come each minute, so three of them are missing
SHORT, SHORT_ONES = 1.0, 2  # seconds of a watch that was none; so many in a row may happen
APPLY = "application/apply-patch+yaml"  # JSON is YAML
JSON = "application/json"
MERGE = "application/merge-patch+json"  # RFC 7386


class WatchEvent(NamedTuple):
    """One change. `kind`: ADDED, MODIFIED or DELETED."""

    kind: str
    item: JsonObject


class KubernetesClient:
    """Questions to one API server; for one thread at a time."""

    def __init__(self, access: Access, *, page: int = PAGE) -> None:
        self._access, self._page = access, page
        self._connection = Connection(access)

    @property
    def name(self) -> str:
        """Return what it is, for a person."""
        return f"Kubernetes at {self._access.where}"

    def get(self, path: str) -> JsonObject | None:
        """Return an object, None if there is none. Raises StoreUnavailable, StoreRefused."""
        try:
            return self._connection.ask(Question("GET", path))
        except NotFound:
            return None

    def list(self, path: str, *, is_metadata: bool = False, keep: Keep = whole) -> Listing:
        """Return all objects of a kind, read in pages; `keep` takes of each what is wanted.

        Raises:
            StoreUnavailable, StoreRefused.
        """
        return list_objects(self._connection, path, self._page, is_metadata=is_metadata, keep=keep)

    def apply(self, path: str, body: JsonObject) -> JsonObject:
        """Apply what we want of an object (server-side apply); fields that others had become ours.

        What an earlier call had and this one has not, goes. `metadata.resourceVersion` in the body is a
        precondition.

        Raises:
            Conflict: the object has another version, or another life (`metadata.uid`).
            NotFound: a sub-resource of an object that is not there.
            StoreUnavailable, StoreRefused.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._connection.ask(Question("PATCH", path, query, body, APPLY))

    def merge(self, path: str, body: JsonObject, resource_version: str) -> JsonObject:
        """Change single members, null removes; only while the object has this version. Raises as `apply`."""
        metadata = body.get("metadata", {})
        assert isinstance(metadata, dict)
        sent = body | {"metadata": metadata | {"resourceVersion": resource_version}}
        query = {"fieldManager": FIELD_MANAGER}
        return self._connection.ask(Question("PATCH", path, query, sent, MERGE))

    def create(self, path: str, body: JsonObject) -> JsonObject:
        """Make an object; `path` is its kind's. Raises Conflict if there is one, else as `apply`."""
        return self._connection.ask(Question("POST", path, {"fieldManager": FIELD_MANAGER}, body, JSON))

    def replace(self, path: str, body: JsonObject) -> JsonObject:
        """Write an object anew, while it has the version that the body says. Raises as `apply`."""
        return self._connection.ask(Question("PUT", path, {"fieldManager": FIELD_MANAGER}, body, JSON))

    def delete(self, path: str, resource_version: str) -> None:
        """Remove an object while it has this version. Raises as `apply`; NotFound: there is none."""
        options: JsonObject = {"preconditions": {"resourceVersion": resource_version}}
        self._connection.ask(Question("DELETE", path, None, options, JSON))

    def watch(self, path: str, *, is_metadata: bool = False, keep: Keep = whole) -> Watch:
        """Return a watch with a connection of its own; it connects when it is first asked."""
        return Watch(self._access, path, self._page, is_metadata=is_metadata, keep=keep)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class Watch:
    """All objects of a kind, then what happens to them."""

    def __init__(
        self,
        access: Access,
        path: str,
        page: int = PAGE,
        *,
        is_metadata: bool = False,
        keep: Keep = whole,
        select: Mapping[str, str] = ALL,
        silence: float = SILENCE,
    ) -> None:
        """`select`: labelSelector, fieldSelector. `keep` is for the list; an event has all of its object."""
        self._connection, self._path, self._page = Connection(access), path, page
        self._is_metadata, self._keep, self._silence = is_metadata, keep, silence
        self._select = select
        self._opened_at, self._short = 0.0, 0  # how many watches in a row ended as soon as they began
        self._version = ""  # up to where all is told; "": a list is due
        self._stream: LineStream | None = None
        self._busy = threading.Lock()  # held by who waits; `close` ends the wait, then tidies up

    def next(self, timeout: float) -> Listing | list[WatchEvent]:
        """Wait up to `timeout` seconds for the next thing; [] if nothing has happened, or it is closed.

        Raises:
            StoreUnavailable: the connection is lost; ask again, after a pause, and it is made anew.
            StoreRefused: it will not be made.
        """
        deadline = time.monotonic() + timeout
        with self._busy:
            try:
                return self._next(deadline)
            except Expired:
                self._version = ""
                self._drop()
                return self._next(deadline)
            except (StoreUnavailable, NotFound) as error:
                self._drop()
                if self._connection.is_ended:
                    return []
                if isinstance(error, KindUnknown):
                    raise
                raise StoreUnavailable(f"{error}") from error

    def close(self) -> None:
        """End it; from another thread, that ends a wait."""
        self._connection.end()
        with self._busy:
            self._drop()

    def _next(self, deadline: float) -> Listing | list[WatchEvent]:
        while not self._connection.is_ended:
            if not self._version:
                return self._listed()
            if events := self._followed(max(deadline - time.monotonic(), 0.0)):
                return events
            if time.monotonic() >= deadline:
                break
        return []

    def _listed(self) -> Listing:
        found = list_objects(
            self._connection,
            self._path,
            self._page,
            is_metadata=self._is_metadata,
            keep=self._keep,
            select=self._select,
        )
        self._version = found.resource_version
        return found

    def _followed(self, timeout: float) -> list[WatchEvent]:
        if self._stream is None:
            self._stream = self._opened()
        events = [self._event(line) for line in self._stream.lines(min(timeout, self._silence))]
        if events:  # all are told or, after an error among them, none: then they come again
            self._version = _version(events[-1].item)
        self._short = 0 if events else self._short
        if self._stream.is_ended:
            self._judge_end()
        if self._stream.is_ended or self._stream.silence >= self._silence:
            self._drop()  # the next one goes on from the version we know
        return [one for one in events if one.kind != "BOOKMARK"]

    def _judge_end(self) -> None:
        """Leave a server in peace that ends every watch at once: who asks makes pauses after an error."""
        is_short = time.monotonic() - self._opened_at < SHORT
        self._short = self._short + 1 if is_short else 0
        if self._short > SHORT_ONES:
            where = self._connection.access.where
            raise StoreUnavailable(f"{where}: a watch of {self._path} ends as soon as it begins")

    def _opened(self) -> LineStream:
        self._opened_at = time.monotonic()
        query: dict[str, str | int] = {
            **self._select,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": random.randint(*WATCH_TIME),  # not all nodes come back at once
        }
        accept = METADATA.format("") if self._is_metadata else "application/json"
        return LineStream(self._connection, Question("GET", self._path, query, accept=accept))

    def _event(self, line: bytes) -> WatchEvent:
        try:
            body = json.loads(line)
            event = WatchEvent(body["type"], body["object"])
            if not isinstance(event.item, dict):
                raise TypeError("an event without an object")
            if event.kind != "ERROR":
                _version(event.item)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            where = self._connection.access.where
            raise StoreUnavailable(f"{where}: a watch of {self._path} sent what is no event") from error
        if event.kind == "ERROR":
            self._fail(event.item)
        return event

    def _fail(self, status: JsonObject) -> None:
        """Raise what an event ERROR means: history is forgotten, or else the watch is to be made anew."""
        is_gone = status.get("code") == 410
        where, text = self._connection.access.where, json.dumps(status).encode()
        raise refusal(410 if is_gone else 500, text, where, f"watch {self._path}")

    def _drop(self) -> None:
        self._stream = None
        self._connection.close()


def _version(item: JsonObject) -> str:
    metadata = item["metadata"]
    if not isinstance(metadata, dict) or not isinstance(version := metadata["resourceVersion"], str):
        raise TypeError("an object without a version")
    return version

"""Follow a prefix of etcd: a watch that goes on where it was, over lost connections and other members."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence

from cluster_store.bell import Bell
from cluster_store.etcd_gateway import (
    NAMES,
    EtcdError,
    EtcdGateway,
    JsonObject,
    decoded,
    error_of,
    item_of,
    number,
    objects,
    range_of,
    snapshot_of,
)
from cluster_store.json_lines import Lines
from cluster_store.store import Event, Snapshot, StoreUnavailable

SILENCE = 60.0  # seconds


class _Compacted(Exception):
    """etcd has forgotten what happened since, or is another one than it was."""


class EtcdFollower:
    """A `store.Follower` of etcd."""

    def __init__(self, gateway: EtcdGateway, prefix: str, known: Snapshot | None, silence: float) -> None:
        self._gateway = gateway
        self._prefix = prefix
        self._revision = known.revision if known else 0  # the last one told of; 0: nothing
        self._silence = silence
        self._lines: Lines | None = None
        self._check_at = 0.0
        self._bell = Bell()
        self._busy = threading.Lock()

    def next(self, timeout: float) -> Snapshot | Sequence[Event]:
        """Wait up to `timeout` seconds for a snapshot or for changes."""
        with self._busy:
            if self._bell.has_rung:
                raise StoreUnavailable(f"the follower of {self._prefix!r} is closed")
            try:
                return self._next(time.monotonic() + timeout)
            except EtcdError as error:
                self._move_on()
                raise error.as_store_error() from error
            except StoreUnavailable:
                self._move_on()
                raise

    def close(self) -> None:
        """End a wait, and give the connections back."""
        self._bell.ring()
        with self._busy:
            self._drop()
            self._gateway.client.close()
            self._bell.close()

    def _next(self, until: float) -> Snapshot | Sequence[Event]:
        if not self._revision:
            return self._snapshot()
        try:
            return self._wait(until)
        except _Compacted:
            self._drop()
            return self._snapshot()

    def _snapshot(self) -> Snapshot:
        snapshot = snapshot_of(self._gateway, self._prefix)
        self._revision = snapshot.revision
        return snapshot

    def _wait(self, until: float) -> Sequence[Event]:
        """Return the changes of the next message that has any."""
        while True:
            lines = self._lines = self._lines or self._open()
            line = lines.next(self._bell, min(until, self._check_at))
            now = time.monotonic()
            if line is not None:
                self._check_at = now + self._silence
                if events := self._events(line):
                    return events
            elif self._bell.has_rung or now >= until:
                return ()
            else:
                self._check()

    def _open(self) -> Lines:
        start = str(self._revision + 1)
        request = {**range_of(self._prefix), "start_revision": start, "progress_notify": True}
        self._check_at = time.monotonic() + self._silence
        return self._gateway.watch({"create_request": request})

    def _check(self) -> None:
        """Ask if the silence is true: has anything changed, of which the watch should have told?

        The answer is the cluster's, not the watched member's alone. If so, a new watch tells of it.
        """
        self._check_at = time.monotonic() + self._silence
        newer = {"min_mod_revision": str(self._revision + 1), "limit": "1", "keys_only": True}
        if objects(self._gateway.call("kv/range", {**range_of(self._prefix), **newer}), "kvs"):
            self._move_on()

    def _events(self, line: bytes) -> list[Event]:
        result = _parse(line)
        reached = number(result.get("header"), "revision")
        if result.get("canceled"):
            self._refuse_canceled(result)
        if result.get("created") and reached < self._revision and self._is_anew():
            raise _Compacted
        told = [event for event in objects(result, "events") if self._is_new(event)]
        if told:
            self._revision = max(_revision(event) for event in told)
        elif not result.get("created"):  # a progress report: there is nothing up to here
            self._revision = max(self._revision, reached)
        return [event for raw in told if (event := _event(raw))]

    def _is_anew(self) -> bool:
        """Tell if etcd was restored from a backup or wiped; else the watched member only lags behind.

        A watch from a revision that is yet to come would wait for it, through any number of changes.
        """
        answer = self._gateway.call("kv/range", {**range_of(self._prefix), "count_only": True})
        return number(answer.get("header"), "revision") < self._revision

    def _is_new(self, event: JsonObject) -> bool:
        return _revision(event) > self._revision

    def _refuse_canceled(self, result: JsonObject) -> None:
        if number(result, "compact_revision"):
            raise _Compacted
        reason = str(result.get("cancel_reason") or "the watch was canceled")
        error = EtcdError(next((code for name, code in NAMES.items() if name in reason), 0), reason)
        if self._gateway.forget_token(error):
            raise StoreUnavailable(f"etcd: {reason}")  # asked again, it gets another token
        raise error

    def _move_on(self) -> None:
        self._drop()
        self._gateway.client.rotate()

    def _drop(self) -> None:
        if self._lines:
            self._lines.close()
            self._lines = None


def _parse(line: bytes) -> JsonObject:
    try:
        body = json.loads(line)
    except ValueError as error:
        raise StoreUnavailable(f"this is no etcd: its watch says {line[:100]!r}") from error
    if isinstance(body, dict) and "error" in body:
        raise error_of(body)
    result = body.get("result") if isinstance(body, dict) else None
    if not isinstance(result, dict):
        raise StoreUnavailable(f"this is no etcd: its watch says {line[:100]!r}")
    return result


def _revision(event: JsonObject) -> int:
    return number(event.get("kv"), "mod_revision")


def _event(event: JsonObject) -> Event | None:
    """Return an event; a value that is no text counts as none, a key that is none concerns nobody."""
    pair = event.get("kv")
    key = decoded(pair, "key") if isinstance(pair, dict) else None
    if not isinstance(pair, dict) or key is None:
        return None
    return Event(key, None if event.get("type") == "DELETE" else item_of(pair))

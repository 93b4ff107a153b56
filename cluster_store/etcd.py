"""etcd v3 as a registry, by its JSON gateway.

Of Python's clients none is maintained, resumes a watch, survives a compaction and comes without 19 MB of
gRPC (etcd3 and etcd3-py are dead, etcd3gw hangs for ever when a watched revision is compacted, aetcd is one
asyncio release on grpcio, etcd-client-py cannot resume), while the gateway needs nothing but http.client.

A client certificate opens the connection; who one is, is user and password: the gateway passes no names on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster_store.etcd_follower import SILENCE, EtcdFollower
from cluster_store.etcd_gateway import (
    NOT_FOUND,
    EtcdError,
    EtcdGateway,
    JsonObject,
    encoded,
    item_of,
    number,
    objects,
    snapshot_of,
)
from cluster_store.http_json import Tls
from cluster_store.store import Change, Check, Conflict, Item, LeaseGone, Put, Snapshot, StoreRefused
from cluster_store.wire import Endpoint


class EtcdStore:
    """A `store.Store` in an etcd cluster."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        tls: Tls | None = None,
        user: str = "",
        password: str = "",
        silence: float = SILENCE,
    ) -> None:
        """Use these members; nothing is asked yet. After `silence` seconds a watch is put to the test."""
        self._endpoints = tuple(endpoints)
        self._tls = tls
        self._user = user
        self._password = password
        self._silence = silence
        self._gateway = self._new_gateway()

    def _new_gateway(self) -> EtcdGateway:
        return EtcdGateway(self._endpoints, self._tls, self._user, self._password)

    @property
    def name(self) -> str:
        """Return what it is, for a person."""
        return f"etcd {','.join(map(str, self._endpoints))}"

    def read(self, key: str) -> Item | None:
        """Return one item."""
        pairs = objects(self._call("kv/range", {"key": encoded(key)}), "kvs")
        if not pairs:
            return None
        if (item := item_of(pairs[0])) is None:
            raise StoreRefused(f"the value of {key!r} in {self.name} is no UTF-8 text")
        return item

    def list(self, prefix: str) -> Snapshot:
        """Return everything whose key starts so, but for values that are no text."""
        try:
            return snapshot_of(self._gateway, prefix)
        except EtcdError as error:
            raise error.as_store_error() from error

    def commit(self, checks: Iterable[Check], changes: Sequence[Change]) -> None:
        """Make all changes if all checks hold, else none."""
        checks = list(checks)
        body: JsonObject = {
            "compare": [_compare(check) for check in checks],
            "success": [_operation(change) for change in changes],
            "failure": [{"request_range": {"key": encoded(check.key)}} for check in checks],
        }
        try:
            answer = self._gateway.call("kv/txn", body, is_repeatable=False)
        except EtcdError as error:
            if error.code == NOT_FOUND and "lease" in str(error):
                raise LeaseGone(f"etcd: {error}") from error
            raise error.as_store_error() from error
        if not answer.get("succeeded"):
            raise Conflict(_found(checks, answer))

    def follow(self, prefix: str, known: Snapshot | None = None) -> EtcdFollower:
        """Return a follower of a prefix."""
        return EtcdFollower(self._new_gateway(), prefix, known, self._silence)

    def grant(self, ttl: int) -> int:
        """Return a new lease of `ttl` seconds; etcd makes those of one second a little longer."""
        if ttl < 1:
            raise StoreRefused(f"a lease runs for at least a second, not {ttl}")  # etcd would make it one
        return number(self._call("lease/grant", {"TTL": str(ttl)}), "ID")

    def keep_alive(self, lease: int) -> int:
        """Start a lease's time anew; return its seconds."""
        answer = self._call("lease/keepalive", {"ID": str(lease)})
        ttl = number(answer.get("result"), "TTL")
        if ttl <= 0:
            raise LeaseGone(f"etcd: lease {lease} has expired or was revoked")
        return ttl

    def revoke(self, lease: int) -> None:
        """End a lease and every key under it."""
        try:
            self._gateway.call("lease/revoke", {"ID": str(lease)})
        except EtcdError as error:
            if error.code != NOT_FOUND:
                raise error.as_store_error() from error

    def close(self) -> None:
        """Give the connection back."""
        self._gateway.client.close()

    def _call(self, what: str, body: JsonObject) -> JsonObject:
        try:
            return self._gateway.call(what, body)
        except EtcdError as error:
            raise error.as_store_error() from error


def _compare(check: Check) -> JsonObject:
    """Spell a check; that there is none is a create revision of "0", which must be sent."""
    key = encoded(check.key)
    if check.version == 0:
        return {"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}
    return {"key": key, "target": "MOD", "result": "EQUAL", "mod_revision": str(check.version)}


def _operation(change: Change) -> JsonObject:
    key = encoded(change.key)
    if isinstance(change, Put):
        return {"request_put": {"key": key, "value": encoded(change.value), "lease": str(change.lease)}}
    return {"request_delete_range": {"key": key}}


def _found(checks: Sequence[Check], answer: JsonObject) -> dict[str, Item | None]:
    """Return what a failed transaction read: one range a check, in their order."""
    ranges = [objects(response.get("response_range"), "kvs") for response in objects(answer, "responses")]
    return {
        check.key: item_of(pairs[0]) if pairs else None for check, pairs in zip(checks, ranges, strict=True)
    }

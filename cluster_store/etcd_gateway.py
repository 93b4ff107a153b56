"""etcd v3's JSON gateway: its path, its tokens, its errors, its spelling.

int64 are strings, keys and values base64, and fields that are zero are left out of answers.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence

from cluster_store.http_json import Answer, JsonClient, Question, Tls, said
from cluster_store.json_lines import Lines
from cluster_store.store import DEADLINE, Item, Snapshot, StoreRefused, StoreUnavailable
from cluster_store.wire import Endpoint

JsonObject = dict[str, object]

# Codes of gRPC (google.golang.org/grpc/codes) as the gateway's bodies have them.
INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 3, 5, 7, 8
FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED, UNAUTHENTICATED = 9, 11, 12, 16
REFUSALS = {
    INVALID_ARGUMENT,
    NOT_FOUND,
    PERMISSION_DENIED,
    FAILED_PRECONDITION,
    UNIMPLEMENTED,
    UNAUTHENTICATED,
}

# What etcd says to a token that is too old, of an older set of users, or missing since they were switched on.
STALE_TOKEN = ("invalid auth token", "revision of auth store is old", "user name is empty")
NAMES = {
    "PermissionDenied": PERMISSION_DENIED,
    "Unauthenticated": UNAUTHENTICATED,
    "InvalidArgument": INVALID_ARGUMENT,
}
PATHS = ("/v3", "/v3beta")  # etcd 3.4 and later; 3.3


class EtcdError(Exception):
    """etcd answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def as_store_error(self) -> StoreRefused | StoreUnavailable:
        """Return what it means to who asked."""
        is_too_much = self.code == RESOURCE_EXHAUSTED and "too many requests" not in str(self)
        kind = StoreRefused if is_too_much or self.code in REFUSALS else StoreUnavailable
        return kind(f"etcd: {self}")


class EtcdGateway:
    """One thread's connection to a cluster."""

    def __init__(self, endpoints: Sequence[Endpoint], tls: Tls | None, user: str, password: str) -> None:
        self.client = JsonClient(endpoints, tls)
        self._user = user
        self._password = password
        self._token: str | None = None
        self._path = PATHS[0]

    def call(self, what: str, body: JsonObject, *, is_repeatable: bool = True) -> JsonObject:
        """Ask, and return the answer. Raises EtcdError, StoreUnavailable."""
        until = time.monotonic() + DEADLINE
        try:
            return self._call_once(what, body, until, is_repeatable)
        except EtcdError as error:
            if not self.forget_token(error):
                raise
        return self._call_once(what, body, until, is_repeatable)

    def watch(self, body: JsonObject) -> Lines:
        """Ask what is answered without end. Raises EtcdError, StoreUnavailable."""
        try:
            return self._watch_once(body)
        except EtcdError as error:
            if not self.forget_token(error):
                raise
        return self._watch_once(body)

    def _call_once(self, what: str, body: JsonObject, until: float, is_repeatable: bool) -> JsonObject:
        headers = self._headers(until)
        return checked(self._ask(what, body, until, headers, is_repeatable))

    def _ask(
        self, what: str, body: JsonObject, until: float, headers: dict[str, str], is_repeatable: bool
    ) -> Answer:
        """Ask under the path that this server knows; no page found means nothing done."""
        for _ in PATHS:
            question = Question("POST", f"{self._path}/{what}", body, headers, is_repeatable)
            answer = self.client.ask(question, until)
            if not _is_no_such_page(answer):
                break
            self._turn_path()
        return answer

    def _watch_once(self, body: JsonObject) -> Lines:
        headers = self._headers(time.monotonic() + DEADLINE)
        headers["Grpc-Metadata-hasleader"] = "true"  # a member cut off from the others ends the watch
        for _ in PATHS:
            lines = self.client.open_lines(Question("POST", f"{self._path}/watch", body, headers))
            if isinstance(lines, Lines):
                return lines
            if not _is_no_such_page(lines):
                checked(lines)
            self._turn_path()
        raise StoreUnavailable("etcd: it knows no watch")

    def _turn_path(self) -> None:
        self._path = PATHS[1 - PATHS.index(self._path)]

    def _headers(self, until: float) -> dict[str, str]:
        if self._user and self._token is None:
            self._token = self._authenticate(until)
        return {"Authorization": self._token} if self._token else {}

    def _authenticate(self, until: float) -> str:
        body: JsonObject = {"name": self._user, "password": self._password}
        try:
            return str(checked(self._ask("auth/authenticate", body, until, {}, True)).get("token", ""))
        except EtcdError as error:
            if "not enabled" in str(error):  # users are switched off: nobody needs a token
                return ""
            raise

    def forget_token(self, error: EtcdError) -> bool:
        """Tell if another token may help, and let the next question get one."""
        may_help = bool(self._user) and any(words in str(error) for words in STALE_TOKEN)
        if may_help:
            self._token = None
        return may_help


def _is_no_such_page(answer: Answer) -> bool:
    return answer.status == 404 and not isinstance(answer.body, dict)


def checked(answer: Answer) -> JsonObject:
    """Return the body of an answer that is no error. Raises EtcdError, StoreUnavailable."""
    body = answer.body
    if not isinstance(body, dict):
        raise StoreUnavailable(f"this is no etcd: HTTP status {answer.status}, {said(body)!r}")
    if "error" in body or answer.status != 200:
        raise error_of(body)
    return body


def error_of(body: JsonObject) -> EtcdError:
    """Return the error in a body; one in the middle of a stream has a form of its own."""
    inner = body.get("error")
    code = number(inner, "grpc_code") if isinstance(inner, dict) else number(body, "code")
    return EtcdError(code, said(body))


def number(body: object, key: str) -> int:
    """Return a number, 0 where it is left out. Raises StoreUnavailable: this is not etcd's spelling."""
    value = body.get(key, 0) if isinstance(body, dict) else 0
    if isinstance(value, int | str):
        try:
            return int(value)
        except ValueError:
            pass
    raise StoreUnavailable(f"this is no etcd: {key} is {value!r}")


def objects(body: object, key: str) -> list[JsonObject]:
    """Return a list of objects, empty where it is left out."""
    found = body.get(key) if isinstance(body, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def encoded(text: str) -> str:
    """Return text as keys and values are sent. Raises StoreRefused."""
    try:
        return base64.b64encode(text.encode()).decode()
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise StoreRefused(f"{text[:60]!r} is no Unicode text: {error.reason}") from error


def decoded(body: JsonObject, key: str) -> str | None:
    """Return text as it came; None if it is none."""
    try:
        return base64.b64decode(str(body.get(key, ""))).decode()
    except ValueError:
        return None


def item_of(pair: JsonObject) -> Item | None:
    """Return a key's item; None if its key or value is not text: another program's, and no item to us."""
    key, value = decoded(pair, "key"), decoded(pair, "value")
    if key is None or value is None:
        return None
    return Item(
        key, value, number(pair, "mod_revision"), number(pair, "create_revision"), number(pair, "lease")
    )


def range_of(prefix: str) -> JsonObject:
    """Return the range of all keys that start so."""
    first = prefix.encode() if prefix else b"\0"
    last = first.rstrip(b"\xff")
    end = last[:-1] + bytes((last[-1] + 1,)) if prefix else b"\0"
    encoded(prefix)
    return {"key": base64.b64encode(first).decode(), "range_end": base64.b64encode(end).decode()}


def snapshot_of(gateway: EtcdGateway, prefix: str) -> Snapshot:
    """Return all items under a prefix, as they were at one revision; etcd sorts by key."""
    answer = gateway.call("kv/range", range_of(prefix))
    items = [item for pair in objects(answer, "kvs") if (item := item_of(pair))]
    return Snapshot(tuple(items), number(answer.get("header"), "revision"))

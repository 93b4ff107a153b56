"""What a Kubernetes API server's answers mean: objects, or a refusal that it spells out as a Status. Pure."""

from __future__ import annotations

import http.client
import json

from cluster_store.store import Conflict, StoreRefused, StoreUnavailable

JsonObject = dict[str, object]
NODE_RIGHTS = " (nodes: get, list, watch; nodes/status: patch)"


class NotFound(Exception):
    """There is no such object."""


class KindUnknown(StoreUnavailable):
    """The server has no objects of that kind: it is older than they are, or an extension is not there yet."""


class Expired(Exception):
    """410 Gone: the version or the page that was asked for is forgotten; begin with a new list."""


def read_object(text: bytes, where: str) -> JsonObject:
    """Read an answer. Raises StoreUnavailable: something else than an API server has answered."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreUnavailable(f"{where}: the answer is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise StoreUnavailable(f"{where}: the answer is no JSON object")
    return found


def refusal(status: int, text: bytes, where: str, asked: str) -> Exception:
    """Return the error that an answer of 4xx or 5xx stands for; the body is a Status, or a proxy's page."""
    said = _message(text)
    sentence = f"{where}: {asked}: {said or http.client.responses.get(status, 'no reason given')} ({status})"
    if status == 404:
        return NotFound(sentence)
    if status == 409:
        return Conflict({})
    if status == 410 or "Too large resource version" in said:  # the server's data is older: a backup's
        return Expired(sentence)
    if status == 429 or status >= 500:
        return StoreUnavailable(sentence)
    advice = {
        401: ": is the token or the client certificate still good?",
        403: ": bind a ClusterRole that allows it" + (NODE_RIGHTS if "/nodes" in asked else ""),
    }
    return StoreRefused(sentence + advice.get(status, ""))


def _message(text: bytes) -> str:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    said = body.get("message") if isinstance(body, dict) else None
    return said[:500] if isinstance(said, str) else ""

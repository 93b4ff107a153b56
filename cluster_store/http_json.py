"""Requests to a server that speaks JSON: several endpoints, TLS, and an end to every wait."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cluster_store.json_lines import ANSWER_MAX, Lines
from cluster_store.store import DEADLINE, StoreRefused, StoreUnavailable
from cluster_store.wire import Connection, Endpoint

SHUT = "the server closed the connection"


@dataclass(frozen=True)
class Tls:
    """How a server proves who it is, and we who we are. `ca` None: whom the system trusts."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""  # what its certificate must name, where that is not the endpoint's host

    def context(self) -> ssl.SSLContext:
        """Read the files. Raises StoreRefused."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
            return context
        except (OSError, ValueError) as error:
            files = ", ".join(str(file) for file in (self.ca, self.certificate, self.key) if file)
            raise StoreRefused(f"the certificates cannot be used ({files}): {error}") from error


class Answer(NamedTuple):
    """What a server said. `body` is the JSON, or the text that was none."""

    status: int
    body: object


@dataclass(frozen=True)
class Question:
    """A request. `is_repeatable`: asked twice, it does no harm."""

    method: str
    path: str
    body: object = None
    headers: Mapping[str, str] | None = None
    is_repeatable: bool = True


class _Failed(Exception):
    """One endpoint gave no useful answer; `may_have_acted` if the question had gone out to it."""

    def __init__(self, reason: str, *, may_have_acted: bool) -> None:
        super().__init__(reason)
        self.may_have_acted = may_have_acted


class JsonClient:
    """Asks the endpoint that answered last; one that fails is followed by the next."""

    def __init__(self, endpoints: Sequence[Endpoint], tls: Tls | None = None) -> None:
        self._endpoints = list(endpoints)
        self._tls = tls or Tls()
        self._context: ssl.SSLContext | None = None
        self._connection: Connection | None = None

    def ask(self, question: Question, until: float | None = None) -> Answer:
        """Return the answer of the first endpoint that has one other than "not now" (HTTP 5xx).

        Raises:
            StoreUnavailable: no endpoint has, or it is not known whether one has acted.
        """
        until = until or time.monotonic() + DEADLINE
        failures: list[str] = []
        for left in range(len(self._endpoints), 0, -1):
            now = time.monotonic()
            try:
                return self._ask_one(question, now + (until - now) / left, until)
            except _Failed as failed:
                failures.append(f"{self._endpoints[0]}: {failed}")
                self.rotate()
                if failed.may_have_acted and not question.is_repeatable:
                    break
        raise StoreUnavailable("; ".join(failures))

    def rotate(self) -> None:
        """Ask the next endpoint from now on."""
        self.close()
        self._endpoints.append(self._endpoints.pop(0))

    def close(self) -> None:
        """End the connection; a later question makes another."""
        if self._connection:
            self._connection.end()
            self._connection = None

    def _ask_one(self, question: Question, share: float, until: float) -> Answer:
        """Ask the first endpoint within its share; one that may act gets all the time, since no other may."""
        end = share if question.is_repeatable else until
        if self._connection and self._connection.is_idle():
            try:
                return self._exchange(self._connection, question, end)
            except _Failed:  # a connection may die of age just now: that is no fault of the endpoint's
                self.close()
                if not question.is_repeatable:
                    raise
        self.close()
        self._connection = self._connect(share)
        return self._exchange(self._connection, question, end)

    def _connect(self, until: float) -> Connection:
        endpoint = self._endpoints[0]
        if endpoint.is_tls and self._context is None:
            self._context = self._tls.context()
        connection = Connection(endpoint, self._context if endpoint.is_tls else None, self._tls.server_name)
        try:
            connection.open(until)
        except OSError as error:
            raise _Failed(str(error), may_have_acted=False) from error
        return connection

    def _exchange(self, connection: Connection, question: Question, until: float) -> Answer:
        try:
            response = _send(connection, question, until)
            answer = _read(response)
        except (OSError, http.client.HTTPException) as error:
            raise _Failed(str(error) or SHUT, may_have_acted=True) from error
        if answer.status >= 500:
            raise _Failed(said(answer.body), may_have_acted=True)
        return answer

    def open_lines(self, question: Question) -> Lines | Answer:
        """Ask what is answered without end, on a connection of its own; an Answer if it is refused.

        Raises:
            StoreUnavailable: no endpoint has answered.
        """
        until = time.monotonic() + DEADLINE
        failures = []
        for left in range(len(self._endpoints), 0, -1):
            now = time.monotonic()
            try:
                return self._open_lines(question, now + (until - now) / left)
            except _Failed as failed:
                failures.append(f"{self._endpoints[0]}: {failed}")
                self.rotate()
        raise StoreUnavailable("; ".join(failures))

    def _open_lines(self, question: Question, until: float) -> Lines | Answer:
        connection = self._connect(until)
        try:
            response = _send(connection, question, until)
            if response.status == 200:
                return Lines(connection, response, str(self._endpoints[0]))
            answer = _read(response)
        except (OSError, http.client.HTTPException) as error:
            connection.end()
            raise _Failed(str(error) or SHUT, may_have_acted=True) from error
        connection.end()
        if answer.status >= 500:
            raise _Failed(said(answer.body), may_have_acted=True)
        return answer


def _send(connection: Connection, question: Question, until: float) -> http.client.HTTPResponse:
    connection.wire.until = until
    body = None if question.body is None else json.dumps(question.body).encode()
    headers = {"Content-Type": "application/json", **(question.headers or {})}
    connection.request(question.method, question.path, body, headers)
    return connection.getresponse()


def _read(response: http.client.HTTPResponse) -> Answer:
    data = response.read(ANSWER_MAX + 1)
    if len(data) > ANSWER_MAX:
        raise ConnectionError(f"an answer of more than {ANSWER_MAX} bytes")
    response.read()  # the end of the answer, so that the connection can be used again
    try:
        return Answer(response.status, json.loads(data))
    except ValueError:  # a proxy's page, or an old server's "404 page not found"
        return Answer(response.status, data[:1000].decode(errors="replace").strip())


def said(body: object) -> str:
    """Return the sentence in an error's body, whoever's form it has."""
    if isinstance(body, dict):
        text = body.get("message") or body.get("error") or body
        return said(text) if isinstance(text, dict) and text is not body else str(text)
    return str(body)[:200]

"""HTTP in front of the objects, with faults on demand. One thread a connection, in the maker's namespace."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.kube_api.collection import ApiError, Json, Matches, Objects, Resource, Revision
from tests.kube_api.objects import NodeObjects, partial
from tests.kube_api.selecting import matching

PATH = re.compile(
    r"(?P<group>/(?:api|apis/[^/]+)/v1)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+)(?P<status>/status)?)?"
)
RESOURCES = (
    Resource("", "services", "Service", True),
    Resource("discovery.k8s.io", "endpointslices", "EndpointSlice", True),
    Resource("", "pods", "Pod", True),
    Resource("", "namespaces", "Namespace", False),
    Resource("networking.k8s.io", "servicecidrs", "ServiceCIDR", False),
    Resource("coordination.k8s.io", "leases", "Lease", True),
)
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
FORBIDDEN = (
    'nodes is forbidden: User "me" cannot {verb} resource "nodes" in API group "" at the cluster scope'
)


class Asked(NamedTuple):
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    is_metadata: bool


class ApiServer:
    """What a test turns: `objects` are the Nodes, `of` the other kinds; the rest are faults."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        revision = Revision()
        self.objects = NodeObjects(revision)
        self.of = {one.plural: Objects(one, revision) for one in RESOURCES}
        self.absent: set[str] = set()  # kinds (plural) that this server does not have
        self.hidden: set[str] = set()  # kinds that nobody may read
        self.absent_namespaces: set[str] = set()  # all others are there
        self.is_told_twice = False  # every event of a watch, the second time after the next one
        self.is_shuffled = False  # events of one moment are told in the wrong order
        self.delay = 0.0  # seconds before each event
        self.token = ""  # that is asked for; "": none
        self.forbidden = ""  # a verb that is not allowed
        self.is_silent = False  # questions are read, and not answered
        self.dribble = 0.0  # seconds between bytes of an answer
        self.is_gone_by_status = False  # 410 as an answer of its own, not inside a watch
        self.is_watch_stalled = False  # watches are open, and nothing is told
        self.lines_next: list[bytes] = []  # that a watch tells besides events
        self.generation = 0  # of watches; `end_watches` ends those of the last
        self.page = b""  # that is answered instead of JSON, as a proxy's
        self.break_next: list[int] = []  # answers of 5xx that come first
        self.asked: list[Asked] = []
        self.watching = 0
        self.bookmarks = 0  # told so far; raise it with `bookmark`
        self.stopped = threading.Event()
        self.tls, self.host = tls, host
        self.sockets: set[socket.socket] = set()
        self.http = _Server((host, 0), _Handler)
        self.http.api = self

    @property
    def url(self) -> str:
        """Return where it is."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.http.server_port}"

    def objects_at(self, path: str) -> Objects | None:
        """Return the objects of a kind, None if there is no such. Raises ApiError 403."""
        there = [self.objects, *(one for name, one in self.of.items() if name not in self.absent)]
        found = next((one for one in there if one.resource.path == path), None)
        if found is not None and (plural := found.resource.plural) in self.hidden:
            raise ApiError(
                403, "Forbidden", f'{plural} is forbidden: User "me" cannot list resource "{plural}"'
            )
        return found

    def bookmark(self) -> None:
        """Tell every watcher how far history is."""
        with self.objects.changed:
            self.bookmarks += 1
            self.objects.changed.notify_all()

    def end_watches(self) -> None:
        """End every watch in good order, as the server does after some minutes."""
        with self.objects.changed:
            self.generation += 1
            self.objects.changed.notify_all()

    def drop_connections(self) -> None:
        """Break every connection off, in the middle of whatever it does."""
        with self.objects.changed:
            for one in tuple(self.sockets):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self.objects.changed.notify_all()

    def wait_watchers(self, count: int) -> None:
        """Wait until so many watches are open."""
        with self.objects.changed:
            assert self.objects.changed.wait_for(lambda: self.watching == count, timeout=60), self.watching

    def questions(self, method: str = "GET") -> list[Asked]:
        """Return what was asked so far by a method."""
        return [one for one in self.asked if one.method == method]


@contextmanager
def running_api(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[ApiServer]:
    """Serve until the block ends."""
    api = ApiServer(tls, host)
    thread = threading.Thread(target=api.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        api.stopped.set()
        api.http.shutdown()
        api.drop_connections()
        api.http.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    api: ApiServer
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Note the connection, so that it can be dropped."""
        self.api = self.server.api
        if self.api.tls:
            self.request = self.api.tls.wrap_socket(self.request, server_side=True)
        self.api.sockets.add(self.request)
        super().setup()

    def finish(self) -> None:
        """Forget it."""
        self.api.sockets.discard(self.request)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer get, list and watch."""
        self._answer(self._get)

    def do_PATCH(self) -> None:
        """Answer apply and merge."""
        self._answer(self._patch)

    def do_POST(self) -> None:
        """Answer create."""
        self._answer(self._post)

    def do_PUT(self) -> None:
        """Answer replace."""
        self._answer(self._put)

    def do_DELETE(self) -> None:
        """Answer delete."""
        self._answer(self._delete)

    def _answer(self, serve: Any) -> None:
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query))
        self.is_metadata = "as=PartialObjectMetadata" in self.headers.get("Accept", "")
        self.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.api.asked.append(Asked(self.command, url.path, self.query, self.is_metadata))
        if self.api.is_silent:
            self.api.stopped.wait(30)
            return
        try:
            self._admit()
            found = PATH.fullmatch(url.path)
            objects = self.api.objects_at(f"{found['group']}/{found['plural']}") if found else None
            if found is None or objects is None:
                raise ApiError(404, "NotFound", "the server could not find the requested resource")
            self.objects, self.namespace = objects, found["namespace"] or ""
            name = found["name"] or ""
            serve(f"{self.namespace}/{name}" if name and self.namespace else name, bool(found["status"]))
        except ApiError as error:
            self._send(error.code, error.status)

    def _admit(self) -> None:
        if self.api.break_next:
            raise ApiError(self.api.break_next.pop(0), "ServiceUnavailable", "the server is currently unable")
        if self.api.token and self.headers.get("Authorization") != f"Bearer {self.api.token}":
            raise ApiError(401, "Unauthorized", "Unauthorized")
        verb = "patch" if self.command == "PATCH" else "watch" if "watch" in self.query else "list"
        if verb == self.api.forbidden:
            raise ApiError(403, "Forbidden", FORBIDDEN.format(verb=verb))

    def _get(self, name: str, is_status: bool) -> None:
        if "watch" in self.query:
            self._watch()
        elif name:
            node = self.objects.get(name)
            self._send(200, partial(node) if self.is_metadata else node)
        else:
            self._list()

    def _list(self) -> None:
        asked = int(self.query.get("limit", "0")), self.query.get("continue", "")
        is_selected = self.namespace or self.query.keys() & {"labelSelector", "fieldSelector"}
        found, metadata = (
            self.objects.page(*asked, self._matches()) if is_selected else self.objects.page(*asked)
        )
        if self.is_metadata:
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            items = [partial(one) for one in found]
        else:  # items of a list say neither kind nor apiVersion
            resource = self.objects.resource
            head = {"kind": f"{resource.kind}List", "apiVersion": resource.version}
            items = [{k: v for k, v in one.items() if k not in ("kind", "apiVersion")} for one in found]
        self._send(200, {**head, "metadata": metadata, "items": items})

    def _matches(self) -> Matches:
        """Return what a list or watch is about."""
        selected, namespace = matching(self.query), self.namespace
        if not namespace:
            return selected
        return lambda item: item["metadata"].get("namespace") == namespace and selected(item)

    def _post(self, name: str, is_status: bool) -> None:
        body = json.loads(self.body)
        if self.namespace in self.api.absent_namespaces:
            raise ApiError(404, "NotFound", f'namespaces "{self.namespace}" not found')
        body["metadata"].setdefault("namespace", self.namespace)
        self._send(201, self.objects.create_new(body))

    def _put(self, name: str, is_status: bool) -> None:
        body = json.loads(self.body)
        body["metadata"].setdefault("namespace", self.namespace)
        self._send(200, self.objects.replace(name, body))

    def _delete(self, name: str, is_status: bool) -> None:
        preconditions = json.loads(self.body or b"{}").get("preconditions", {})
        self.objects.remove(name, preconditions)
        self._send(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    def _patch(self, name: str, is_status: bool) -> None:
        kind, body = self.headers.get("Content-Type", ""), json.loads(self.body)
        manager = self.query.get("fieldManager", "")
        if kind == APPLY:
            if not manager:
                raise ApiError(422, "Invalid", "PatchOptions.meta.k8s.io is invalid: fieldManager: Required")
            force = self.query.get("force") == "true"
            found = self.nodes().apply(name, body, is_status=is_status, manager=manager, force=force)
        elif kind == MERGE and self.objects is not self.api.objects:
            found = self.objects.merge_patch(name, body, is_status=is_status)
        elif kind == MERGE:
            found = self.nodes().merge(name, body, is_status=is_status, manager=manager or "unknown")
        else:
            raise ApiError(
                415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {kind}"
            )
        self._send(200, found)

    def nodes(self) -> NodeObjects:
        """Return what can be patched. Raises ApiError."""
        if self.objects is not self.api.objects:
            raise ApiError(405, "MethodNotAllowed", "only Nodes are applied here")
        return self.api.objects

    def _watch(self) -> None:
        objects, version = self.objects, int(self.query["resourceVersion"])
        if self.api.is_gone_by_status:
            objects.check_known(version)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        ends_at = time.monotonic() + float(self.query.get("timeoutSeconds", "600"))
        self._count(1)
        try:
            objects.check_known(version)
            self._tell(version, ends_at)
        except ApiError as error:
            self._chunk({"type": "ERROR", "object": error.status})
        finally:
            self._count(-1)
        self.wfile.write(b"0\r\n\r\n")

    def _count(self, step: int) -> None:
        with self.api.objects.changed:
            self.api.watching += step
            self.api.objects.changed.notify_all()

    def _tell(self, version: int, ends_at: float) -> None:
        objects, told, generation = self.objects, self.api.bookmarks, self.api.generation
        matches = self._matches()
        while time.monotonic() < ends_at and not self.api.stopped.is_set():
            with objects.changed:
                if generation != self.api.generation:
                    return
                while self.api.lines_next:
                    self._chunk_of(self.api.lines_next.pop(0))
                events = [] if self.api.is_watch_stalled else objects.since(version, matches)
                if not events and told == self.api.bookmarks:
                    objects.changed.wait(0.2)
                    if self.request not in self.api.sockets or _is_gone(self.request):
                        return
                    continue
                is_marked, told = told != self.api.bookmarks, self.api.bookmarks
                now = objects.version
            version = events[-1][0] if events else version
            for _, kind, item in self._in_disorder(events):
                if self.api.delay and self.api.stopped.wait(self.api.delay):
                    return
                self._chunk({"type": kind, "object": partial(item) if self.is_metadata else item})
            if is_marked:
                version = now
                resource = objects.resource
                mark = {"kind": resource.kind, "apiVersion": resource.version}
                self._chunk(
                    {"type": "BOOKMARK", "object": {**mark, "metadata": {"resourceVersion": f"{now}"}}}
                )

    def _in_disorder(self, events: list[tuple[int, str, Json]]) -> list[tuple[int, str, Json]]:
        """Return the events as a server tells them that has this fault."""
        if self.api.is_shuffled:
            events = events[::-1]
        if self.api.is_told_twice:
            late = [None, *events[:-1]]
            pairs = zip(events, late, strict=True)
            events = [one for pair in pairs for one in pair if one is not None] + events[-1:]
        return events

    def _chunk(self, event: Json) -> None:
        self._chunk_of(json.dumps(event).encode() + b"\n")

    def _chunk_of(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _send(self, code: int, body: Json) -> None:
        data = self.api.page or json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if not self.api.dribble:
            self.wfile.write(data)
            return
        for byte in data:
            self.wfile.write(bytes([byte]))
            if self.api.stopped.wait(self.api.dribble):
                return


def _is_gone(connection: socket.socket) -> bool:
    """Tell whether the client has left (it never speaks during a watch)."""
    try:
        if isinstance(connection, ssl.SSLSocket):
            return False
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True

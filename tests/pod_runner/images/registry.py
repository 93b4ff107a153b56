"""A registry on loopback (OCI distribution specification): what pulling needs, and ways to go wrong."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.pod_runner.images.making import INDEX, MANIFEST


@dataclass
class Registry:
    """What it has: blobs and manifests by digest, tags ("app:1") by name; and what was asked, how often."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    status: int = 200  # another: what all is answered with
    moved: str = ""  # blobs are said to be there
    address: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a GET."""
        self.asked[path] += 1
        parts = path.split("/")
        if self.status != 200 or parts[1] not in ("v2", "store"):
            return self.status, {}, b"{}"
        name, kind, reference = "/".join(parts[2:-2]), parts[-2], parts[-1]
        if kind == "manifests":
            reference = self.tags.get(f"{name}:{reference}", reference)
        elif self.moved and parts[1] == "v2":
            return 307, {"Location": f"{self.moved}/store/{name}/blobs/{reference}"}, b""
        body = self.blobs.get(reference)
        if body is None or (kind == "blobs" and b'"manifests"' in body):
            return 404, {}, b"{}"
        return 200, {"Content-Type": _type(kind, body)}, body


def _type(kind: str, body: bytes) -> str:
    if kind != "manifests":
        return "application/octet-stream"
    return INDEX if b'"manifests"' in body else MANIFEST


@contextmanager
def served(registry: Registry) -> Iterator[str]:
    """Serve it, and give HOST:PORT."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = registry.answer(self.path)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # the client has read enough of it to refuse it
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield registry.address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

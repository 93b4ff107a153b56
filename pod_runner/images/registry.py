"""A registry by HTTP (OCI distribution specification 1.1, pull) -> an ImageSource.

For registries that let anybody read: those of a laptop, a lab, a company's network. One that asks who we are
is refused with a sentence: skopeo, where it is installed, knows logins. Plain HTTP goes to loopback alone.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from cluster_store.wire import Connection, Endpoint
from pod_runner.images.documents import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from pod_runner.images.errors import ImageError
from pod_runner.images.reference import DEFAULT_REGISTRY, Reference
from pod_runner.images.sources import ImageSource, check_digest, digest_of, oci_image, read_all
from pod_runner.images.streams import CHUNK, Reader

PATIENCE = 30.0  # seconds without a byte
REDIRECTS = 5  # of a blob, to where it is stored
ACCEPTED = ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))


def is_loopback(registry: str) -> bool:
    """Tell whether a registry is on this machine, so that nobody is between us."""
    host = urlsplit(f"//{registry}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost" or host.endswith(".localhost")


def registry_image(reference: Reference) -> ImageSource:
    """Ask for an image's manifest and configuration; its layers are fetched when they are opened.

    Raises:
        ImageError: no answer, a refusal, or something that is no image.
    """
    return _Repository(reference).image()


class _Repository:
    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        host = "registry-1.docker.io" if reference.registry == DEFAULT_REGISTRY else reference.registry
        self._base = f"{'http' if is_loopback(host) else 'https'}://{host}/v2/{reference.path}/"
        self._tagged: tuple[str, bytes] = ("", b"")  # the manifest that the tag led to

    def image(self) -> ImageSource:
        tag = self._reference.tag
        with self._get(f"manifests/{tag}") as response:
            body = read_all(response, self._reference.name)
            kind = response.headers.get_content_type()
        digest = digest_of(body)
        if tag.startswith("sha256:"):
            check_digest(body, tag)
        self._tagged = (digest, body)
        media_type = kind if kind in INDEX_TYPES + MANIFEST_TYPES else ""
        return oci_image(self, Descriptor(mediaType=media_type, digest=digest), (self._reference.name,))

    @contextmanager
    def open(self, digest: str) -> Iterator[Reader]:
        """Open a blob or a manifest of the repository; the reader checks what comes."""
        if digest == self._tagged[0]:
            yield _Once(self._tagged[1])
            return
        for folder in ("blobs", "manifests"):
            try:
                with self._get(f"{folder}/{digest}") as response:
                    yield response
                return
            except _NotThere:  # an index names manifests, which are no blobs
                continue
        raise ImageError(f"{self._reference.name}: the registry does not have {digest}")

    @contextmanager
    def _get(self, path: str) -> Iterator[_Answer]:
        url = urljoin(self._base, path)
        for _ in range(REDIRECTS):
            connection = self._connect(url)
            try:
                answer = self._ask(connection, url)
                if not answer.location:
                    yield answer
                    return
                url = urljoin(url, answer.location)
            finally:
                connection.end()
        raise ImageError(f"{self._reference.name}: more than {REDIRECTS} redirections")

    def _connect(self, url: str) -> Connection:
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        is_near = parts.scheme == "http" and is_loopback(parts.netloc)
        if not parts.hostname or not (is_tls or is_near):
            raise ImageError(f"{self._reference.name}: {url}: only HTTPS leaves this machine")
        endpoint = Endpoint(parts.hostname, parts.port or (443 if is_tls else 80), is_tls)
        connection = Connection(endpoint, ssl.create_default_context() if is_tls else None, "")
        try:
            connection.open(time.monotonic() + PATIENCE)
        except OSError as error:
            raise ImageError(f"{self._reference.name}: {endpoint}: {error}") from error
        return connection

    def _ask(self, connection: Connection, url: str) -> _Answer:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        name = self._reference.name
        try:
            connection.request("GET", target, headers={"Accept": f"{ACCEPTED}, */*"})
            response = connection.getresponse()
        except (OSError, HTTPException, ValueError) as error:
            raise ImageError(f"{name}: {parts.netloc}: {error or 'no answer'}") from error
        if response.status in (301, 302, 303, 307, 308):
            return _Answer(connection, response, response.getheader("Location") or "/")
        if response.status in (401, 403):
            said = "it wants to know who asks; install skopeo, which knows logins and tokens"
            raise ImageError(f"{name}: {parts.netloc}: {said} (HTTP {response.status})")
        if response.status == 404:
            raise _NotThere(f"{name}: the registry has no {target.partition('/v2/')[2]}")
        if response.status != 200:
            raise ImageError(f"{name}: {parts.netloc}: HTTP {response.status} {response.reason}")
        return _Answer(connection, response)


class _NotThere(ImageError):
    """HTTP 404."""


class _Answer:
    """An answer that may take long, as long as something comes."""

    def __init__(self, connection: Connection, response: HTTPResponse, location: str = "") -> None:
        self._connection, self._response = connection, response
        self.headers = response.headers
        self.location = location

    def read(self, size: int, /) -> bytes:
        self._connection.wire.until = time.monotonic() + PATIENCE
        try:
            return self._response.read(min(size, CHUNK))
        except (OSError, HTTPException, ValueError) as error:
            raise ImageError(f"the registry's answer broke off: {error}") from error


class _Once:
    """Bytes that are here already, as a stream."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self, size: int, /) -> bytes:
        data, self._body = self._body[:size], self._body[size:]
        return data

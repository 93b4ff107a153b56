"""How a Kubernetes API server is reached: a kubeconfig, or what a pod is given.

Secrets are read when they are needed, not when the program starts: certificates at each connection, tokens
once a minute, since both are exchanged under a running node. None of them is ever part of an error.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from cluster_store.kubeconfig import Cluster, Kubeconfig, User, parse_kubeconfig
from cluster_store.store import StoreRefused

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # mounted into every pod
TOKEN_AGE = 60.0  # seconds; a pod's token is exchanged long before it ends, when 80 % of its time is over
PORTS = {"https": 443, "http": 80}


class Token(Protocol):
    """Where the bearer token comes from."""

    def text(self) -> str:
        """Return it; "" for none. Raises StoreRefused."""

    def forget(self) -> bool:
        """Note that the server refused it; tell whether another may be had."""


@dataclass(frozen=True)
class FixedToken:
    """A token that the configuration spells out, or none."""

    value: str = ""

    def text(self) -> str:
        """Return it."""
        return self.value

    def forget(self) -> bool:
        """Tell that there is no other."""
        return False


class TokenFile:
    """A token in a file that somebody else renews."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._value, self._read_at = "", 0.0

    def text(self) -> str:
        """Return what the file said, read again after a minute. Raises StoreRefused."""
        if not self._value or self._clock() - self._read_at >= TOKEN_AGE:
            self._value = _one_line(_read(self._path, "token").strip(), f"{self._path}")
            self._read_at = self._clock()
        return self._value

    def forget(self) -> bool:
        """Read the file at the next call, and tell whether it says something else than before."""
        before, self._value = self._value, ""
        return self.text() != before


@dataclass(frozen=True)
class Trust:
    """What a TLS connection is made with; files are read at each. `authority` is PEM, a path, or None."""

    authority: Path | bytes | None = None
    certificate: Path | bytes | None = None
    key: Path | bytes | None = None
    is_verified: bool = True

    def context(self) -> ssl.SSLContext:
        """Make the connection's parameters. Raises StoreRefused naming the file that is no good."""
        try:
            return self._context()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise StoreRefused(f"{self._names()} cannot be used for TLS: {error}") from error

    def _context(self) -> ssl.SSLContext:
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not self.is_verified:
            found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
        elif self.authority is None:
            found.load_default_certs()
        else:
            found.load_verify_locations(cadata=_bytes(self.authority).decode("ascii"))
        if self.certificate is not None and self.key is not None:
            with _as_file(self.certificate) as certificate, _as_file(self.key) as key:
                found.load_cert_chain(certificate, key, password="")
        return found

    def _names(self) -> str:
        parts = (self.authority, self.certificate, self.key)
        return (
            ", ".join(str(one) for one in parts if isinstance(one, Path)) or "the kubeconfig's certificates"
        )


@dataclass(frozen=True)
class Access:
    """One API server. `base` is a path before "/api"; `trust` None: plain HTTP."""

    where: str
    host: str
    port: int
    token: Token
    trust: Trust | None = None
    base: str = ""
    server_name: str = ""  # that the certificate is for, where it is not `host`


def access_by_kubeconfig(path: Path, context: str = "") -> Access:
    """Read a kubeconfig; `context` "" takes its current one.

    Raises:
        StoreRefused: it cannot be read, or wants what podwire does not do; the message names the key.
    """
    config = parse_kubeconfig(_read(path, "kubeconfig"), f"{path}")
    cluster, user = config.choose(context, f"{path}")
    return _access(config, cluster, user, path)


def access_in_cluster(environment: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT) -> Access:
    """Take what Kubernetes gives a pod. Raises StoreRefused where there is nothing."""
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
    if not host or not port.isdigit():
        raise StoreRefused(
            "KUBERNETES_SERVICE_HOST and _PORT are not set: outside a pod, name a kubeconfig instead"
        )
    token = TokenFile(folder / "token")
    token.text()
    where = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(where, host, int(port), token, Trust(authority=folder / "ca.crt"))


def _access(config: Kubeconfig, cluster: Cluster, user: User, path: Path) -> Access:
    url = _server(cluster.server, path)
    token: Token = FixedToken(_one_line(user.token, f"{path}: token") if user.token else "")
    if user.token_file:  # as for kubectl, the file has the newer one
        token = TokenFile(path.parent / user.token_file)
    trust = Trust(
        authority=_material(cluster.authority_data, cluster.authority, path, "certificate-authority-data"),
        certificate=_material(user.certificate_data, user.certificate, path, "client-certificate-data"),
        key=_material(user.key_data, user.key, path, "client-key-data"),
        is_verified=not cluster.skip_verify,
    )
    return Access(
        cluster.server, url.hostname or "", url.port or PORTS[url.scheme], token,
        trust if url.scheme == "https" else None, url.path.rstrip("/"), cluster.server_name,
    )  # fmt: skip


def _server(text: str, path: Path) -> SplitResult:
    try:
        url = urlsplit(text)
        is_fine = url.scheme in PORTS and bool(url.hostname) and url.port != 0 and not url.username
    except ValueError:
        is_fine = False
    if not is_fine:
        raise StoreRefused(f"{path}: server {text[:80]!r} is no https://HOST:PORT")
    return url


def _material(data: str, file: str, path: Path, key: str) -> Path | bytes | None:
    """Return PEM that is spelled out, or the file it is in; kubectl too lets the former win."""
    if not data:
        return path.parent / file if file else None
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise StoreRefused(f"{path}: {key} is not base64") from error


def _one_line(token: str, where: str) -> str:
    """Refuse what cannot stand in a header; `http.client` would put it into its error."""
    if not (token and token.isascii() and token.isprintable()):
        raise StoreRefused(f"{where} holds no token of one line")
    return token


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise StoreRefused(f"cannot read the {what} {path}: {reason}") from error


def _bytes(material: Path | bytes) -> bytes:
    return material.read_bytes() if isinstance(material, Path) else material


@contextmanager
def _as_file(material: Path | bytes) -> Iterator[str]:
    """Give a path to what OpenSSL reads from files only; a key in memory never reaches a disk."""
    if isinstance(material, Path):
        yield str(material)
        return
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, material)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)

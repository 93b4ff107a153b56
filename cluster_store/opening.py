"""A store from the URL that a configuration names (`[overlay] registry` of agent.toml).

    /var/lib/podwire/registry                    a folder
    directory:/var/lib/podwire/registry          the same
    etcd://10.0.0.1:2379,10.0.0.2:2379/prefix    etcd; the port is 2379 if none is given
    etcds://10.0.0.1,10.0.0.2                    etcd with TLS
    https://10.0.0.1:2379,https://10.0.0.2:2379  the same as flannel and etcdctl are told it; http:// too

The prefix is where the keys stand; the store itself takes whole keys, so whoever builds them asks
`prefix_of`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from cluster_store.store import Store, StoreRefused

if TYPE_CHECKING:
    from cluster_store.wire import Endpoint

ETCD_PORT = 2379  # IANA: etcd-client
TLS_BY_SCHEME = {"etcd": False, "etcds": True, "http": False, "https": True}
FORMS = '"/FOLDER", "directory:/FOLDER", "etcd://HOST:PORT,.../PREFIX" or "etcds://..."'


@dataclass(frozen=True)
class StoreOptions:
    """What a URL does not say: whom to trust and who we are. For etcd."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""
    user: str = ""
    password_file: Path | None = None  # a secret has no place in a URL that is printed


def open_store(url: str, options: StoreOptions | None = None) -> Store:
    """Return the store of a URL; it is not asked anything yet.

    Raises:
        StoreRefused: the URL is none of these, or a file that `options` name cannot be used.
    """
    if folder := _folder(url):
        from cluster_store.directory import DirectoryStore

        return DirectoryStore(folder)
    return _open_etcd(url, options or StoreOptions())


def prefix_of(url: str) -> str:
    """Return the prefix that a URL of etcd names, no slash at its end, "" if none. Raises StoreRefused."""
    if _folder(url):
        return ""
    paths = {_split(part, url).path.rstrip("/") for part in _parts(url)}
    if len(paths) > 1:
        raise StoreRefused(
            f"registry {_shown(url)!r}: the servers are to have different prefixes: {sorted(paths)}"
        )
    return paths.pop()


def _folder(url: str) -> Path | None:
    """Return the folder that a URL names, None if it names none."""
    path = url.removeprefix("directory:")
    path = "/" + path.lstrip("/") if path.startswith("/") else path
    if path.startswith("/"):
        return Path(path)
    if path != url:
        raise StoreRefused(
            f"registry {_shown(url)!r}: the folder must begin at the root, as in directory:/srv/nodes"
        )
    return None


def _open_etcd(url: str, options: StoreOptions) -> Store:
    from cluster_store.etcd import EtcdStore  # 25 ms of http.client and ssl that a folder does not need
    from cluster_store.http_json import Tls

    prefix_of(url)
    endpoints = [_endpoint(part, url) for part in _parts(url)]
    tls = Tls(options.ca, options.certificate, options.key, options.server_name)
    if any(endpoint.is_tls for endpoint in endpoints):
        tls.context()  # whoever configured it is told at once
    elif options.ca or options.certificate:
        raise StoreRefused(
            f"registry {_shown(url)!r}: certificates are given, but not used; write etcds:// or https://"
        )
    return EtcdStore(endpoints, tls=tls, user=options.user, password=_password(options))


def _parts(url: str) -> list[str]:
    """Cut "etcd://a,b/p" and "http://a,http://b" into one URL a server, all with the path of the last."""
    scheme, _, rest = url.partition("://")
    hosts, slash, path = rest.partition("/") if rest.count("://") == 0 else (rest, "", "")
    servers = [re.sub(r"/+$", "", server) for server in hosts.split(",") if server]
    if scheme not in TLS_BY_SCHEME or not servers:
        raise StoreRefused(f"registry {_shown(url)!r}: expected {FORMS}")
    whole = [server if "://" in server else f"{scheme}://{server}" for server in servers]
    return [server + slash + path for server in whole]


def _shown(url: str) -> str:
    """Return a URL as it may be printed: somebody may have put a password into it."""
    return re.sub(r"//[^/,]*@", "//...@", url)


def _split(part: str, url: str) -> SplitResult:
    try:
        split = urlsplit(part)
        is_fine = split.scheme in TLS_BY_SCHEME and split.hostname and split.port != 0
    except ValueError as error:
        raise StoreRefused(f"registry {_shown(url)!r}: {error}") from error
    if not is_fine:
        raise StoreRefused(f"registry {_shown(url)!r}: expected {FORMS}")
    if split.username is not None or split.query or split.fragment:
        raise StoreRefused("the registry's URL must not name a user, a query or a fragment: they are options")
    return split


def _endpoint(part: str, url: str) -> Endpoint:
    from cluster_store.wire import Endpoint

    split = _split(part, url)
    return Endpoint(split.hostname or "", split.port or ETCD_PORT, TLS_BY_SCHEME[split.scheme])


def _password(options: StoreOptions) -> str:
    if options.password_file is None:
        return ""
    try:
        return options.password_file.read_text().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreRefused(
            f"the registry's password cannot be read: {options.password_file}: {error}"
        ) from error

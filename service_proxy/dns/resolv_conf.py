"""resolv.conf as libresolv reads it (resolv.conf(5); glibc's resolv/res_init.c)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from service_proxy.dns.forward_settings import Server

LARGEST_FILE = 1 << 20  # bytes; nobody has written a longer one by hand
COMMENTS = ("#", ";")  # only where a line begins


@dataclass(frozen=True)
class ResolvConf:
    """What a resolv.conf says. `options` as written, `name` or `name:value`, a later one over an earlier."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def servers(self) -> tuple[Server, ...]:
        """Return the name servers as upstreams."""
        return tuple(Server(one) for one in self.nameservers)

    def __str__(self) -> str:
        """Return the file, in kubelet's order."""
        lines = [
            *([f"search {' '.join(self.searches)}"] if self.searches else []),
            *(f"nameserver {one}" for one in self.nameservers),
            *([f"options {' '.join(self.options)}"] if self.options else []),
        ]
        return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> ResolvConf:
    """Read a resolv.conf. What libresolv would not understand is passed over, as it does.

    All name servers are returned, though libresolv asks three; `search` and `domain` displace each other.
    """
    nameservers: list[str] = []
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        keyword, *words = line.split() or [""]
        if line[:1] in COMMENTS or line[:1].isspace() or not words:
            continue
        if keyword == "nameserver" and is_address(words[0]):
            nameservers.append(words[0])
        elif keyword == "search":
            searches = tuple(words)
        elif keyword == "domain":
            searches = (words[0],)
        elif keyword == "options":
            options = merge_options(options, tuple(words))
    return ResolvConf(tuple(nameservers), searches, options)


def read(path: Path) -> ResolvConf:
    """Read a file. Raises OSError; FileNotFoundError is libresolv's "ask 127.0.0.1", the caller decides."""
    with path.open("rb") as file:
        return parse(file.read(LARGEST_FILE).decode("utf-8", "replace"))


def is_address(text: str) -> bool:
    """Tell whether a word is an address, a link-local one perhaps with its %interface."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def merge_options(first: tuple[str, ...], then: tuple[str, ...]) -> tuple[str, ...]:
    """Return both; an option that is in both has its place of the first and its value of the second."""
    return tuple({one.partition(":")[0]: one for one in (*first, *then)}.values())

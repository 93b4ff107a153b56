"""What the forwarder and its cache are told, in values; checked by whoever read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address
from typing import NamedTuple, Protocol

from service_proxy.dns.message import LARGEST_UDP
from service_proxy.model import Address

PORT = 53
_BRACKETED, _WITH_PORT = re.compile(r"\[(.*)\](?::([0-9]{1,5}))?"), re.compile(r"([^:]*):([0-9]{1,5})")


class Server(NamedTuple):
    """Where to ask. `address` as people write it, a link-local one with its %interface."""

    address: str
    port: int = PORT

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def read_server(text: str) -> Server:
    """Read ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT. Raises ValueError: a name, or no port number."""
    found = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    address, port = found.groups() if found else (text, None)
    with suppress(ValueError):  # which says less than the sentence below
        ip_address(address)
        if 0 < int(port or PORT) < 1 << 16:
            return Server(address, int(port or PORT))
    raise ValueError(f"{text[:80]!r}: expected the address of a DNS server, ADDRESS or ADDRESS:PORT")


class Policy(Enum):
    """Who is asked first of those that answer."""

    RANDOM = "random"
    SEQUENTIAL = "sequential"  # in the order given, as libresolv does


class Tell(Protocol):
    """Begins a condition, or ends it with an empty message; callable from any thread."""

    def __call__(self, name: str, message: str, *, about: str = "") -> None: ...


@dataclass(frozen=True)
class CacheSettings:
    """How long and how much is kept. All times in seconds."""

    entries: int = 10_000  # CoreDNS's 9,984, rounded
    size: int = 32 << 20  # bytes, with what Python needs around them
    longest: int = 3600
    longest_negative: int = 30  # a name that comes into being is seen soon
    stale: int = 86400  # RFC 8767 section 5: one to three days; 0 keeps nothing
    stale_ttl: int = 30  # RFC 8767 section 4
    popular: int = 3  # hits in an entry's life after which it is asked for again before it ends; 0: never


@dataclass(frozen=True)
class ForwardSettings:
    """How others are asked. All times in seconds."""

    policy: Policy = Policy.RANDOM
    max_concurrent: int = 1000  # questions outstanding; CoreDNS's manifests have the same
    max_by_client: int = 200  # of these, by one address
    patience: float = 1.0  # until another upstream is asked; the first may still answer
    deadline: float = 4.5  # a resolver asks again after 5 (resolv.conf(5), timeout)
    stale_after: float = 1.8  # RFC 8767 section 5, client response timer
    max_failures: int = 2  # in a row; then an upstream is asked no more until a probe was answered
    probe_first: float = 0.5
    probe_longest: float = 10.0
    largest_udp: int = LARGEST_UDP  # bytes; a client that allows more gets TC beyond it
    stubs: Mapping[str, tuple[Server, ...]] = field(default_factory=dict)  # domain -> its servers
    hosts: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    cache: CacheSettings = CacheSettings()

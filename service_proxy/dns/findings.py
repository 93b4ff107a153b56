"""What can be found at a name."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from service_proxy.model import Address

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV = 1, 2, 5, 6, 12, 16, 28, 33  # iana.org, DNS parameters


class Record(NamedTuple):
    """One record. `owner` b"" is the name that was asked for; `ttl` None is the zone's."""

    type: int
    data: bytes
    owner: bytes = b""
    ttl: int | None = None


class Found(NamedTuple):
    """What is at a name that is there: nothing of the type asked for, where `answers` is empty."""

    answers: tuple[Record, ...] = ()
    extra: tuple[Record, ...] = ()
    near: int = 0  # so many answers come before the others; 0: all are equal
    beyond: bytes = b""  # where an alias ends outside the zone: others must answer that
    owner: bytes = b""  # key of the service that alone decides this; b"": not so simple
    address: Address = b""  # ... or the address of which this is the reverse name


class Absence(Enum):
    """Why nothing was found."""

    NO_NAME = "there is no such name"
    NOT_OURS = "others may know"


Finding = Found | Absence
NODATA = Found()

"""Container ids, network names and interface names: strings that were checked once, at the door."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")  # CNI 1.1.0 sections 1 and 2
NETWORK_NAME_LIMIT = 255  # bytes; NAME_MAX, for host-local keeps a directory of that name
CONTAINER_ID_LIMIT = 1024  # bytes; the specification has none, environments and files do
IFNAME_LIMIT = 15  # bytes; IFNAMSIZ is 16 with the closing NUL (linux/if.h)


def check_network_name(text: str) -> str:
    """Return a network's name.

    Raises:
        ValueError: it is empty, too long, or has a character the specification does not allow.
    """
    return _check_name(text, "a network name", NETWORK_NAME_LIMIT)


def check_container_id(text: str) -> str:
    """Return a container id. Raises ValueError as `check_network_name` does."""
    return _check_name(text, "a container id", CONTAINER_ID_LIMIT)


def check_ifname(text: str) -> str:
    """Return an interface name that the kernel takes (dev_valid_name in net/core/dev.c).

    Raises:
        ValueError: empty, longer than 15 bytes, "." or "..", or with "/", ":" or white space.
    """
    size = len(text.encode("utf-8", "surrogateescape"))
    if not 0 < size <= IFNAME_LIMIT:
        raise ValueError(f"expected an interface name of 1 to {IFNAME_LIMIT} bytes, came {_short(text)}")
    if text in (".", "..") or any(c in "/:\0" or c.isspace() for c in text) or not text.isprintable():
        raise ValueError(f"expected an interface name without '/', ':' or white space, came {_short(text)}")
    return text


def _check_name(text: str, what: str, limit: int) -> str:
    if not text:
        raise ValueError(f"expected {what}, came nothing")
    if len(text) > limit:
        raise ValueError(f"expected {what} of at most {limit} characters, came {len(text)}")
    if not NAME_PATTERN.fullmatch(text):
        raise ValueError(f"expected {what} of letters, digits, '_', '.' and '-', came {_short(text)}")
    return text


def _short(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:40] + "…")


NetworkName = Annotated[str, AfterValidator(check_network_name)]
InterfaceName = Annotated[str, AfterValidator(check_ifname)]

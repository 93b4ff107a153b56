"""Members of a JSON object, read one by one; what is wrong is said by place, what was expected, what came.

A member that is null is one that is absent, as API servers have it. Nothing here descends by itself, so that
nesting does no harm, and no text of an error is longer than a line.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Iterator, Mapping
from functools import lru_cache
from sys import intern
from typing import TypeVar

from service_proxy.model import NO_LABELS, Address

Choice = TypeVar("Choice")
LABEL_MAX, NAME_MAX = 63, 253  # characters (RFC 1123, as Kubernetes' API holds names to it)
SHOWN_MAX = 40  # characters of a wrong value in an error
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class WrongMember(Exception):
    """A member that cannot be used; `str` is the sentence without the object's name."""

    def __init__(self, place: str, expected: str, came: object) -> None:
        super().__init__(f"{place}: expected {expected}, not {shown(came)}")


def shown(value: object) -> str:
    """Return a value as an error shows it: short, whatever it is."""
    if isinstance(value, str):
        return json.dumps(value[:SHOWN_MAX] + "…" if len(value) > SHOWN_MAX else value, ensure_ascii=True)
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else "a number of more than 64 bits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    return f"a {type(value).__name__}"


class Members:
    """The members of one object. `place` is where it stands, "" at the top."""

    __slots__ = ("_item", "_place")

    def __init__(self, item: object, place: str = "") -> None:
        if not isinstance(item, dict):
            raise WrongMember(place or "the object", "an object", item)
        self._item: dict[object, object] = item
        self._place = place

    def place(self, key: str) -> str:
        """Return where a member stands, as `spec.ports[1].port`."""
        return f"{self._place}.{key}" if self._place else key

    def has(self, key: str) -> bool:
        """Tell whether the member is there."""
        return self._item.get(key) is not None

    def value(self, key: str) -> object:
        """Return a member as it is; None if it is absent."""
        return self._item.get(key)

    def wrong(self, key: str, expected: str) -> WrongMember:
        """Return the error that a member's value is."""
        return WrongMember(self.place(key), expected, self._item.get(key))

    def text(self, key: str, default: str = "", *, longest: int = NAME_MAX) -> str:
        """Return a short text."""
        value = self._item.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > longest:
            raise self.wrong(key, f"a text of at most {longest} characters")
        return value

    def name(self, key: str, default: str = "", *, is_label: bool = False) -> str:
        """Return a name as DNS and API servers have it; interned, since most come often."""
        value = self._item.get(key)
        if value is None and default:
            return default
        pattern, longest = (_LABEL, LABEL_MAX) if is_label else (_NAME, NAME_MAX)
        if not isinstance(value, str) or len(value) > longest or not pattern.fullmatch(value):
            dots = "" if is_label else ", dots"
            expected = f"a name of lower case letters, digits{dots} and hyphens, {longest} characters at most"
            raise self.wrong(key, expected)
        return intern(value)

    def name_if_any(self, key: str, *, is_label: bool = False) -> str:
        """Return a name, or "" where it is absent or empty."""
        return self.name(key, is_label=is_label) if self._item.get(key) not in (None, "") else ""

    def number(self, key: str, first: int, last: int, default: int | None = None) -> int:
        """Return a whole number within bounds."""
        value = self._item.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not first <= value <= last:
            raise self.wrong(key, f"a number from {first} to {last}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._item.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def choice(self, key: str, choices: Mapping[str, Choice], default: Choice) -> Choice:
        """Return what one of some words stands for."""
        value = self._item.get(key)
        if value is None or value == "":
            return default
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(key, " or ".join(choices))
        return choices[value]

    def below(self, key: str) -> Members:
        """Return the members of a member; none where it is absent."""
        value = self._item.get(key)
        return Members({} if value is None else value, self.place(key))

    def items(self, key: str) -> list[object]:
        """Return a list as it is; empty where it is absent."""
        value = self._item.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, "a list")
        return value

    def each(self, key: str) -> Iterator[Members]:
        """Return the members of each object of a list."""
        for index, item in enumerate(self.items(key)):
            yield Members(item, f"{self.place(key)}[{index}]")

    def labels(self, key: str) -> Mapping[str, str]:
        """Return a mapping of short texts to short texts, as labels and selectors are."""
        value = self._item.get(key)
        if not value and (value is None or isinstance(value, dict)):
            return NO_LABELS
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return {self._label(key, one): self._label(key, other) for one, other in value.items()}

    def _label(self, key: str, text: object) -> str:
        # a prefix of 253 characters, a slash, and 63 (Kubernetes, "Labels and selectors")
        if not isinstance(text, str) or len(text) > NAME_MAX + 1 + LABEL_MAX:
            raise WrongMember(self.place(key), "short texts", text)
        return intern(text)


def address_of(place: str, value: object, *, is_any: bool = False) -> Address:
    """Return a packed address; one that leads back to its asker, or to many, only if `is_any`."""
    packed = packed_address(value)
    if packed is None:
        raise WrongMember(place, "an IP address", value)
    if not is_any and is_special(packed):
        raise WrongMember(
            place, "an address that is not loopback, link-local, multicast or unspecified", value
        )
    return packed


def packed_address(value: object) -> Address | None:
    """Return the bytes of an address; None if it is none."""
    if not isinstance(value, str) or len(value) > 45:  # 45: INET6_ADDRSTRLEN without its NUL
        return None
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in value else socket.AF_INET, value)
    except (OSError, ValueError):  # ValueError: a NUL, or half a surrogate pair
        return None


def is_special(packed: Address) -> bool:
    """Tell whether an address must not be a service's or an endpoint's: the API refuses most of them.

    To translate to loopback or link-local (169.254.169.254!) addresses is to hand out what is the node's.
    """
    if len(packed) == 4:
        first = packed[0]
        return first in (0, 127) or 224 <= first <= 239 or packed[:2] == b"\xa9\xfe" or packed == b"\xff" * 4
    if packed[0] == 0:  # ::, ::1, and IPv4 addresses in IPv6's clothes
        return packed[:12] == bytes(12) or packed[:12] == bytes(10) + b"\xff\xff"
    return packed[0] == 0xFF or (packed[0] == 0xFE and packed[1] & 0xC0 == 0x80)


@lru_cache(1024)
def cidr_of(text: str) -> str | None:
    """Return a range as it is written best, host bits cleared; None if it is none."""
    if len(text) > 64:
        return None
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        return None

"""Forms that texts and numbers of an object have, as the API server holds them to. Pure.

A form's function returns None, or what was expected, as the end of "expected ...".
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping

from pod_runner.manifests.quantity import amount

Form = Callable[[object], str | None]

ID_MAX = 2**31 - 1  # core/v1 validates user and group ids as signed 32 bit numbers
IMAGE_MAX = 4096  # characters; a path may be in it
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_NAME = rf"(?=.{{1,253}}$){_LABEL.replace('{0,61}', '*')}(\.{_LABEL.replace('{0,61}', '*')})*"
_PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")  # IANA_SVC_NAME (RFC 6335, 5.1)
_PERCENT = re.compile(r"[0-9]{1,4}%")


def _matching(pattern: str, expected: str) -> Form:
    compiled = re.compile(pattern)
    return lambda value: None if isinstance(value, str) and compiled.fullmatch(value) else expected


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return "a text"
    return None if "\x00" not in value else "a text without a NUL"


def _flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _id(value: object) -> str | None:
    return None if _is_whole(value, 0, ID_MAX) else f"a number from 0 to {ID_MAX}"


def _mode(value: object) -> str | None:
    return None if _is_whole(value, 0, 0o777) else "a mode from 0 to 0777 (in decimal 511; in YAML as 0644)"


def _quantity(value: object) -> str | None:
    expected = 'a quantity that is not negative, such as "500m", "64Mi" or 2'
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return expected
    if isinstance(value, float) and not math.isfinite(value):
        return expected
    if isinstance(value, int) and value.bit_length() > 63:
        return expected
    try:
        return None if amount(value) >= 0 else expected
    except ValueError:
        return expected


def _int_or_percent(value: object) -> str | None:
    if _is_whole(value, 0, ID_MAX) or (isinstance(value, str) and _PERCENT.fullmatch(value)):
        return None
    return 'a number, or a percentage such as "25%"'


def _port_or_name(value: object) -> str | None:
    if _is_whole(value, 1, 65535) or (isinstance(value, str) and _PORT_NAME.fullmatch(value)):
        return None
    return "a port from 1 to 65535, or the name of one"


def _port_name(value: object) -> str | None:
    if isinstance(value, str) and _PORT_NAME.fullmatch(value):
        return None
    return "a name of at most 15 lower case letters, digits and hyphens, with a letter in it"


def _address(value: object) -> str | None:
    try:
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return "an IP address"
    return None if "%" not in str(value) else "an IP address without a zone"


def _inside(value: object) -> str | None:
    """A path below something, that does not lead out of it."""
    if not isinstance(value, str) or value.startswith("/") or "\x00" in value:
        return "a relative path"
    return None if ".." not in value.split("/") else 'a relative path without ".."'


def _image(value: object) -> str | None:
    if not isinstance(value, str) or not value.isprintable():
        return "the name of an image, or `host`"
    return None if value == value.strip() and len(value) <= IMAGE_MAX else "a name without spaces around it"


def _is_whole(value: object, first: int, last: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and first <= value <= last


FORMS: Mapping[str, Form] = {
    "text": _text,
    "bool": _flag,
    "id": _id,
    "mode": _mode,
    "quantity": _quantity,
    "int-or-percent": _int_or_percent,
    "port-or-name": _port_or_name,
    "port-name": _port_name,
    "address": _address,
    "inside": _inside,
    "image": _image,
    "name": _matching(
        _NAME, "a name of lower case letters, digits, hyphens and dots, at most 253 characters"
    ),
    "label": _matching(_LABEL, "a name of lower case letters, digits and hyphens, at most 63 characters"),
    "label-key": _matching(
        rf"({_NAME.replace('$)', '/)')}/)?{_QUALIFIED}",
        'a name as labels have it: "app" or "example.com/app"',
    ),
    "label-value": _matching(
        rf"({_QUALIFIED})?",
        "a text of at most 63 letters, digits, dashes, underscores and dots, letter or digit at both ends",
    ),
    "search-domain": _matching(r"\.|(?=.{1,254}$)[-a-zA-Z0-9_.]+", "a domain"),
    "absolute": _matching(r"/[^\x00]*", "an absolute path"),
    "capability": _matching(r"(CAP_)?[A-Z][A-Z_0-9]*", 'a capability, such as "NET_ADMIN", or ALL'),
    "sysctl": _matching(
        r"(?=.{1,253}$)[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?)+",
        "a sysctl, such as net.core.somaxconn",
    ),
    "env-name": _matching(
        r"[-._a-zA-Z][-._a-zA-Z0-9]*", "a name of letters, digits, underscores, hyphens, dots, no digit first"
    ),
    "config-key": _matching(
        r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]{1,253}", "a key of letters, digits, hyphens, underscores and dots"
    ),
    "header": _matching(r"[-A-Za-z0-9]+", "the name of a header"),
}  # fmt: skip

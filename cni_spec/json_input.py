"""Bytes from outside -> JSON, refusing what no honest caller sends.

What comes out is a plain tree of dict, list, str, int, float, bool and None, of bounded size and depth,
each key once, each string printable as UTF-8.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

from cni_spec.errors import DECODING_FAILURE, CniError

JsonObject = dict[str, object]

SIZE_LIMIT = 4 << 20  # bytes; the largest honest configuration seen is some 100 KiB
DEPTH_LIMIT = 100  # levels; a configuration has about six

_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # only then can a string be unprintable


def decode_object(data: bytes, what: str) -> JsonObject:
    """Read one JSON object; `what` names it in errors.

    Raises:
        CniError: code 6, with the reason.
    """
    value = _decode(data, what)
    if not isinstance(value, dict):
        raise CniError(DECODING_FAILURE, f"{what}: expected a JSON object, came {json_type(value)}")
    return value


def json_type(value: object) -> str:
    """Name a value's JSON type, with its article: "a string"."""
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "null" if value is None else "an object")


def shorten(value: object, limit: int = 60) -> str:
    """Print a value as JSON for an error message, cut to `limit` characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _decode(data: bytes, what: str) -> object:
    if len(data) > SIZE_LIMIT:
        raise CniError(DECODING_FAILURE, f"{what}: larger than {SIZE_LIMIT >> 20} MiB")
    if not data.strip():
        raise CniError(DECODING_FAILURE, f"{what}: expected a JSON object, came nothing")
    try:
        text = data.decode("utf-8")
        value: object = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite
        )
        if _LONE_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        _check_depth(value)
    except UnicodeError as error:
        raise CniError(DECODING_FAILURE, f"{what}: not UTF-8", str(error)) from error
    except RecursionError as error:
        raise CniError(DECODING_FAILURE, f"{what}: nested deeper than {DEPTH_LIMIT} levels") from error
    except ValueError as error:
        raise CniError(DECODING_FAILURE, f"{what}: not JSON: {error}") from error
    return value


def _unique_keys(pairs: list[tuple[str, object]]) -> JsonObject:
    found: JsonObject = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {shorten(key)} is there more than once")
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {digits[:20]} is too large")
    return number


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [
            child
            for parent in level
            for child in (
                parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ()
            )
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {DEPTH_LIMIT} levels")

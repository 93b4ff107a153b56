"""What must not leave the host: passwords, tokens, keys, the user part of URLs.

Two nets, since either has holes. A configuration that can be parsed gives its secrets away by their keys,
and these values are taken out of every part, logs and rules included. And every text is searched for what
looks like a secret: `password = …`, PEM keys, bearer tokens, `scheme://user:password@host`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from urllib.parse import quote

REMOVED = "[removed]"
LONG = 8  # characters; of the environment's only these: MAX_TOKENS=1000 is no secret
SHORTEST = 4  # characters; a shorter secret is not looked for everywhere: "1" is in every line
_WORDS = (
    r"pass(?:word|wd|phrase|code)|secret|token|psk|pre[-_]?shared|private[-_]?key|api[-_]?key|access[-_]?key"
    r"|key[-_]?data|fastopen_key|rss_key|credential|authorization|\bcookie"
)
# Every repetition is bounded and none stands before the word that is looked for: a line may have 4 MiB.
_NOT_A_PLACE = r"""(?![\w.\-]{0,40}(?:file|path|dir)["']?\s{0,8}[:=])"""  # password_file says where, not what
_NAME = re.compile(rf"(?:{_WORDS})(?![\w.\-]*(?:file|path|dir)$)", re.IGNORECASE)
_KEY_NAME = re.compile(r"(?:^|[-_.a-z])(?:keys?|pass|pwd|auth)$", re.IGNORECASE)  # in configurations
_ASSIGNED = re.compile(  # quotes may be escaped: JSON inside a line of JSON
    rf"""(?P<key>(?:{_WORDS}){_NOT_A_PLACE}[\w.\-]{{0,40}}(?:\\{{0,3}}["'])?\s{{0,8}}[:=]\s{{0,8}})"""
    r"""(?P<value>(?P<mark>\\{1,3}["'])(?:(?!(?P=mark)).){0,9999}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
    r"""|[^\s\[{"',;&}\n][^,;&}"\n]*)""",
    re.IGNORECASE,
)
_ASSIGNED_KEY = re.compile(
    rf"""(?:{_WORDS}|keys?|pass|pwd|auth)["']?[ \t]{{0,8}}[:=][ \t]{{0,8}}["']?"""
    r"""(?P<value>[^\s"'/,;&}][^\n"',;&}]*)""",
    re.IGNORECASE,
)
_OPTION = re.compile(
    rf"(?P<key>(?<!-)--[\w-]{{0,40}}(?:{_WORDS})(?![\w-]*(?:file|path|dir))[\w-]{{0,40}}\s+)(?P<value>[^\s\"']+)",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?P<key>://)(?P<value>[^/\s\"'<>]{1,1000})@")
_SCHEME = re.compile(r"(?P<key>\b(?:Bearer|Basic)\s+)(?P<value>[\w.~+/=-]{6,})", re.IGNORECASE)
_TOKEN = re.compile(r"\beyJ[\w-]{8,4000}\.[\w-]{8,}\.[\w-]*")  # a JSON Web Token: base64 of '{"'
_PEM = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]*PRIVATE KEY[A-Z ]*)-----.*?(?:-----END (?P=kind)-----|\Z)", re.DOTALL
)


class Secrets:
    """The secrets met so far, and how to take them out of a text."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values: set[str] = set()
        for name, value in environment.items():
            if _NAME.search(name) and len(value) >= LONG and not value.isdecimal():
                self._add(value)

    def learn(self, text: str) -> None:
        """Note the secrets of a configuration: TOML or JSON, or what looks like either."""
        body = _parse(text)
        for value in _leaves(body):
            self._add(value)
        if body is None:
            for found in _ASSIGNED_KEY.finditer(text):
                self._add(found["value"])
        for found in _USERINFO.finditer(text):
            self._add(found["value"].partition(":")[2])

    def clean(self, text: str) -> str:
        """Return a text without them."""
        text = _PEM.sub(REMOVED, text)
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(
                value, f'"{REMOVED}"' if len(value) < SHORTEST + 2 and value[0] == '"' else REMOVED
            )
        text = _USERINFO.sub(rf"\g<key>{REMOVED}@", text)
        text = _TOKEN.sub(REMOVED, _SCHEME.sub(rf"\g<key>{REMOVED}", text))
        return _ASSIGNED.sub(_without_value, _OPTION.sub(rf"\g<key>{REMOVED}", text))

    def _add(self, value: str) -> None:
        """Note a value in the forms it may take; short ones only where quotes stand around them."""
        lines = [value, *value.splitlines()]
        for one in filter(None, map(str.strip, lines)):
            if len(one) < SHORTEST:
                self._values.add(f'"{one}"')
            else:
                self._values |= {one, json.dumps(one)[1:-1], quote(one, safe="")}


def _without_value(found: re.Match[str]) -> str:
    if found["mark"]:
        return f"{found['key']}{found['mark']}{REMOVED}"  # the closing one was not taken
    mark = found["value"][0] if found["value"][0] in "\"'" else ""
    return f"{found['key']}{mark}{REMOVED}{mark}"


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass  # it may be TOML
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None  # nor that; `clean` searches it as a text


def _leaves(value: object, *, is_secret: bool = False) -> Iterator[str]:
    """Yield the texts below keys that name a secret; a path below a key is where one is, not what it is."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            is_named = bool(_NAME.search(str(name)))
            is_key = bool(_KEY_NAME.search(str(name))) and not str(inner).startswith("/")
            yield from _leaves(inner, is_secret=is_secret or is_named or is_key)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, is_secret=is_secret)
    elif is_secret and isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)

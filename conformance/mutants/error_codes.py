"""Mutants of the clauses in clauses/error_codes.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from conformance.clause import EVERY_KIND, Kind
from conformance.mutants.mutant import Asked, Given, Good, Json, Mutant

OWN = 100


def _with_codes(changes: dict[int, int]) -> Callable[[Asked, Good], Given]:
    """Return a plugin that answers with other codes."""

    def act(asked: Asked, good: Good) -> Given:
        given = good(asked)
        code = given.document.get("code")
        if not given.status or code not in changes:
            return given
        return given.with_document(given.document | {"code": changes[code]})

    return act


def _with_texts(code: int, change: Callable[[Asked, str], str]) -> Callable[[Asked, Good], Given]:
    """Return a plugin whose errors of a code have other texts."""

    def act(asked: Asked, good: Good) -> Given:
        given = good(asked)
        body = given.document
        if not given.status or body.get("code") != code:
            return given
        texts = {key: change(asked, str(body[key])) for key in ("msg", "details") if key in body}
        return given.with_document(body | texts)

    return act


def _without_values(asked: Asked, text: str) -> str:
    for value in _leaves(asked.config):
        text = text.replace(value, "something")
    return text


def _leaves(body: Json) -> list[str]:
    found = [one for value in body.values() if isinstance(value, dict) for one in _leaves(value)]
    plain = [value for value in body.values() if not isinstance(value, dict | list)]
    return found + [one if isinstance(one, str) else json.dumps(one) for one in plain if one != ""]


def _without_variables(_: Asked, text: str) -> str:
    return re.sub(r"CNI_[A-Z]+", "a variable", text)


MUTANTS = (
    Mutant(
        "5", "own-code", "a cniVersion that it does not speak is code 100", EVERY_KIND, _with_codes({1: OWN})
    ),
    Mutant(
        "6",
        "no-value",
        "the error about a field that is not supported does not tell the field's value",
        frozenset({Kind.INTERFACE, Kind.CHAINED}),
        _with_texts(2, _without_values),
    ),
    Mutant(
        "7",
        "no-names",
        "the error about a missing variable does not tell which",
        EVERY_KIND,
        _with_texts(4, _without_variables),
    ),
    Mutant("8", "not-decoded", "stdin that is not JSON is code 100", EVERY_KIND, _with_codes({6: OWN})),
    Mutant(
        "8", "not-valid", "a configuration that makes no sense is code 100", EVERY_KIND, _with_codes({7: OWN})
    ),
    Mutant("8", "not-read", "stdin that cannot be read is code 100", EVERY_KIND, _with_codes({5: OWN})),
)

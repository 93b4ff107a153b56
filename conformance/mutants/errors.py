"""Mutants of the clauses in clauses/errors.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from conformance.clause import EVERY_KIND, Kind
from conformance.mutants.mutant import ROBUST, Asked, Given, Good, Mutant


def half_a_configuration_exits_with_0(asked: Asked, good: Good) -> Given:
    """Print the error about a configuration that ends early, and exit as if there were none."""
    given = good(asked)
    begins = asked.stdin.lstrip().startswith(b"{")
    return replace(given, status=0) if given.status and begins and not asked.config else given


def no_version(asked: Asked, good: Good) -> Given:
    """Leave `cniVersion` out of errors."""
    given = good(asked)
    if not given.status or not given.document:
        return given
    return given.with_document({key: one for key, one in given.document.items() if key != "cniVersion"})


def reserved_code(asked: Asked, good: Good) -> Given:
    """Use 42, which is reserved, for all that is the plugin's own."""
    given = good(asked)
    own = given.status and given.document.get("code", 0) >= 100
    return given.with_document(given.document | {"code": 42}) if own else given


def logs_on_stdout(asked: Asked, good: Good) -> Given:
    """Print a line of log before nothing: on stdout, at a DEL."""
    given = good(asked)
    return replace(given, stdout=f"deleting\n{given.stdout}") if asked.verb == "DEL" else given


def error_after_result(asked: Asked, good: Good) -> Given:
    """Notice after the ADD that the namespace is the plugin's own, and print an error behind the result."""
    given = good(asked)
    if asked.verb != "ADD" or given.status or not _is_own(asked.environment.get("CNI_NETNS", "")):
        return given
    error = {"cniVersion": asked.config.get("cniVersion"), "code": 100, "msg": "CNI_NETNS is my own"}
    return Given(1, given.stdout + json.dumps(error))


def _is_own(netns: str) -> bool:
    try:
        return Path(netns).samefile("/proc/self/ns/net")
    except OSError:
        return False


MUTANTS = (
    Mutant(
        "3",
        "half-a-configuration",
        "the error about a configuration that ends early comes with exit status 0",
        EVERY_KIND,
        half_a_configuration_exits_with_0,
        frozenset({"robust-no-json"}),  # which ends configurations early too
    ),
    Mutant("4", "no-version", "errors have no cniVersion", EVERY_KIND, no_version),
    Mutant(
        "4",
        "reserved-code",
        "errors of its own have the code 42, which is reserved",
        frozenset({Kind.INTERFACE}),
        reserved_code,
    ),
    Mutant("9", "log", "a DEL prints a line of log on stdout", EVERY_KIND, logs_on_stdout, ROBUST),
    Mutant(
        "9",
        "two-documents",
        "an ADD into the plugin's own namespace prints a result and an error",
        frozenset({Kind.INTERFACE, Kind.IPAM}),
        error_after_result,
    ),
)

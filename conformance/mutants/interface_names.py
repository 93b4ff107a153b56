"""Mutants of the clauses in clauses/interface_names.py."""

from __future__ import annotations

from conformance.clause import Kind
from conformance.mutants.mutant import Asked, Given, Good, Mutant

INTERFACE = frozenset({Kind.INTERFACE})


def taken_name_succeeds(asked: Asked, good: Good) -> Given:
    """Say that all went well where the good plugin refuses a name that is taken."""
    given = good(asked)
    if asked.verb == "ADD" and "exists" in str(given.document.get("msg", "")):
        return Given(0, f'{{"cniVersion": "{asked.config["cniVersion"]}", "interfaces": [], "ips": []}}')
    return given


MUTANTS = (
    Mutant("12", "taken-name", "an ADD for a name that is taken succeeds", INTERFACE, taken_name_succeeds),
)

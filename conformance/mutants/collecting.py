"""Mutants of GC: 44 to 50."""

from __future__ import annotations

from conformance.clause import EVERY_KIND, Kind
from conformance.mutants.deafness import deaf_delegate
from conformance.mutants.mutant import Asked, Given, Good, Json, Mutant

CURRENT, TAGGED = "cni.dev/valid-attachments", "cni.dev/attachments"


def removes_nothing(asked: Asked, good: Good) -> Given:
    """Answer GC and do nothing."""
    return Given() if asked.verb == "GC" else good(asked)


def collects_alone(asked: Asked, good: Good) -> Given:
    """Remove what is its own, and leave the delegate out."""
    if asked.verb != "GC":
        return good(asked)
    with deaf_delegate(asked) as alone:
        return good(alone)


def hides_the_error(asked: Asked, good: Good) -> Given:
    """Say that all went well where the delegate failed."""
    given = good(asked)
    return Given(stderr=given.stderr) if asked.verb == "GC" and "judge's delegate" in given.stdout else given


def talks(asked: Asked, good: Good) -> Given:
    """Print something after a GC that went well."""
    given = good(asked)
    if asked.verb == "GC" and given.status == 0:
        return given.with_document({"cniVersion": asked.config.get("cniVersion", ""), "removed": 0})
    return given


def removes_the_valid(asked: Asked, good: Good) -> Given:
    """Remove the attachments that are listed as well."""
    return good(_listing_none(asked)) if asked.verb == "GC" else good(asked)


def removes_anothers(asked: Asked, good: Good) -> Given:
    """Collect another network as well, of which it was told nothing."""
    if asked.verb == "GC":
        good(_listing_none(asked.with_config(asked.config | {"name": "another"})))
    return good(asked)


def knows_the_current_name(asked: Asked, good: Good) -> Given:
    """Read the list under today's name alone."""
    return good(_without(asked, TAGGED))


def knows_the_tagged_name(asked: Asked, good: Good) -> Given:
    """Read the list under the name in the tag alone."""
    return good(_without(asked, CURRENT))


def no_list_is_empty(asked: Asked, good: Good) -> Given:
    """Take a list that is not there for an empty one."""
    if asked.verb == "GC" and not {CURRENT, TAGGED} & set(asked.config):
        return good(asked.with_config(asked.config | {CURRENT: []}))
    return good(asked)


def _without(asked: Asked, name: str) -> Asked:
    kept = {key: value for key, value in asked.config.items() if key != name}
    return asked.with_config(kept) if asked.verb == "GC" else asked


def _listing_none(asked: Asked) -> Asked:
    """Return a GC whose list is empty, where it has one."""
    emptied: Json = {key: [] for key in (CURRENT, TAGGED) if key in asked.config}
    return asked.with_config(asked.config | emptied)


OWN = frozenset({Kind.CHAINED, Kind.IPAM})  # whose resources are not those of a delegate
DELEGATING = frozenset({Kind.INTERFACE})

MUTANTS = (
    Mutant("44", "removes-nothing", "GC does nothing", OWN, removes_nothing),
    Mutant("45", "collects-alone", "GC does not reach the delegate", DELEGATING, collects_alone),
    Mutant("46", "hides-the-error", "GC hides that the delegate's failed", DELEGATING, hides_the_error),
    Mutant("47", "talks", "GC prints a line when all is well", EVERY_KIND, talks),
    Mutant("48", "removes-the-valid", "GC removes attachments that are listed", OWN, removes_the_valid),
    Mutant("48", "removes-anothers", "GC removes another network's too", EVERY_KIND, removes_anothers),
    Mutant("49", "knows-the-current-name", "GC reads one name of the list", OWN, knows_the_current_name),
    Mutant("49", "knows-the-tagged-name", "GC reads the other name alone", OWN, knows_the_tagged_name),
    Mutant("50", "no-list-is-empty", "GC without a list removes all", EVERY_KIND, no_list_is_empty),
)

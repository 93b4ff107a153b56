"""Mutants of STATUS and VERSION: 37 to 43."""

from __future__ import annotations

import json
from pathlib import Path

from conformance.clause import EVERY_KIND, Kind
from conformance.mutants.deafness import deaf_delegate
from conformance.mutants.mutant import Asked, Given, Good, Mutant

REFUSED = Path("/run/judge-mutant-refused")  # in the case's own world


def failed(asked: Asked, code: int, msg: str) -> Given:
    """Return a failure with an error object."""
    version = asked.config.get("cniVersion", "1.1.0")
    return Given(1, json.dumps({"cniVersion": version, "code": code, "msg": msg, "details": ""}))


def never_ready(asked: Asked, good: Good) -> Given:
    """Say that no ADD can be served, whatever is true."""
    given = good(asked)
    if asked.verb == "STATUS" and given.status == 0:
        return failed(asked, 50, "not ready")
    return given


def always_ready(asked: Asked, good: Good) -> Given:
    """Say that all is well although nothing is left; other failures of STATUS are told."""
    given = good(asked)
    exhausted = given.document.get("code") in (50, 51) and "judge" not in given.document.get("msg", "")
    return Given() if asked.verb == "STATUS" and exhausted else given


def relies_on_status(asked: Asked, good: Good) -> Given:
    """Refuse an ADD since the last STATUS failed."""
    if asked.verb == "ADD" and REFUSED.exists():
        return failed(asked, 50, "STATUS said that this cannot be served")
    given = good(asked)
    if asked.verb == "STATUS":
        if given.status:
            REFUSED.touch()
        else:
            REFUSED.unlink(missing_ok=True)
    return given


def status_alone(asked: Asked, good: Good) -> Given:
    """Answer STATUS without its delegate."""
    if asked.verb != "STATUS":
        return good(asked)
    with deaf_delegate(asked) as alone:
        return good(alone)


def status_says_well(asked: Asked, good: Good) -> Given:
    """Ask the delegate for STATUS, and forget what it said."""
    given = good(asked)
    hidden = asked.verb == "STATUS" and "judge's delegate" in given.stdout
    return Given(stderr=given.stderr) if hidden else given


def own_version(asked: Asked, good: Good) -> Given:
    """Print the newest version it knows in VERSION, whatever it was asked in."""
    given = good(asked)
    listed = given.document.get("supportedVersions")
    if asked.verb != "VERSION" or not listed:
        return given
    other = listed[-1] if listed[-1] != asked.config.get("cniVersion") else "0.1.0"
    return given.with_document(given.document | {"cniVersion": other})


def versions_in_a_word(asked: Asked, good: Good) -> Given:
    """Print the list of versions as one string."""
    given = good(asked)
    listed = given.document.get("supportedVersions")
    if asked.verb != "VERSION" or not isinstance(listed, list):
        return given
    return given.with_document(given.document | {"supportedVersions": ", ".join(listed)})


def version_needs_path(asked: Asked, good: Good) -> Given:
    """Refuse VERSION without CNI_PATH."""
    if asked.verb == "VERSION" and not asked.environment.get("CNI_PATH"):
        return failed(asked, 4, "CNI_PATH is not set")
    return good(asked)


def old_check_fails(asked: Asked, good: Good) -> Given:
    """List CNI 0.4.0, and have CHECK from 1.0.0 on only."""
    if asked.verb == "CHECK" and asked.config.get("cniVersion") == "0.4.0":
        return failed(asked, 1, "CHECK needs cniVersion 1.0.0")
    return good(asked)


ALL = EVERY_KIND
DELEGATING = frozenset({Kind.INTERFACE})
IPAM = frozenset({Kind.IPAM})

MUTANTS = (
    Mutant("37", "never-ready", "STATUS fails although ADD succeeds", ALL, never_ready),
    Mutant("38", "always-ready", "STATUS succeeds although all addresses are taken", IPAM, always_ready),
    Mutant("39", "relies-on-status", "an ADD after a STATUS that failed is refused", ALL, relies_on_status),
    Mutant("40", "status-alone", "STATUS does not ask the delegate", DELEGATING, status_alone),
    Mutant("40", "status-says-well", "STATUS hides that the delegate's failed", DELEGATING, status_says_well),
    Mutant("41", "own-version", "VERSION prints its own version as cniVersion", ALL, own_version),
    Mutant("41", "versions-in-a-word", "supportedVersions is a string", ALL, versions_in_a_word),
    Mutant("42", "version-needs-path", "VERSION fails without CNI_PATH", ALL, version_needs_path),
    Mutant("43", "old-check-fails", "CHECK fails in 0.4.0, which VERSION lists", ALL, old_check_fails),
)

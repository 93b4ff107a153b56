"""Mutants of keys and names: 55 to 58."""

from __future__ import annotations

from conformance.clause import EVERY_KIND, Kind
from conformance.clauses.keys import RESERVED, UNKNOWN_ARGS
from conformance.mutants.mutant import Asked, Given, Good, Mutant
from conformance.mutants.readiness import failed

KEPT = 100  # characters of a container id


def loses_dns(asked: Asked, good: Good) -> Given:
    """Leave the `dns` of the configuration out of the result."""
    given = good(asked)
    return given.with_document(given.document | {"dns": {}}) if asked.config.get("dns") else given


def strict_about_args(asked: Asked, good: Good) -> Given:
    """Refuse an ADD whose `args` are not for this plugin."""
    foreign = set(asked.config.get("args") or ()) & (set(UNKNOWN_ARGS) - {"cni"})
    if asked.verb == "ADD" and foreign:
        return failed(asked, 2, f"args.{foreign.pop()} is not known")
    return good(asked)


def ignores_capabilities(asked: Asked, good: Good) -> Given:
    """Ignore what a runtime supplies for a capability."""
    if "runtimeConfig" not in asked.config:
        return good(asked)
    return good(asked.with_config({k: v for k, v in asked.config.items() if k != "runtimeConfig"}))


def strict_about_reserved(asked: Asked, good: Good) -> Given:
    """Refuse an ADD with keys of `cni.dev/`."""
    foreign = RESERVED.keys() & asked.config.keys()
    return (
        failed(asked, 2, f"unknown key {foreign.pop()}") if asked.verb == "ADD" and foreign else good(asked)
    )


def cuts_ids(asked: Asked, good: Good) -> Given:
    """Know a container by the beginning of its id."""
    return good(asked.with_environment(CNI_CONTAINERID=asked.environment.get("CNI_CONTAINERID", "")[:KEPT]))


INTERFACE = frozenset({Kind.INTERFACE})
IPAM = frozenset({Kind.IPAM})

MUTANTS = (
    Mutant("55", "loses-dns", "`dns` of the configuration is not in the result", INTERFACE, loses_dns),
    Mutant("56", "strict-about-args", "unknown `args` are refused", EVERY_KIND, strict_about_args),
    Mutant("56", "ignores-capabilities", "capability data is ignored", IPAM, ignores_capabilities),
    Mutant(
        "57",
        "strict-about-reserved",
        "unknown `cni.dev/` keys are refused",
        EVERY_KIND,
        strict_about_reserved,
    ),
    Mutant("58", "cuts-ids", "two long ids are one container", EVERY_KIND, cuts_ids),
)

"""Mutants of concurrency and delegation: 51 to 54."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

from conformance.clause import EVERY_KIND, Kind
from conformance.clauses.delegation import REFUSAL, UNKNOWN
from conformance.mutants.mutant import Asked, Given, Good, Mutant
from conformance.mutants.readiness import failed

ALONE = "\0judge-mutant-alone"  # an abstract socket: its name is known in one network namespace alone
LINGER = 0.1  # seconds that it stays busy, so that others surely meet it


def one_at_a_time(asked: Asked, good: Good) -> Given:
    """Refuse an ADD while another one runs."""
    if asked.verb != "ADD":
        return good(asked)
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.bind(ALONE)
        except OSError:
            return failed(asked, 11, "another ADD is running")
        given = good(asked)
        time.sleep(LINGER)  # not a wait: the fault itself, which must show in every run
        return given


def known_keys_alone(asked: Asked, good: Good) -> Given:
    """Hand the delegate a configuration without what the plugin does not know itself."""
    kept = {key: value for key, value in asked.config.items() if key not in UNKNOWN}
    return good(asked.with_config(kept)) if UNKNOWN.keys() & asked.config.keys() else good(asked)


def no_arguments(asked: Asked, good: Good) -> Given:
    """Hand the delegate an environment without CNI_ARGS."""
    return good(asked.with_environment(CNI_ARGS=""))


def swallows_stderr(asked: Asked, good: Good) -> Given:
    """Keep what the delegate wrote to stderr to itself."""
    return replace(good(asked), stderr="")


def other_error(asked: Asked, good: Good) -> Given:
    """Tell that the delegate failed, and not how."""
    given = good(asked)
    return failed(asked, 999, "no addresses") if REFUSAL in given.stdout else given


def forgets_the_error(asked: Asked, good: Good) -> Given:
    """Succeed in DEL where the delegate's DEL failed."""
    given = good(asked)
    return Given(stderr=given.stderr) if asked.verb == "DEL" and REFUSAL in given.stdout else given


def points_at_an_interface(asked: Asked, good: Good) -> Given:
    """Give `ips` an index, although there are no interfaces."""
    given = good(asked)
    if asked.verb != "ADD" or not given.document.get("ips"):
        return given
    ips = [one | {"interface": 0} for one in given.document["ips"]]
    return given.with_document(given.document | {"ips": ips})


DELEGATING = frozenset({Kind.INTERFACE})
IPAM = frozenset({Kind.IPAM})

MUTANTS = (
    Mutant(
        "51",
        "one-at-a-time",
        "of two ADDs at once one is refused",
        EVERY_KIND,
        one_at_a_time,
        frozenset({"robust-storm"}),  # of calls at once, too
    ),
    Mutant("52", "known-keys-alone", "the delegate gets a part of the keys", DELEGATING, known_keys_alone),
    Mutant("52", "no-arguments", "the delegate does not get CNI_ARGS", DELEGATING, no_arguments),
    Mutant("52", "swallows-stderr", "the delegate's stderr is lost", DELEGATING, swallows_stderr),
    Mutant("53", "other-error", "the delegate's error is replaced", DELEGATING, other_error),
    Mutant("53", "forgets-the-error", "DEL hides that the delegate's failed", DELEGATING, forgets_the_error),
    Mutant(
        "54",
        "points-at-an-interface",
        "an address has an interface's index",
        IPAM,
        points_at_an_interface,
        frozenset({"15"}),  # which looks whether indexes lead to interfaces
    ),
)

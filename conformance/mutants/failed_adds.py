"""Mutants of the clauses in clauses/failed_adds.py."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

from conformance.clause import EVERY_KIND, Kind
from conformance.mutants.mutant import ROBUST, Asked, Given, Good, Mutant


def keeps_the_address(asked: Asked, good: Good) -> Given:
    """Ask the delegate for an address again where ADD failed."""
    given = good(asked)
    named = asked.delegate if given.status and asked.verb == "ADD" else ""
    folders = asked.environment.get("CNI_PATH", "").split(":")
    for path in (Path(folder, named) for folder in folders if named):
        if path.is_file():
            subprocess.run(
                [path], input=asked.stdin, env=dict(asked.environment), capture_output=True, check=False
            )
            break
    return given


def leaves_a_route(asked: Asked, good: Good) -> Given:
    """Leave a route on the host where ADD failed; DEL removes it."""
    given = good(asked)
    if asked.verb == "DEL" or (asked.verb == "ADD" and given.status and asked.environment.get("CNI_IFNAME")):
        words = ("ip", "route", "replace" if asked.verb == "ADD" else "del", "blackhole", _address(asked))
        subprocess.run(words, capture_output=True, check=False)
    return given


def _address(asked: Asked) -> str:
    digest = sha256(asked.environment.get("CNI_CONTAINERID", "").encode(errors="surrogateescape")).digest()
    return f"198.19.{digest[0]}.{digest[1]}"  # RFC 2544: nobody's


MUTANTS = (
    Mutant(
        "17",
        "keeps-the-address",
        "the delegate holds an address after an ADD that failed",
        frozenset({Kind.INTERFACE}),
        keeps_the_address,
        also=ROBUST,
    ),
    Mutant(
        "18",
        "a-route",
        "a route stays on the host after an ADD that failed",
        EVERY_KIND,
        leaves_a_route,
        also=ROBUST,
    ),
)

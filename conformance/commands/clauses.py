"""`list`: the clauses, a line each."""

from __future__ import annotations

import argparse
import json

from conformance.catalogue import PLUGIN_CLAUSES
from conformance.clause import EVERY_KIND, Clause
from conformance.commands.options import add_choice, chosen
from conformance.runtime.catalogue import RUNTIME_CLAUSES


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_choice(parser)
    parser.set_defaults(level="all")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="what stdout is given")


def run(asked: argparse.Namespace) -> int:
    """Print them."""
    clauses = chosen((*PLUGIN_CLAUSES, *RUNTIME_CLAUSES), asked)
    if asked.output == "json":
        print(json.dumps([_as_json(one) for one in clauses], indent=1))
        return 0
    wide = max((len(one.id) for one in clauses), default=0)
    for one in clauses:
        kinds = "" if one.kinds == EVERY_KIND else f" ({', '.join(sorted(one.kinds))})"
        print(f"{one.id:>{wide}}  {one.level.value:9}  {one.section:16}  {one.title}{kinds}")
    return 0


def _as_json(clause: Clause) -> dict[str, object]:
    return {
        "id": clause.id, "level": clause.level.value, "section": clause.section, "title": clause.title,
        "text": clause.text, "kinds": sorted(clause.kinds), "since": clause.since, "seconds": clause.seconds,
    }  # fmt: skip

"""`explain`: what a clause asks, why, and the broken plugin that shows that it is judged."""

from __future__ import annotations

import argparse
import inspect
import textwrap

from conformance.catalogue import PLUGIN_CLAUSES
from conformance.clause import Clause
from conformance.command import Wrong
from conformance.mutants.catalogue import MUTANTS
from conformance.runtime.catalogue import RUNTIME_CLAUSES

WIDTH = 100


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("clause", nargs="+", help="its number")
    parser.add_argument("--source", action="store_true", help="show the function that judges, too")


def run(asked: argparse.Namespace) -> int:
    """Print what there is to say of each."""
    known = {one.id: one for one in (*PLUGIN_CLAUSES, *RUNTIME_CLAUSES)}
    for id in asked.clause:
        if id not in known:
            raise Wrong(f"there is no clause {id!r}; `{asked.program} list` names them")
    print("\n\n".join(explained(known[id], source=asked.source) for id in asked.clause))
    return 0


def explained(clause: Clause, *, source: bool = False) -> str:
    """Return a clause's text with all that is known of it."""
    head = f"{clause.id}. {clause.title}"
    about = f"{clause.level.value}, section {clause.section}; for {_whom(clause)}"
    since = "" if clause.since == "0.1.0" else f", since CNI {clause.since}"
    broken = [f"A plugin that breaks it: {one.breaks}." for one in MUTANTS if one.clause == clause.id]
    paragraphs = (*clause.text.split("\n\n"), *broken)
    shown = [inspect.getsource(clause.judge)] if source else []
    return "\n\n".join(
        (f"{head}\n{about}{since}", *(textwrap.fill(one, WIDTH) for one in paragraphs), *shown)
    )


def _whom(clause: Clause) -> str:
    return f"{', '.join(sorted(clause.kinds))} plugins" if clause.kinds else "runtimes"

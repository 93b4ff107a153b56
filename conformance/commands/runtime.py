"""`runtime`: judge a runtime by plugins that record how they are called."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from conformance.clause import Clause
from conformance.command import Wrong
from conformance.commands.options import add_choice, add_running, chosen, judged, need_root
from conformance.commands.output import add_output, give
from conformance.reports.report import Report, Rule, Subject, now, ordered, this_machine
from conformance.running.run import Piece, with_limit
from conformance.runtime.catalogue import RUNTIME_CLAUSES
from conformance.runtime.judging import RuntimeTask, judge, not_applicable, with_version
from conformance.runtime.profile import (
    RuntimeProfile,
    profile_of_command,
    read_runtime_profile,
    shipped_runtime_profiles,
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument(
        "--command", dest="template", metavar="TEMPLATE",
        help="a command line with {verb} (add, del, check, gc, status) and other places in it: {network} "
        "{netns} {container} {ifname} {confdir} {cnipath}; such as 'cnitool {verb} {network} {netns}'",
    )  # fmt: skip
    whom.add_argument("--profile", metavar="FILE|NAME", help="a profile: your own, or one that ships")
    add_choice(parser)
    add_running(parser)
    add_output(parser)


def run(asked: argparse.Namespace) -> int:
    """Judge, and report."""
    clauses = chosen(RUNTIME_CLAUSES, asked)
    profile = _profile(asked)
    need_root(asked.program)
    begun = time.monotonic()
    known = with_version(profile)
    found = judged([_piece(known, one, asked.time_limit) for one in clauses], asked)
    subject = Subject(known.name, shlex.join(known.commands["add"]), "runtime", (known.version,))
    seconds = round(time.monotonic() - begun, 1)
    rules = tuple(map(Rule.of, clauses))
    verdicts = ordered(found.verdicts)
    again = _again(asked)
    return give(
        Report(now(), this_machine(), again, (subject,), rules, verdicts, seconds, found.interrupted), asked
    )


def _piece(profile: RuntimeProfile, clause: Clause, seconds: float | None) -> Piece:
    task = RuntimeTask(profile, with_limit(clause, seconds))
    return Piece(profile.name, clause, partial(judge, task), bool(not_applicable(task)))


def _profile(asked: argparse.Namespace) -> RuntimeProfile:
    read: Callable[[], RuntimeProfile]
    if asked.template:
        read = partial(profile_of_command, asked.template)
    elif asked.profile in (shipped := shipped_runtime_profiles()):
        return shipped[asked.profile]
    elif not Path(asked.profile).exists():
        raise Wrong(f"{asked.profile} is no file, and no profile that ships: {', '.join(shipped)}")
    else:
        read = partial(read_runtime_profile, Path(asked.profile))
    try:
        return read()
    except ValueError as error:
        raise Wrong(str(error)) from error


def _again(asked: argparse.Namespace) -> tuple[str, ...]:
    whom = ("--command", asked.template) if asked.template else ("--profile", asked.profile)
    limit = ("--time-limit", str(asked.time_limit)) if asked.time_limit else ()
    return (*asked.program.split(), "runtime", *whom, *limit)

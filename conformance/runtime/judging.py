"""Clauses on a runtime, each in a world of its own; a verdict's `plugin` is the runtime's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from conformance.case import KNOWN_VERSIONS, Step, as_numbers
from conformance.clause import Clause, Failed, Level
from conformance.running.child import Steps, judge_in_child
from conformance.running.verdict import Outcome, Verdict
from conformance.runtime.case import Judge, RuntimeCase
from conformance.runtime.cgroups import Home
from conformance.runtime.clause import runtime_clause
from conformance.runtime.profile import RuntimeProfile
from conformance.runtime.records import Recording
from conformance.runtime.starting import Start, execute
from conformance.world.namespaces import furnish


@dataclass(frozen=True)
class RuntimeTask:
    """One clause on one runtime. The profile's version must be known."""

    profile: RuntimeProfile
    clause: Clause
    start: Start = execute


def judge_runtime(
    profile: RuntimeProfile, clauses: Iterable[Clause], start: Start = execute
) -> Iterator[Verdict]:
    """Judge a runtime, one clause after the other.

    Must be called from a process with no threads, as root.
    """
    known = with_version(profile, start)
    for clause in clauses:
        yield judge(RuntimeTask(known, clause, start))


def with_version(profile: RuntimeProfile, start: Start = execute) -> RuntimeProfile:
    """Return the profile with the newest version in which a network of one plugin can be added."""
    if profile.version:
        return profile
    for version in reversed(KNOWN_VERSIONS):
        task = RuntimeTask(replace(profile, version=version), _probe, start)
        if judge(task).outcome is not Outcome.FAILED:
            return task.profile
    return replace(profile, version=KNOWN_VERSIONS[-1])  # the clauses say what is wrong


def judge(task: RuntimeTask) -> Verdict:
    """Judge one clause; see judge_runtime."""
    name, clause = task.profile.name, task.clause
    if reason := not_applicable(task):
        return Verdict(name, clause.id, Outcome.NOT_APPLICABLE, reason, (), 0)
    body = partial(_judge, task)
    if not task.profile.cgroups:
        return judge_in_child(name, clause, body)
    with Home() as home:
        return judge_in_child(name, clause, partial(_with_cgroups, home, body), leave=home.leave)


def not_applicable(task: RuntimeTask) -> str:
    """Return why a clause says nothing about a runtime, known before any command; "" where it does."""
    if task.clause.id in task.profile.unreachable:
        return task.profile.unreachable[task.clause.id]
    if as_numbers(task.profile.version) < as_numbers(task.clause.since):
        return f"it came with CNI {task.clause.since}; this runtime speaks {task.profile.version}"
    return ""


def _judge(task: RuntimeTask, folder: Path, steps: Steps) -> None:
    if not task.profile.cgroups:
        furnish(task.profile.private)
    case = open_runtime_case(task.profile, folder, task.start)
    try:
        case.open()
        cast("Judge", task.clause.judge)(case)
    finally:
        steps += [(step.what, step.seen) for step in case.steps]
        case.close()


def _with_cgroups(home: Home, body: partial[None], folder: Path, steps: Steps) -> None:
    home.show(body.args[0].profile.private)
    body(folder, steps)


def open_runtime_case(profile: RuntimeProfile, folder: Path, start: Start) -> RuntimeCase:
    """Put the recording plugins where the runtime looks for plugins."""
    confdir = Path(profile.confdir or folder / "net.d")
    confdir.mkdir(parents=True, exist_ok=True)
    recording = Recording.install(folder / "record", Path(profile.cnipath or folder / "plugins"))
    steps = [
        Step(
            f"put {', '.join(path.name for path in recording.plugins.iterdir())} into", str(recording.plugins)
        )
    ]
    return RuntimeCase(profile, profile.version, folder, confdir, recording, start, steps)


@runtime_clause("version", Level.BEHAVIOUR, "1", "adds to a network of one plugin")
def _probe(case: RuntimeCase) -> None:
    """Find the newest version that a runtime speaks."""
    case.network(["recording-a"])
    if not case.run("add", case.container()).succeeded or not case.recording.calls("ADD"):
        raise Failed(f"no ADD in version {case.version}")

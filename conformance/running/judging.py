"""One case: a child leaves the machine, its child judges in fresh namespaces; all ends with it."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from conformance.case import KNOWN_VERSIONS, Plugin, as_numbers, open_case
from conformance.clause import CannotJudge, Clause, Failed, NotApplicable
from conformance.running.verdict import Outcome, Verdict, read_verdict
from conformance.world.looking import succeeds
from conformance.world.namespaces import furnish, leave_the_machine

Daemon = Callable[
    [Path], AbstractContextManager[object]
]  # begins what serves the plugins of one world; given its folder


@dataclass(frozen=True)
class Task:
    """One clause on one plugin, spoken to in one CNI version ("" takes the newest that both know)."""

    plugin: Plugin
    clause: Clause
    cni_path: Sequence[Path]
    version: str = ""
    daemon: Daemon | None = None
    beside: Path | None = None  # another folder of plugins, which times are compared with
    slowest: float = 2  # times that a plugin may take as long as the other's

    @property
    def spoken(self) -> str:
        """Return the version that its configurations say."""
        return self.version or (self.plugin.versions[-1] if self.plugin.versions else KNOWN_VERSIONS[-1])


def judge(task: Task) -> Verdict:
    """Judge one clause on one plugin; the time limit is the clause's.

    Must be called from a process with no threads, as root.
    """
    begun = time.monotonic()
    reason = not_applicable(task)
    if reason:
        return Verdict(task.plugin.type, task.clause.id, Outcome.NOT_APPLICABLE, reason, (), 0)
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _in_the_child(task, folder, writer)
    os.close(writer)
    try:
        text = _read_all(reader, begun + task.clause.seconds)
    finally:
        os.close(reader)
        _end(child)
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - begun
    if text is None:
        late = f"it was not done after {task.clause.seconds:g} s"
        return Verdict(task.plugin.type, task.clause.id, Outcome.FAILED, late, (), seconds)
    if not text:
        return Verdict(
            task.plugin.type, task.clause.id, Outcome.NOT_JUDGED, "the judge itself ended early", (), seconds
        )
    return read_verdict(json.loads(text) | {"seconds": round(seconds, 3)})


def not_applicable(task: Task) -> str:
    """Return why a clause says nothing about a plugin, known before any call; "" where it does."""
    clause, profile = task.clause, task.plugin.profile
    if profile.kind not in clause.kinds:
        return f"it is about plugins of the kind {' or '.join(sorted(clause.kinds))}"
    if clause.id in profile.exempt:
        return profile.exempt[clause.id]
    newest = task.plugin.versions[-1] if task.plugin.versions else KNOWN_VERSIONS[-1]
    if as_numbers(newest) < as_numbers(clause.since):
        return f"it came with CNI {clause.since}; this plugin lists versions up to {newest}"
    return ""


def _in_the_child(task: Task, folder: Path, writer: int) -> None:
    """Leave the machine and fork once more: the first process of the new process namespace is the judge."""
    try:
        os.setpgid(0, 0)
        leave_the_machine()
        judge_pid = os.fork()
        if judge_pid == 0:
            _write(writer, _judged(task, folder))
        os.waitpid(judge_pid, 0)
    except OSError as error:
        _write(writer, _verdict(task, Outcome.NOT_JUDGED, f"no namespaces can be made here: {error}"))
    finally:
        os._exit(0)


def _judged(task: Task, folder: Path) -> Verdict:
    steps: list[tuple[str, str]] = []
    outcome, reason = Outcome.PASSED, ""
    try:
        furnish(tuple(task.plugin.profile.private))
        _need_kernel(task.plugin.profile.kernel)
        with task.daemon(folder) if task.daemon else nullcontext():
            case = open_case(task.plugin, task.spoken, folder, task.cni_path)
            case.beside, case.slowest = task.beside, task.slowest
            try:
                task.clause.judge(case)
            finally:
                steps = [(step.what, step.seen) for step in case.steps]
    except Failed as error:
        outcome, reason = Outcome.FAILED, str(error)
    except TimeoutError as error:
        outcome, reason = Outcome.FAILED, str(error)
    except NotApplicable as error:
        outcome, reason = Outcome.NOT_APPLICABLE, str(error)
    except CannotJudge as error:
        outcome, reason = Outcome.NOT_JUDGED, str(error)
    except Exception:  # noqa: BLE001  a clause's own fault is a line of the report, not the end of the run
        outcome, reason = Outcome.NOT_JUDGED, f"the clause itself broke: {traceback.format_exc(limit=-3)}"
    return _verdict(task, outcome, reason, tuple(steps))


def _need_kernel(kinds: Sequence[str]) -> None:
    for kind in kinds:
        words = ("ip", "link", "add", "probe0", "type", kind)
        master = ("link", "lo") if kind in ("macvlan", "ipvlan") else ()
        if not succeeds(*words[:3], *master, *words[3:]) and not _is_known(kind):
            raise CannotJudge(f"this kernel makes no links of the type {kind}")
        succeeds("ip", "link", "del", "probe0")


def _is_known(kind: str) -> bool:
    return Path(f"/sys/module/{kind}").exists()


def _verdict(task: Task, outcome: Outcome, reason: str, steps: tuple[tuple[str, str], ...] = ()) -> Verdict:
    return Verdict(task.plugin.type, task.clause.id, outcome, reason, steps, 0)


def _write(writer: int, verdict: Verdict) -> None:
    with os.fdopen(writer, "w") as file:
        json.dump(verdict.as_json(), file)
    os._exit(0)


def _read_all(reader: int, deadline: float) -> str | None:
    """Read until the other end is closed; None where the deadline came first."""
    text = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([reader], [], [], left)[0]:
            break
        piece = os.read(reader, 1 << 16)
        if not piece:
            return text.decode()
        text += piece
    return None


def _end(child: int) -> None:
    """Kill what is left: with the first process of a process namespace all others in it end."""
    with suppress(ProcessLookupError):  # it has gone by itself
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)

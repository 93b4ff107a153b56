"""A child that leaves the machine, and its child that judges: whatever it started ends with it."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from conformance.clause import CannotJudge, Clause, Failed, NotApplicable
from conformance.running.verdict import Outcome, Verdict, read_verdict
from conformance.world.namespaces import leave_the_machine

Steps = list[tuple[str, str]]
Body = Callable[[Path, Steps], None]  # judges in an empty folder, and says what it did even if it raises


def judge_in_child(
    judged: str, clause: Clause, body: Body, *, leave: Callable[[], None] = leave_the_machine
) -> Verdict:
    """Judge one clause on what is called `judged`; the time limit is the clause's.

    `body` runs as the first process of a new process namespace, after `leave`. Must be called from a process
    with no threads, as root.
    """
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _in_the_child(writer, leave, lambda: _judged(judged, clause, folder, body))
    os.close(writer)
    try:
        text = _read_all(reader, begun + clause.seconds)
    finally:
        os.close(reader)
        _end(child)
        shutil.rmtree(folder, ignore_errors=True)
    seconds = round(time.monotonic() - begun, 3)
    if text is None:
        late = f"it was not done after {clause.seconds:g} s"
        return Verdict(judged, clause.id, Outcome.FAILED, late, (), seconds)
    if not text:
        return Verdict(judged, clause.id, Outcome.NOT_JUDGED, "the judge itself ended early", (), seconds)
    return read_verdict(json.loads(text) | {"plugin": judged, "clause": clause.id, "seconds": seconds})


def _in_the_child(writer: int, leave: Callable[[], None], judged: Callable[[], Verdict]) -> None:
    """Leave the machine and fork once more: the first process of the new process namespace is the judge."""
    try:
        os.setpgid(0, 0)
        leave()
        judge_pid = os.fork()
        if judge_pid == 0:
            _write(writer, judged())
        os.waitpid(judge_pid, 0)
    except OSError as error:
        reason = f"no namespaces can be made here: {error}"
        _write(writer, Verdict("", "", Outcome.NOT_JUDGED, reason, (), 0))
    finally:
        os._exit(0)


def _judged(judged: str, clause: Clause, folder: Path, body: Body) -> Verdict:
    steps: Steps = []
    outcome, reason = Outcome.PASSED, ""
    try:
        body(folder, steps)
    except (Failed, TimeoutError) as error:
        outcome, reason = Outcome.FAILED, str(error)
    except NotApplicable as error:
        outcome, reason = Outcome.NOT_APPLICABLE, str(error)
    except CannotJudge as error:
        outcome, reason = Outcome.NOT_JUDGED, str(error)
    except Exception:  # noqa: BLE001  a clause's own fault is a line of the report, not the end of the run
        outcome, reason = Outcome.NOT_JUDGED, f"the clause itself broke: {traceback.format_exc(limit=-3)}"
    return Verdict(judged, clause.id, outcome, reason, tuple(steps), 0)


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

"""stdin, stdout and stderr that are closed, full, or that nobody reads."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from conformance.calls import LIMIT, Answer, Call
from conformance.case import Attachment, Case, Json, Step
from conformance.clause import Level, clause, expect
from conformance.robust.leavings import renew, settle, watch
from conformance.robust.sanity import expect_refusal, expect_success


@clause("robust-no-stdin", Level.ROBUST, "beyond", "refuses to work without stdin")
def no_stdin(case: Case) -> None:
    """ADD with stdin closed is refused by an error object, and makes nothing."""
    attachment = case.attachment()
    before = watch(case, attachment)
    expect_refusal(_ask(case, "ADD", attachment, "<&-"), "ADD with stdin closed")
    before.expect_same("this ADD")


@clause("robust-no-stdout", Level.ROBUST, "beyond", "notices that nobody heard its result")
def no_stdout(case: Case) -> None:
    """ADD whose result cannot be written (stdout closed, full, or without a reader) is no success.

    The runtime has no result, so it will call DEL, which must leave nothing; DEL has nothing to write and so
    succeeds in the same plight.
    """
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    for how, redirection in {"closed": ">&-", "full": ">/dev/full", "that nobody reads": ""}.items():
        answer = _ask(case, "ADD", attachment, redirection)
        expect(answer.status != 0, f"ADD succeeded with a stdout {how}")
        answer = _ask(case, "DEL", attachment, redirection)
        expect(answer.status == 0, f"DEL failed with a stdout {how}: {answer}")
        renew(case, attachment)
    before.expect_same("these ADDs and DELs")


@clause("robust-no-stderr", Level.ROBUST, "beyond", "works without stderr")
def no_stderr(case: Case) -> None:
    """ADD and DEL with stderr closed or full work as always: a log nobody keeps is no reason to fail."""
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    talkative = case.config(attachment) | {"surprise": "a key that one may want to remark on"}
    for how, redirection in {"closed": "2>&-", "full": "2>/dev/full"}.items():
        answer = _ask(case, "ADD", attachment, redirection, talkative)
        expect_success(answer, f"ADD with a stderr {how}")
        expect(answer.document() is not None, f"ADD with a stderr {how} printed no result: {answer}")
        expect_success(_ask(case, "DEL", attachment, redirection), f"DEL with a stderr {how}")
        renew(case, attachment)
    before.expect_same("these ADDs and DELs")


def _ask(
    case: Case, verb: str, attachment: Attachment, redirection: str, config: Json | None = None
) -> Answer:
    """Make a call with its streams as a shell's redirection says; "" is a stdout whose reader has gone."""
    call = case.call(verb, attachment, config=config)
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if not redirection:
        reader, streams["stdout"] = os.pipe()
        os.close(reader)
    answer = _execute(call, redirection, streams)
    if not redirection:
        os.close(streams["stdout"])
    case.steps.append(Step(f"{call} {redirection or '| true'}", str(answer)))
    return answer


def _execute(call: Call, redirection: str, streams: dict[str, Any]) -> Answer:
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" {redirection}', call.path],
            input=call.stdin,
            env=dict(call.environment),
            timeout=LIMIT,
            check=False,
            **streams,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{call.path.name} did not end within {LIMIT} s") from error
    out, err = (text.decode(errors="replace") for text in (done.stdout or b"", done.stderr or b""))
    return Answer(done.returncode, out, err, 0)


CLAUSES = (no_stdin, no_stdout, no_stderr)

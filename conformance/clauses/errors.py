"""What all failures have in common: the exit status, the error object, one document on stdout."""

from __future__ import annotations

import json

from conformance.calls import Answer, Json
from conformance.case import Case
from conformance.clause import Level, clause, expect, fail
from conformance.faults import Fault, provoked

# The table of section 5; 50 and 51 are STATUS's
WELL_KNOWN = (1, 2, 3, 4, 5, 6, 7, 11, 50, 51)
FIRST_OWN = 100
OWN_NETNS = "/proc/1/ns/net"  # the judge is the first process, in the host's namespace


@clause("3", Level.MUST, "2, Errors", "exits with 0 if it succeeded, and only then", seconds=60)
def exit_status(case: Case) -> None:
    """The exit status is 0 if and only if the call succeeded.

    It is all that a runtime looks at before it reads stdout: an error that exits with 0 is taken for a
    container that has a network. Looked at are a good ADD and DEL, and every failure that can be provoked.
    """
    attachment = case.attachment()
    answer = case.ask("ADD", attachment)
    _is_one(answer, "a good ADD")
    if answer.succeeded:
        _is_one(case.ask("DEL", attachment), "the DEL after it")
    for fault, answer in provoked(case):
        _is_one(answer, fault.what)
        expect(
            not (fault.certain and answer.succeeded), f"{fault.what} exited with 0, as if it had been done"
        )


def _is_one(answer: Answer, what: str) -> None:
    expect(answer.status >= 0, f"{what} was ended by signal {-answer.status}")
    said = answer.document() or {}
    if answer.succeeded and "code" in said and "msg" in said:
        fail(f"{what} printed an error ({said['msg']!r}) and exited with 0")
    if not answer.succeeded and ("ips" in said or "interfaces" in said):
        fail(f"{what} printed a result and exited with {answer.status}")


@clause("4", Level.SHOULD, "5, Error", "says what went wrong in an error object on stdout", seconds=60)
def error_object(case: Case) -> None:
    """A failure prints an object: `cniVersion` (the configuration's), `code` (a number), `msg`, `details`.

    Codes below 100 have the meanings of the specification's table; a plugin's own begin at 100. A runtime
    shows the text to a person and decides by the code whether to try again. `details` may be missing where
    `msg` says everything; `cniVersion` is looked at where the plugin has read the configuration.
    """
    for fault, answer in provoked(case):
        if not answer.succeeded:
            _is_error_object(case, fault, answer)


def _is_error_object(case: Case, fault: Fault, answer: Answer) -> None:
    body = answer.document()
    if body is None:
        shown = repr(answer.stdout[:200]) if answer.stdout.strip() else "nothing"
        fail(f"{fault.what} failed with exit {answer.status}, and stdout holds no error object but {shown}")
    code, msg = body.get("code"), body.get("msg")
    expect(type(code) is int, f"the error of {fault.what} has the code {code!r}, which is not a number")
    expect(
        code in WELL_KNOWN or int(str(code)) >= FIRST_OWN,
        f"the error of {fault.what} has the code {code}, which is reserved and has no meaning; a plugin's own"
        f" begin at {FIRST_OWN}",
    )
    expect(isinstance(msg, str) and msg.strip(), f"the error of {fault.what} has no msg: {body}")
    expect(isinstance(body.get("details", ""), str), f"the details of {fault.what} are no text: {body}")
    if fault.is_read:
        _says_version(case, fault, body)


def _says_version(case: Case, fault: Fault, body: Json) -> None:
    said = body.get("cniVersion")
    expect(
        said is not None,
        f"the error of {fault.what} has no cniVersion; the configuration's is {case.version}",
    )
    expect(
        said == case.version,
        f"the error of {fault.what} says cniVersion {said!r}; the configuration says {case.version}",
    )


@clause("9", Level.BEHAVIOUR, "2, Errors", "prints one JSON document and nothing else on stdout", seconds=60)
def one_document(case: Case) -> None:
    """Stdout holds one JSON document, a result or an error, or nothing; all else is for stderr.

    A log line in between, or a result with an error after it, makes both unreadable: the runtime then knows
    neither what was done nor why it failed. Looked at are ADD, DEL, an ADD into the plugin's own namespace,
    and every failure that can be provoked.
    """
    attachment = case.attachment()
    answer = case.ask("ADD", attachment)
    _holds_one(answer, "ADD")
    if answer.succeeded:
        _holds_one(case.ask("DEL", attachment), "DEL")
    for fault, answer in provoked(case):
        _holds_one(answer, fault.what)
    own = case.ask("ADD", case.attachment(), env={"CNI_NETNS": OWN_NETNS})
    _holds_one(own, "an ADD whose CNI_NETNS is the plugin's own namespace")


def _holds_one(answer: Answer, what: str) -> None:
    text = answer.stdout.strip()
    if not text:
        return
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        fail(f"stdout of {what} is not JSON: {text[:300]!r}")
    expect(
        not text[end:].strip(), f"stdout of {what} holds more than one document: {text[end:].strip()[:300]!r}"
    )


CLAUSES = (exit_status, error_object, one_document)

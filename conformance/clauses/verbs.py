"""Which commands there are."""

from __future__ import annotations

import re
from dataclasses import replace

from conformance.calls import Answer
from conformance.case import Attachment, Case, as_numbers, said
from conformance.clause import Level, clause, expect, fail
from conformance.faults import UNKNOWN_VERB

BROUGHT_BY = {
    "VERSION": "0.2.0",
    "ADD": "0.1.0",
    "CHECK": "0.4.0",
    "DEL": "0.1.0",
    "STATUS": "1.1.0",
    "GC": "1.1.0",
}

NAMES = re.compile("|".join((UNKNOWN_VERB, *BROUGHT_BY)))


@clause("1", Level.SHOULD, "2, Parameters", "reads the command from CNI_COMMAND and knows all of them")
def commands(case: Case) -> None:
    """CNI_COMMAND says what is to be done; a plugin knows every command of its version, and refuses others.

    A command that is taken for one that does not exist is seen by its answer, which is then the same. How
    well a command is carried out is for other clauses.
    """
    attachment = case.attachment()
    unknown = case.ask("ADD", attachment, env={"CNI_COMMAND": UNKNOWN_VERB})
    expect(not unknown.succeeded, f"the command {UNKNOWN_VERB}, which there is not, succeeded")
    stranger = _without_commands(unknown)
    for verb, version in BROUGHT_BY.items():
        if as_numbers(case.version) < as_numbers(version):
            continue
        answer = _asked(case, verb, attachment)
        if verb == "ADD" and answer.succeeded:
            attachment = replace(attachment, result=answer.document() or attachment.previous)
        if not answer.succeeded and _without_commands(answer) == stranger:
            fail(f"{verb} is answered as a command that does not exist: {said(answer)}")


def _asked(case: Case, verb: str, attachment: Attachment) -> Answer:
    return case.ask(verb, None if verb in ("VERSION", "STATUS", "GC") else attachment)


def _without_commands(answer: Answer) -> tuple[object, str]:
    """Return code and text of an error without the commands' names in it."""
    error = answer.error()
    text = str(error.get("msg", answer.stderr)) + str(error.get("details", ""))
    return error.get("code", answer.status), NAMES.sub("", text)


CLAUSES = (commands,)

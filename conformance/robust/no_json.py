"""stdin that is no JSON object, a strange one, a deep one or a very large one."""

from __future__ import annotations

import json

from conformance.case import Attachment, Case
from conformance.clause import Level, clause
from conformance.robust.leavings import settle, undo, watch
from conformance.robust.sanity import expect_refusal, expect_sane

DEPTH = 100_000  # levels; parsers that recurse have a stack for some thousands
SIZE = 10 << 20  # bytes


@clause("robust-no-json", Level.ROBUST, "beyond", "refuses what is no JSON object")
def no_json(case: Case) -> None:
    """ADD whose stdin is no JSON object (nothing, half of one, a list, NUL bytes) is refused.

    It is refused by an error object on stdout as any other failure, not by a crash, and nothing is made.
    """
    attachment = case.attachment()
    before = watch(case, attachment)
    whole = json.dumps(case.config(attachment)).encode()
    for what, stdin in {
        "nothing": b"",
        "white space": b" \n\t ",
        "half of a configuration": whole[: len(whole) // 2],
        "a list": b"[" + whole + b"]",
        "null": b"null",
        "NUL bytes": bytes(64),
        "a list that is never closed": b"[" * DEPTH,
    }.items():
        expect_refusal(case.ask("ADD", attachment, stdin=stdin), f"ADD with {what} on stdin")
    before.expect_same("these ADDs")


@clause("robust-strange-json", Level.ROBUST, "beyond", "gets along with strange JSON")
def strange_json(case: Case) -> None:
    """Strange JSON in a key that nobody asked for is taken or refused, but never ends in a crash.

    Keys that are there twice, NUL and lone surrogates in strings, numbers that no machine has, bytes that
    are no text: an ADD that succeeds is undone by DEL; one that fails says so by an error object.
    """
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    for what, strange in {
        "a key that is there twice": b'"odd": 1, "odd": {"a": 2}',
        "a NUL character": b'"odd": "a\\u0000b", "o\\u0000dd": 1',
        "a lone surrogate": b'"odd": "\\ud800", "\\udfff": "x"',
        "bytes that are no UTF-8": b'"odd": "\xff\xfe\xc0\x80"',
        "immense numbers": b'"odd": [1e999, -1e999, 1' + b"0" * 5000 + b", 0.1e-9999]",
        "an empty key": b'"": {"": [""]}',
    }.items():
        try_with(case, attachment, strange, f"ADD with {what}")
    before.expect_same("these ADDs and their DELs")


@clause("robust-nesting", Level.ROBUST, "beyond", "survives deeply nested JSON")
def nesting(case: Case) -> None:
    """A configuration with a hundred thousand levels in a key that nobody asked for makes nothing crash.

    ADD takes it or refuses it by an error object. DEL with it does the same; one without it undoes the ADD.
    """
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    lists = b'"odd": ' + b"[" * DEPTH + b"]" * DEPTH
    objects = b'"odd": ' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH
    try_with(case, attachment, lists, f"ADD with {DEPTH} lists in one another")
    try_with(case, attachment, objects, f"ADD with {DEPTH} objects in one another")
    answer = case.ask("DEL", attachment, stdin=strange_body(case, attachment, lists))
    expect_sane(answer, f"DEL with {DEPTH} lists in one another")
    before.expect_same("these ADDs and their DELs")


@clause("robust-large", Level.ROBUST, "beyond", "survives a configuration of ten megabytes")
def large(case: Case) -> None:
    """A configuration of ten megabytes is taken or refused by an error object, within the usual time.

    An ADD that succeeds is undone by DEL.
    """
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    text = b'"odd": "' + b"x" * SIZE + b'"'
    try_with(case, attachment, text, "ADD with a string of ten megabytes")
    before.expect_same("this ADD and its DEL")


def try_with(case: Case, attachment: Attachment, members: bytes, asked: str) -> None:
    """ADD with more members in the configuration, and undo it by a plain DEL where it was taken."""
    answer = case.ask("ADD", attachment, stdin=strange_body(case, attachment, members))
    expect_sane(answer, asked)
    if answer.succeeded:
        undo(case, attachment)


def strange_body(case: Case, attachment: Attachment, members: bytes) -> bytes:
    """Return a good configuration with more members, written as they are."""
    return json.dumps(case.config(attachment)).encode()[:-1] + b", " + members + b"}"


CLAUSES = (no_json, strange_json, nesting, large)

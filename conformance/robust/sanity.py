"""An answer that is none of a crash: at most one JSON document, no traceback, no signal."""

from __future__ import annotations

import json

from conformance.calls import Answer
from conformance.case import said
from conformance.clause import expect, fail

# What runtimes of languages print of a program that broke, not what its author wrote
CRASHES = (
    "Traceback (most recent call last)",  # Python
    "panic: ",  # Go
    "goroutine 1 [",
    "thread 'main' panicked",  # Rust
    "Segmentation fault",
    "Unhandled exception",
    'Exception in thread "main"',  # Java
)


def expect_sane(answer: Answer, asked: str) -> None:
    """Fail unless the answer is one that a program gives on purpose; `asked` begins the sentence."""
    text = answer.stdout + answer.stderr
    broke = next((sign for sign in CRASHES if sign in text), "")
    expect(not broke, f"{asked} made the plugin crash: it printed {_around(text, broke)!r}")
    expect(answer.status >= 0, f"{asked} ended the plugin by signal {-answer.status}")
    count = documents(answer.stdout)
    expect(count >= 0, f"{asked} was answered with something else than JSON: {answer.stdout[:200]!r}")
    expect(count <= 1, f"{asked} was answered with {count} JSON documents on stdout")
    if not answer.succeeded:
        code = answer.error().get("code")
        expect(type(code) is int, f"{asked} failed without an error object on stdout: {answer}")


def expect_refusal(answer: Answer, asked: str) -> None:
    """Fail unless the call was refused as the specification says."""
    expect_sane(answer, asked)
    if answer.succeeded:
        fail(f"{asked} was taken for good: {answer}")


def expect_success(answer: Answer, asked: str) -> None:
    """Fail unless the call succeeded."""
    expect_sane(answer, asked)
    expect(answer.succeeded, f"{asked} failed: {said(answer)}")


def documents(text: str) -> int:
    """Return how many JSON documents follow one another; -1 where there is something else."""
    decoder, count, rest = json.JSONDecoder(), 0, text.strip()
    while rest:
        try:
            _, end = decoder.raw_decode(rest)
        except ValueError:
            return -1
        count, rest = count + 1, rest[end:].strip()
    return count


def _around(text: str, sign: str) -> str:
    return text[text.find(sign) :][:200] if sign else ""

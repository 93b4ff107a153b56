"""What a mutant's executable runs: read the call, let the mutant act around the good plugin, answer."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

from conformance.mutants.mutant import Asked, Given, Mutant


def main(module: str, id: str, good: str) -> int:
    """Answer one call as the mutant of a module does; return the exit status."""
    given = _mutant(module, id).act(_read(), lambda asked: _ask(good, asked))
    try:
        _write(1, given.stdout)
    except OSError:  # a mutant that has one fault is good in all else
        return given.status or 1
    with suppress(OSError):  # a log that nobody keeps
        _write(2, given.stderr)
    return given.status


def _write(descriptor: int, text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(descriptor, data) :]


def _mutant(module: str, id: str) -> Mutant:
    """Find it in the module of its function: loading all of them takes longer than a call."""
    found: dict[str, Mutant] = {one.id: one for one in getattr(import_module(module), "MUTANTS", ())}
    if id not in found:
        from conformance.mutants.catalogue import mutant_of

        return mutant_of(id)
    return found[id]


def _read() -> Asked:
    try:
        return Asked(dict(os.environ), sys.stdin.buffer.read())
    except (OSError, AttributeError):  # closed, which Python shows as None
        return Asked(dict(os.environ), b"", readable=False)


def _ask(good: str, asked: Asked) -> Given:
    stdin: dict[str, Any] = {"input": asked.stdin} if asked.readable else {"stdin": None}
    done = subprocess.run([good], **stdin, env=dict(asked.environment), capture_output=True, check=False)
    return Given(done.returncode, done.stdout.decode(), done.stderr.decode())

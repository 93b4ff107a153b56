"""A mutant's executable, and what it runs: read the call, let the mutant act around the good one, answer."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from conformance.forking import instead_of, offer
from conformance.mutants.mutant import Asked, Given, Mutant

ROOT = Path(__file__).parents[2]


def write_mutant(folder: Path, mutant: Mutant, good: Path) -> Path:
    """Write the executable of a mutant, which has the good plugin's type, into the folder; return it."""
    path = folder / good.name
    path.write_text(
        f"#!{sys.executable} -IS\n"
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.pycache_prefix = {str(folder.parent / 'compiled')!r}\n"  # compiling costs more than running
        "from conformance.mutants.wrapping import main\n"
        f"sys.exit(main({mutant.act.__module__!r}, {mutant.id!r}, {str(good)!r}))\n"
    )
    path.chmod(0o755)
    offer(path, partial(answer, mutant, str(good)))
    return path


def main(module: str, id: str, good: str) -> int:
    """Answer one call as the mutant of a module does; return the exit status."""
    return answer(_mutant(module, id), good)


def answer(mutant: Mutant, good: str) -> int:
    """Answer one call as a mutant around a good plugin does; return the exit status."""
    given = mutant.act(_read(), lambda asked: _ask(good, asked))
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
    environment = dict(asked.environment)
    stdin |= instead_of(good, environment)
    done = subprocess.run([good], **stdin, env=environment, capture_output=True, check=False)
    return Given(done.returncode, done.stdout.decode(), done.stderr.decode())

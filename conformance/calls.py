"""One call of a plugin: environment and stdin in, exit status, stdout and stderr out."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.forking import instead_of

Json = dict[str, Any]
LIMIT = 25  # seconds that one call may take
SHOWN = 6000  # characters of a value that a report shows


@dataclass(frozen=True)
class Call:
    """What a plugin is asked: its executable, its whole CNI environment, its stdin."""

    path: Path
    environment: Mapping[str, str]  # CNI_* and PATH; the rest of the caller's is not handed over
    stdin: bytes
    readable: bool = True  # False: stdin is open for writing alone

    def __str__(self) -> str:
        variables = " ".join(f"{key}={_quoted(value)}" for key, value in self.environment.items())
        stdin = f"<<< {_quoted(self.stdin.decode(errors='replace'))}" if self.readable else "0>/dev/null"
        return f"env -i {variables} {self.path} {stdin}"


@dataclass(frozen=True)
class Answer:
    """What a plugin gave back. A status below 0 is the number of the signal that ended it."""

    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Tell whether it says that it succeeded."""
        return self.status == 0

    def document(self) -> Json | None:
        """Return the one JSON object on stdout; None where stdout is anything else."""
        try:
            found = json.loads(self.stdout)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def error(self) -> Json:
        """Return its error object, {} where there is none."""
        return (not self.succeeded and self.document()) or {}

    def __str__(self) -> str:
        said = "".join(f", {name}: {text.strip()[:600]}" for name, text in self._streams() if text.strip())
        return f"exit {self.status}{said}"

    def _streams(self) -> tuple[tuple[str, str], ...]:
        return (("stdout", self.stdout), ("stderr", self.stderr))


def make_call(call: Call, limit: float = LIMIT) -> Answer:
    """Execute the plugin and wait for its end.

    Raises:
        TimeoutError: it took longer than `limit` seconds; it has been killed.
    """
    begun = time.monotonic()
    try:
        with _stdin(call) as given:
            done = subprocess.run(
                [call.path],
                **given,
                env=dict(call.environment),
                capture_output=True,
                timeout=limit,
                check=False,
                **instead_of(call.path, call.environment),
            )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{call.path.name} did not end within {limit:g} s") from error
    seconds = time.monotonic() - begun
    return Answer(
        done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), seconds
    )


def make_calls(calls: Sequence[Call], limit: float = LIMIT) -> list[Answer]:
    """Execute plugins at once, and wait for the end of all; the answers are in the calls' order.

    Raises:
        TimeoutError: one took longer than `limit` seconds; all have been killed.
    """
    begun = time.monotonic()
    with ExitStack() as stack:
        started = [stack.enter_context(_start(call)) for call in calls]
        try:
            said = [one.communicate(timeout=max(0.1, begun + limit - time.monotonic())) for one in started]
        except subprocess.TimeoutExpired as error:
            for one in started:
                one.kill()
            raise TimeoutError(f"{len(calls)} calls at once did not end within {limit:g} s") from error
    return [
        Answer(one.returncode, out.decode(errors="replace"), err.decode(errors="replace"), 0)
        for one, (out, err) in zip(started, said, strict=True)
    ]


def _start(call: Call) -> subprocess.Popen[bytes]:
    """Start a plugin and give it its stdin, which fits into a pipe (64 KiB)."""
    pipe = subprocess.PIPE
    started = subprocess.Popen(
        [call.path],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=dict(call.environment),
        **instead_of(call.path, call.environment),
    )
    assert started.stdin is not None, "it is a pipe"
    with suppress(BrokenPipeError), started.stdin:  # it ended without reading
        started.stdin.write(call.stdin)
    started.stdin = None
    return started


@contextmanager
def _stdin(call: Call) -> Iterator[dict[str, Any]]:
    if call.readable:
        yield {"input": call.stdin}
        return
    with Path(os.devnull).open("wb") as opened:
        yield {"stdin": opened}


def base_environment() -> dict[str, str]:
    """Return what every call's environment holds beside CNI's own variables."""
    return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")}


def _quoted(text: str) -> str:
    """Return a word for a shell; a very long one is cut, and what is no text is printed so that it can be."""
    cut = text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"
    return shlex.quote(cut).encode("utf-8", "backslashreplace").decode()

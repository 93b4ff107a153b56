"""Clients of a web server, in a pod, in a node or on the underlay: `asking` as a process there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podwire.lab.errors import LabError
from podwire.lab.inside import PATH, door
from podwire.lab.pods import Pod

ASKING = Path(__file__).with_name("asking.py")
DEADLINE = 60.0  # seconds


@dataclass(frozen=True)
class Answers:
    """What one source heard: who answered how often, in which order, what failed; the longest in seconds."""

    source: str
    answers: Counter[str]
    order: tuple[str, ...]
    failed: int
    failures: tuple[str, ...]
    longest: float


class Client:
    """A process that asks `host`; `count` times, or until it is stopped (0).

    `place`: a pod, or process 1 of a node or of the lab. Each of `sources` asks as often.
    """

    def __init__(
        self, place: Pod | int, host: str, port: int, count: int = 0, sources: Sequence[str] = ()
    ) -> None:
        pid, pod = (place.pid, place.name) if isinstance(place, Pod) else (place, "")
        program = [sys.executable, "-I", "-S", str(ASKING), host, str(port), str(count), *sources]
        self._what = f"a client of {host} port {port}"
        self._process = subprocess.Popen(
            [*door(pid, pod), *program], env={"PATH": PATH, "LC_ALL": "C"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def result(self) -> list[Answers]:
        """Let it end, and return what it heard, for each source. Raises LabError: it did not end well."""
        try:
            out, complaint = self._process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.communicate()
            raise LabError(f"{self._what} did not end within {DEADLINE:.0f} s") from error
        if self._process.returncode:
            said = complaint.decode(errors="replace").strip()
            raise LabError(f"{self._what} ended with {self._process.returncode}", said)
        return [_read(line) for line in out.splitlines()]


def ask(place: Pod | int, host: str, port: int, count: int) -> Answers:
    """Ask so often from a place, and return what was heard."""
    (one,) = Client(place, host, port, count).result()
    return one


def _read(line: bytes) -> Answers:
    body = json.loads(line)
    return Answers(
        body["source"], Counter(body["answers"]), tuple(body["order"]), body["failed"],
        tuple(body["failures"]), body["longest"],
    )  # fmt: skip

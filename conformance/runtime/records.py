"""The recording plugins where a runtime finds them, and the record of their calls."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from conformance.forking import offer
from conformance.runtime import recording

Json = dict[str, Any]
SOURCE = Path(__file__).with_name("recording.py")
FIRST, SECOND, THIRD = TYPES = ("recording-a", "recording-b", "recording-c")


@dataclass(frozen=True)
class Record:
    """One call that the runtime made of a plugin.

    Times are monotonic, in seconds; `ended` is infinite while the call goes on. `own` and `target` are the
    numbers of the network namespaces that it ran in and that CNI_NETNS led to, 0 where there was none.
    """

    type: str
    verb: str
    environment: dict[str, str]
    stdin: str
    begun: float
    ended: float
    own: int
    target: int
    answer: Json | None
    status: int

    @property
    def config(self) -> Json:
        """Return the request's configuration, {} where stdin held no object."""
        try:
            found = json.loads(self.stdin)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def container(self) -> str:
        """Return CNI_CONTAINERID."""
        return self.environment.get("CNI_CONTAINERID", "")

    def overlaps(self, other: Record) -> bool:
        """Tell whether both went on at one time."""
        return self.begun < other.ended and other.begun < self.ended

    def __str__(self) -> str:
        return f"{self.verb} of {self.type}"


@dataclass(frozen=True)
class Recording:
    """The plugins' executables in `plugins`, what they share in `folder`."""

    folder: Path
    plugins: Path

    @classmethod
    def install(cls, folder: Path, plugins: Path, types: Sequence[str] = TYPES) -> Recording:
        """Put an executable of each type there."""
        folder.mkdir()
        plugins.mkdir(parents=True, exist_ok=True)
        (folder / "behaviour.json").write_text("{}")
        (folder / "calls.jsonl").write_text("")
        (folder / "recording.py").write_text(SOURCE.read_text())
        installed = cls(folder, plugins)
        for type in types:
            installed.put(type)
        return installed

    def put(self, type: str) -> None:
        """Put one executable there: a line that becomes the program, which need not be read as a module."""
        path = self.plugins / type
        path.write_text(
            f"#!{sys.executable} -ISB\n"
            f"import sys\nsys.path.insert(0, {str(self.folder)!r})\n"
            "from pathlib import Path\nimport recording\n"
            f"sys.exit(recording.main(Path({str(self.folder)!r}), {type!r}))\n"
        )
        path.chmod(0o755)
        offer(path, partial(recording.main, self.folder, type))

    def behave(self, **types: Json) -> None:
        """Say how types answer from now on: `behave(b={"ADD": {"code": 100, "msg": "no"}})`; `b` is SECOND.

        A verb has `code` and `msg` (an error), `times` (so often, then it is good), `wait` (seconds that it
        waits for another call to be under way), `result` (keys that replace those of an ADD's result, None
        removes one).
        """
        told = {f"recording-{letter}": verbs for letter, verbs in types.items()}
        (self.folder / "behaviour.json").write_text(json.dumps(told))

    def calls(self, *verbs: str) -> list[Record]:
        """Return the calls so far in the order of their begin, of the verbs if any are named."""
        lines = [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]
        ends = {line["id"]: line for line in lines if "ended" in line}
        open_end = {"ended": float("inf"), "answer": None, "status": 0}
        found = [_record(line, ends.get(line["id"], open_end)) for line in lines if "begun" in line]
        return [one for one in found if not verbs or one.verb in verbs]


def _record(begun: Json, ended: Json) -> Record:
    known = Record.__dataclass_fields__
    return Record(**{key: value for key, value in (begun | ended).items() if key in known})


def normal(result: Any) -> Any:
    """Return a result without what is empty: to say nothing and to say `[]` are the same."""
    if isinstance(result, dict):
        kept = {key: normal(value) for key, value in result.items()}
        return {key: value for key, value in kept.items() if value not in (None, "", [], {})}
    return [normal(one) for one in result] if isinstance(result, list) else result

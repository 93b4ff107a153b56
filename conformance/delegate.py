"""The IPAM plugin that interface plugins are given: what it was asked, what it holds, how it fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.clause import expect
from conformance.models.installing import install_model

Json = dict[str, Any]
TYPE = "judge-ipam"  # what `ipam.type` is in the configurations of interface plugins


@dataclass(frozen=True)
class DelegateCall:
    """One call that the plugin made of its delegate.

    `environment` holds what begins with CNI_ or JUDGE_; `at` is a monotonic time in seconds.
    """

    verb: str
    environment: dict[str, str]
    stdin: str
    at: float


@dataclass(frozen=True)
class Delegate:
    """The recording IPAM plugin in a folder of its own, which is the first of CNI_PATH."""

    folder: Path

    @classmethod
    def install(cls, folder: Path) -> Delegate:
        """Put it there."""
        (folder / "held").mkdir(parents=True)
        install_model(folder, TYPE)
        (folder / "behaviour.json").write_text("{}")
        return cls(folder)

    def behave(self, **verbs: Json) -> None:
        """Say how it answers from now on: `behave(ADD={"code": 11, "msg": "none left"})` fails ADD.

        A verb's `stderr` is printed there. `result` has keys that replace those of an ADD's result (not for
        0.1.0 and 0.2.0). `behave()` is good again.
        """
        (self.folder / "behaviour.json").write_text(json.dumps(verbs))

    def calls(self, verb: str = "") -> list[DelegateCall]:
        """Return the calls so far, in order; only those of a verb where one is named."""
        log = self.folder / "calls.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        found = [DelegateCall(**json.loads(line)) for line in lines]
        return [call for call in found if verb in ("", call.verb)]

    def held(self) -> int:
        """Return how many attachments have addresses."""
        return len(list((self.folder / "held").iterdir()))

    def forget(self) -> None:
        """Take back all addresses."""
        for path in (self.folder / "held").iterdir():
            path.unlink()

    def expect_calls(self, verbs: Sequence[str], sentence: str) -> None:
        """Fail with the sentence unless exactly these verbs were called since the log's beginning."""
        expect([call.verb for call in self.calls()] == list(verbs), sentence)

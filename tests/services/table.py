"""Write docs/service-behaviours.md from a run: `python -m tests.services.table [ARG..]`, arguments to pytest.

What is in the table was seen in that run, by real clients: a case that failed or was skipped says so there.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.overlay.machines import ROOT
from tests.services.behaviours import MARK, Behaviour

DOCUMENT = ROOT / "docs" / "service-behaviours.md"
HEAD = """# What the service proxy does, as clients see it

Made by a run of the cases in `tests/services` (`python -m tests.services.table`); do not edit. Each line was
shown by real clients and servers in network namespaces, against a `podwire proxy` that ran as a process:
for IPv4 and IPv6 where the line says so, with objects from a directory of files and from an API server that
cuts watches off, answers 410, repeats itself and is slow.
"""
FAMILIES = {"v4": "IPv4", "v6": "IPv6"}
SOURCES = {"directory": "directory", "kubernetes": "API server"}


@dataclass
class Seen:
    """What a run has seen of one behaviour."""

    behaviour: Behaviour
    families: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    troubles: set[str] = field(default_factory=set)


class Recorder:
    """A plugin of pytest that notes what each case came to."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one case."""
        said = [value for key, value in report.user_properties if key == MARK]
        if not said or (report.when != "call" and report.passed):
            return
        behaviour = Behaviour(*map(str, said[0]))  # type: ignore[call-overload]
        one = self.seen.setdefault(behaviour.case, Seen(behaviour))
        words = re.split(r"[\[\]-]", report.nodeid.rpartition("::")[2])
        one.families |= FAMILIES.keys() & set(words)
        one.sources |= SOURCES.keys() & set(words)
        if not report.passed:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "failed"
            one.troubles.add(reason)


def text_of(seen: Mapping[str, Seen]) -> str:
    """Return the document."""
    groups: dict[str, list[Seen]] = defaultdict(list)
    for one in seen.values():
        groups[one.behaviour.group].append(one)
    parts = [HEAD]
    for group in sorted(groups):
        parts.append(
            f"\n## {group}\n\n| What happens | Families | Objects from | Shown |\n| --- | --- | --- | --- |\n"
        )
        parts += [_row(one) for one in sorted(groups[group], key=lambda one: one.behaviour.sentence)]
    return "".join(parts)


def _row(one: Seen) -> str:
    families = ", ".join(FAMILIES[key] for key in sorted(one.families)) or "both at once"
    sources = ", ".join(SOURCES[key] for key in sorted(one.sources))
    shown = "; ".join(sorted(one.troubles)) or "yes"
    sentence = one.behaviour.sentence.replace("|", "\\|")
    return f"| {sentence} | {families} | {sources} | {shown} |\n"


def main(arguments: list[str]) -> int:
    """Run the cases and write the table, unless one failed."""
    recorder = Recorder()
    folder = str(Path(__file__).parent)
    status = int(pytest.main(["-q", folder, *arguments], plugins=[recorder]))
    if status == 0:
        DOCUMENT.write_text(text_of(recorder.seen))
        print(f"{DOCUMENT.relative_to(ROOT)}: {len(recorder.seen)} behaviours")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

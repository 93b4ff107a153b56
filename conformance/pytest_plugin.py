"""A pytest plugin: an item per plugin and clause. `pytest -p conformance.pytest_plugin --cni-path DIR`.

Where the distribution `podwire-conformance` is installed, pytest finds it by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.catalogue import PLUGIN_CLAUSES
from conformance.clause import Clause, Level
from conformance.profile import read_profile
from conformance.running.finding import find_plugins
from conformance.running.judging import Task, judge
from conformance.running.verdict import Outcome, Verdict

SPECIFIED = "must,should,behaviour"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what chooses plugins and clauses."""
    group = parser.getgroup("conformance", "conformance of CNI plugins")
    group.addoption("--cni-path", help="folders with plugins to judge, with ':' between")
    group.addoption("--cni-type", action="append", default=[], help="judge these plugins only")
    group.addoption("--cni-config", action="append", default=[], help="a profile of a plugin of your own")
    group.addoption("--cni-level", default=SPECIFIED, help=f"levels of clauses ({SPECIFIED})")
    group.addoption("--cni-clause", action="append", default=[], help="judge these clauses only")


def pytest_collection(session: pytest.Session) -> None:
    """Let pytest look for no tests of its own where a folder of plugins was named, but no files."""
    named = session.config.args_source is pytest.Config.ArgsSource.ARGS
    if session.config.getoption("--cni-path") and not named:
        session.config.args = []


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add every clause on every plugin to what was found."""
    if config.getoption("--cni-path"):
        items += _items(session, config)


def _items(session: pytest.Session, config: pytest.Config) -> Iterator[ClauseItem]:
    option = config.getoption
    path = [Path(one).absolute() for one in option("--cni-path").split(":")]
    try:
        own = {one.type: one for one in map(read_profile, map(Path, option("--cni-config")))}
        plugins, _ = find_plugins(path, option("--cni-type"), own)
    except (OSError, ValueError) as error:
        raise pytest.UsageError(str(error)) from error
    clauses = _chosen(option("--cni-level").split(","), option("--cni-clause"))
    for plugin in plugins:
        for clause in clauses:
            task = Task(plugin, clause, path)
            yield ClauseItem.from_parent(
                session, name=f"{plugin.type}[{clause.id}: {clause.title}]", task=task
            )


class ClauseItem(pytest.Item):
    """One clause on one plugin."""

    def __init__(self, *, task: Task, **words: Any) -> None:
        """Keep what is to be judged."""
        super().__init__(**words)
        self.task = task

    def runtest(self) -> None:
        """Judge; skip where the clause says nothing about the plugin, or nothing can be said here."""
        verdict = judge(self.task)
        if verdict.outcome is Outcome.FAILED:
            raise Broken(verdict)
        if verdict.outcome is not Outcome.PASSED:
            pytest.skip(f"{verdict.outcome.value}: {verdict.reason}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the sentence and the steps, without a traceback of the suite."""
        if not isinstance(excinfo.value, Broken):
            return super().repr_failure(excinfo, style)
        verdict, clause = excinfo.value.verdict, self.task.clause
        steps = "".join(f"\n  {what}\n    -> {seen}" for what, seen in verdict.steps)
        return f"{verdict.reason}\n\n{clause.text}\n{steps}"

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the item in reports."""
        return self.task.plugin.path, None, self.name


class Broken(Exception):
    """The plugin does not keep a clause."""

    def __init__(self, verdict: Verdict) -> None:
        """Keep the verdict for the report."""
        super().__init__(verdict.reason)
        self.verdict = verdict


def _chosen(levels: list[str], ids: list[str]) -> list[Clause]:
    if unknown := set(ids) - {one.id for one in PLUGIN_CLAUSES}:
        raise pytest.UsageError(f"there is no clause {sorted(unknown)[0]!r}")
    if unknown := set(levels) - {*Level}:
        raise pytest.UsageError(f"there is no level {sorted(unknown)[0]!r}; there are {', '.join(Level)}")
    if ids:
        return [one for one in PLUGIN_CLAUSES if one.id in ids]
    return [one for one in PLUGIN_CLAUSES if one.level in levels]

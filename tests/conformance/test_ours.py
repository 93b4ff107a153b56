"""Every plugin of ours keeps every clause: through an agent, and in process.

In CI each clause is judged on some plugins in each way, by turns; PODWIRE_TEST_ROUNDS=2 judges all on all in
both, and `./dev conformance` all on all in the way that is installed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from conformance.case import Plugin
from conformance.catalogue import PLUGIN_CLAUSES
from conformance.clause import Clause, Level
from conformance.profile import shipped_profiles
from conformance.running.judging import Task
from conformance.running.run import run_tasks
from conformance.running.verdict import Outcome
from tests.conformance import forked
from tests.rounds import FACTOR
from tests.ways import AGENT, write_launchers

BOTH = 2  # times the usual rounds: from here on both ways are judged by all clauses
WAYS = {"agent": forked.agent, "process": forked.calls}
SPECIFIED = (Level.MUST, Level.SHOULD, Level.BEHAVIOUR)
BEYOND = (Level.ROBUST, Level.DATAPATH)
TURNS = {SPECIFIED: 5, BEYOND: 8}  # of so many plugins one is judged by a clause in CI, in each way
LIMIT = 240  # seconds a case: a busy machine is no plugin's fault

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made as root")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder with our plugins' executables, by way."""
    forked.load_all()
    folder = tmp_path_factory.mktemp("ours")
    write_launchers(folder / "agent", AGENT)
    return {"agent": folder / "agent", "process": forked.write_callers(folder / "process")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("type", PLUGIN_TYPES)
@pytest.mark.parametrize("levels", [SPECIFIED, BEYOND], ids=["specified", "beyond"])
def test_ours_keeps_every_clause(
    type: str, way: str, levels: tuple[Level, ...], folders: dict[str, Path]
) -> None:
    plugin = Plugin(folders[way] / type, shipped_profiles()[type], tuple(load_plugin(type).versions))
    clauses = [replace(one, seconds=LIMIT) for one in PLUGIN_CLAUSES if one.level in levels]
    tasks = [
        Task(plugin, one, [folders[way]], daemon=WAYS[way])
        for one in _turn(clauses, type, way, TURNS[levels])
    ]
    run = run_tasks(tasks, os.cpu_count() or 1, lambda verdict: None)

    assert len(run.verdicts) == len(tasks)
    assert [
        f"{one.clause}: {one.reason}"
        for one in run.verdicts
        if one.outcome in (Outcome.FAILED, Outcome.NOT_JUDGED)
    ] == []


def _turn(clauses: list[Clause], type: str, way: str, turns: int) -> list[Clause]:
    """Return the clauses whose turn it is: for each plugin others, and others in each way."""
    if FACTOR >= BOTH:
        return clauses
    return clauses[(PLUGIN_TYPES.index(type) + 2 * list(WAYS).index(way)) % turns :: turns]

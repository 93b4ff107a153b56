"""Debian's plugins: their failures are those of debian_findings.json, no others, and each is still there."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.catalogue import PLUGIN_CLAUSES
from conformance.clause import Level
from conformance.running.finding import find_plugins
from conformance.running.judging import Task
from conformance.running.run import run_tasks
from conformance.running.verdict import Outcome

PLUGINS = Path("/usr/lib/cni")
FINDINGS = json.loads(Path(__file__).with_name("debian_findings.json").read_text())
PAGE = Path(__file__).parents[2] / "docs" / "conformance-report-debian.md"
SPECIFIED = (Level.MUST, Level.SHOULD, Level.BEHAVIOUR)
AT_ONCE = 4  # cases a core: these plugins wait for the kernel's duplicate address detection, a second each
LIMIT = 240  # seconds a case: a busy machine is no plugin's fault

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made as root"),
    pytest.mark.skipif(
        not (PLUGINS / "bridge").exists(), reason="containernetworking-plugins is not installed"
    ),
]


def test_the_failures_are_those_that_are_known() -> None:
    plugins, _ = find_plugins([PLUGINS])
    clauses = [replace(one, seconds=LIMIT) for one in PLUGIN_CLAUSES if one.level in SPECIFIED]
    tasks = [Task(plugin, one, [PLUGINS]) for plugin in plugins for one in clauses]
    run = run_tasks(tasks, AT_ONCE * (os.cpu_count() or 1), lambda verdict: None)
    known = {(plugin, one["clause"]) for one in FINDINGS["findings"] for plugin in one["plugins"]}
    failed = {(one.plugin, one.clause): one.reason for one in run.verdicts if one.outcome is Outcome.FAILED}
    passed = {(one.plugin, one.clause) for one in run.verdicts if one.outcome is Outcome.PASSED}

    assert len(run.verdicts) == len(tasks)
    assert {key: reason for key, reason in failed.items() if key not in known} == {}
    assert known & passed == set()


def test_the_report_tells_why_of_each() -> None:
    page = PAGE.read_text()
    running = " ".join(page.split())  # without its line ends

    assert all(one["why"] in running and f"\n## {one['clause']}. " in page for one in FINDINGS["findings"])

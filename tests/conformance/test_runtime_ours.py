"""`podwire cni` as a runtime: it keeps every clause that says anything about it."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from conformance.clause import Clause
from conformance.running.verdict import Outcome
from conformance.runtime.catalogue import RUNTIME_CLAUSES
from conformance.runtime.judging import RuntimeTask, judge, with_version
from conformance.runtime.mutants.forking import forked
from conformance.runtime.profile import RuntimeProfile, shipped_runtime_profiles
from podwire.main import main

OTHERS_MAKE_NAMESPACES = "60"


def podwire(words: list[str]) -> int:
    sys.argv = ["podwire", *words]
    main()
    return 0


@pytest.fixture(scope="module")
def ours() -> RuntimeProfile:
    import_module("podwire.commands.cni")  # once, in place of once a command
    return with_version(shipped_runtime_profiles()["podwire"], forked(podwire))


def test_it_speaks_the_newest_version(ours: RuntimeProfile) -> None:
    assert ours.version == "1.1.0"


@pytest.mark.parametrize("clause", RUNTIME_CLAUSES, ids=lambda one: str(one.id))
def test_ours_keeps(clause: Clause, ours: RuntimeProfile) -> None:
    verdict = judge(RuntimeTask(ours, clause, forked(podwire)))
    expected = Outcome.NOT_APPLICABLE if clause.id == OTHERS_MAKE_NAMESPACES else Outcome.PASSED
    assert verdict.outcome is expected, verdict.reason

"""Clauses about runtimes: the model keeps each, and each of its mutants breaks its own alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conformance.clause import Clause
from conformance.forking import by_fork
from conformance.models.runtime import Refused, Runtime
from conformance.running.verdict import Outcome
from conformance.runtime.catalogue import RUNTIME_CLAUSES
from conformance.runtime.judging import RuntimeTask, judge, with_version
from conformance.runtime.mutants.catalogue import RUNTIME_MUTANTS
from conformance.runtime.mutants.forking import forked_model
from conformance.runtime.mutants.mutant import RuntimeMutant
from conformance.runtime.profile import (
    profile_of_command,
    read_runtime_profile,
    shipped_runtime_profiles,
)
from tests.rounds import rounds

MODEL = replace(shipped_runtime_profiles()["judge-runtime"], version="1.1.0")
CLAUSES = {clause.id: clause for clause in RUNTIME_CLAUSES}


def outcome(clause: Clause, kind: type[Runtime] = Runtime) -> tuple[Outcome, str]:
    with by_fork():
        verdict = judge(RuntimeTask(MODEL, clause, forked_model(kind)))
    return verdict.outcome, verdict.reason


def test_there_is_every_clause_of_the_catalogue() -> None:
    assert [clause.id for clause in RUNTIME_CLAUSES] == [str(number) for number in range(59, 88)]


def test_every_clause_has_a_mutant() -> None:
    assert {mutant.clause for mutant in RUNTIME_MUTANTS} == set(CLAUSES)


@pytest.mark.parametrize("clause", RUNTIME_CLAUSES, ids=CLAUSES)
def test_the_model_keeps(clause: Clause) -> None:
    assert outcome(clause) == (Outcome.PASSED, "")


@pytest.mark.parametrize("mutant", RUNTIME_MUTANTS, ids=lambda one: str(one.id))
def test_its_clause_catches(mutant: RuntimeMutant) -> None:
    assert outcome(CLAUSES[mutant.clause], mutant.kind)[0] is Outcome.FAILED


@pytest.mark.campaign
@pytest.mark.skipif(rounds(1) < 5, reason="half an hour of PODWIRE_TEST_ROUNDS=5 and more")
@pytest.mark.parametrize("mutant", RUNTIME_MUTANTS, ids=lambda one: str(one.id))
def test_no_other_clause_catches(mutant: RuntimeMutant) -> None:
    others = [clause for clause in RUNTIME_CLAUSES if clause.id != mutant.clause]
    found = {clause.id: outcome(clause, mutant.kind) for clause in others}
    assert {id: said for id, said in found.items() if said[0] is Outcome.FAILED} == {}


def test_the_version_that_a_runtime_speaks_is_found_out() -> None:
    class Old(Runtime):
        def version(self, body: dict[str, object]) -> str:
            if body["cniVersion"] != "0.4.0":
                raise Refused("0.4.0 is all that is known here", 1)
            return super().version(body)

    assert with_version(replace(MODEL, version=""), forked_model(Old)).version == "0.4.0"


def test_what_a_verdict_did_can_be_read() -> None:
    verdict = judge(RuntimeTask(MODEL, CLAUSES["67"], forked_model()))
    done = [what for what, _ in verdict.steps]
    assert any("judge-runtime add judged - --container=container-1" in what for what in done)


def test_a_command_line_makes_a_profile() -> None:
    profile = profile_of_command("cnitool {verb} {network} {netns}", verbs=("add", "del"))
    assert profile.commands == {
        "add": ("cnitool", "add", "{network}", "{netns}"),
        "del": ("cnitool", "del", "{network}", "{netns}"),
    }
    assert profile.uses("netns")
    assert not profile.uses("container")
    with pytest.raises(ValueError, match="verb"):
        profile_of_command("cnitool add {network}")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "Expecting"),
        ('{"commands": {"add": "run {network}"}}', "must have add and del"),
        ('{"commands": {"add": "a", "del": "b"}, "colour": 1}', "no key 'colour'"),
    ],
)
def test_a_profile_that_is_none_is_refused(body: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(body)
    with pytest.raises(ValueError, match=said):
        read_runtime_profile(path)

"""The clauses 1 to 18, about calls, errors and ADD: models keep them, each mutant is caught by its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.catalogue import PLUGIN_CLAUSES, clause_of
from conformance.clause import Kind
from conformance.models.result_forms import VERSIONS, in_form_of, newest_form
from conformance.mutants.catalogue import MUTANTS
from conformance.mutants.cells import MODEL_OF, Cell, all_cells
from conformance.mutants.judging import judge_cells
from conformance.running.verdict import Outcome, Verdict
from tests.conformance import deaf
from tests.conformance.cells import around_one_kind

NUMBERS = frozenset(str(number) for number in range(1, 19))
OURS = [one for one in PLUGIN_CLAUSES if one.id in NUMBERS]
AT_ONCE = 2


def _ignore(_: Verdict) -> None:
    """Take a verdict that nobody watches."""


def test_the_models_keep_every_clause(tmp_path: Path) -> None:
    table = judge_cells(list(all_cells((), OURS)), tmp_path, AT_ONCE, _ignore)
    assert table.wrong() == []
    passed = {cell.clause.id for cell, verdict in table.cells if verdict.outcome is Outcome.PASSED}
    assert passed == NUMBERS, "a clause that applies to no model cannot be tried"


def test_each_mutant_is_caught_by_its_clause(tmp_path: Path) -> None:
    """Around the model of one kind each; around the others the self-test does it."""
    mutants = [one for one in MUTANTS if one.clause in NUMBERS]
    cells = around_one_kind(list(all_cells(mutants, OURS)))
    table = judge_cells(cells, tmp_path, AT_ONCE, _ignore)
    assert table.wrong() == []
    assert table.toothless(OURS) == []


LEASE = {
    "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}, {"address": "fd00::5/64"}],
    "routes": [{"dst": "0.0.0.0/0", "mtu": 1400}, {"dst": "fd01::/64", "gw": "fd00::1"}],
    "interfaces": [{"name": "eth0", "mtu": 1400}],
    "dns": {},
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_result_is_read_back_from_the_form_of_each_version(version: str) -> None:
    read = newest_form(in_form_of(LEASE, version))
    assert read["ips"] == LEASE["ips"]
    assert [route["dst"] for route in read["routes"]] == ["0.0.0.0/0", "fd01::/64"]
    assert ("mtu" in read["routes"][0]) is (version == "1.1.0")


def test_a_command_that_is_taken_for_an_unknown_one_is_seen(tmp_path: Path) -> None:
    cell = Cell(deaf.MUTANTS[0], MODEL_OF[Kind.INTERFACE], clause_of("1"))
    table = judge_cells([cell], tmp_path, 1, _ignore)
    ((_, verdict),) = table.cells
    assert (verdict.outcome, verdict.reason.partition(" is answered")[0]) == (Outcome.FAILED, "CHECK")

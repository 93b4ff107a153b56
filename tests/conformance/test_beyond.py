"""The levels beyond the specification: models keep them, each mutant is caught, and by its own clause alone.

Judged are the suite's models, and for what packets see the reference plugins and ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from conformance.case import Plugin
from conformance.catalogue import PLUGIN_CLAUSES
from conformance.clause import Clause, Kind, Level
from conformance.datapath.shaping import WIRE, measured
from conformance.forking import by_fork
from conformance.models.installing import install_model, load_models
from conformance.mutants.catalogue import MUTANTS
from conformance.mutants.mutant import Mutant
from conformance.mutants.wrapping import write_mutant
from conformance.profile import read_profile
from conformance.robust.sanity import documents
from conformance.robust.wrong_values import put, wrong_values
from conformance.running.finding import find_plugins
from conformance.running.judging import Task, judge
from conformance.running.pool import work_apart
from conformance.running.verdict import Outcome, Verdict, read_verdict
from tests.calls import REFERENCE_PLUGINS
from tests.rounds import FACTOR
from tests.ways import PYTHON, write_launchers

CLAUSES = {one.id: one for one in PLUGIN_CLAUSES if one.level in (Level.ROBUST, Level.DATAPATH, Level.FAST)}
BEYOND = [one for one in MUTANTS if one.clause in CLAUSES]
# Many calls each: with every mutant in the slow end of the suite
LONG = ("robust-ids", "robust-ifnames", "robust-killed", "robust-storm", "robust-leaks", "robust-full-disk")
MODELS = {Kind.IPAM: "judge-ipam", Kind.INTERFACE: "judge-veth"}
SAMPLE = 19  # of so many cells CI judges one: all of them are five minutes
ALL = 5  # times the usual rounds: from here on every cell is judged
AT_ONCE = 8  # a clause waits for most of its time, for what does not come
needs_reference = pytest.mark.skipif(
    not (REFERENCE_PLUGINS / "bridge").exists(), reason="containernetworking-plugins is missing"
)


def found(folder: Path, type: str) -> Plugin:
    (plugin,), _ = find_plugins([folder], [type])
    return plugin


def model(folder: Path, type: str) -> Plugin:
    install_model(folder, type)
    return found(folder, type)


def mutated(folder: Path, mutant: Mutant, good: Plugin) -> Plugin:
    place = folder / mutant.id
    place.mkdir()
    return replace(good, path=write_mutant(place, mutant, good.path))


def verdicts(plugins: Sequence[tuple[Plugin, Clause]], path: Path) -> Iterator[Verdict]:
    """Judge pairs, some at once, in their order."""
    works = [partial(_judged, Task(plugin, clause, [path])) for plugin, clause in plugins]
    load_models()
    with by_fork():
        done = dict(work_apart(works, AT_ONCE))
    return (read_verdict(done[at]) for at in range(len(works)))


def _judged(task: Task) -> dict[str, object]:
    return judge(task).as_json()


def short(clause: str) -> bool:
    return clause.startswith("robust") and not clause.startswith(LONG)


def fast_kind(mutant: Mutant) -> Kind:
    return Kind.IPAM if Kind.IPAM in mutant.kinds else Kind.INTERFACE


def test_every_clause_has_a_mutant() -> None:
    assert {one.clause for one in BEYOND} == set(CLAUSES)


def test_a_good_ipam_plugin_keeps_what_is_robust(tmp_path: Path) -> None:
    good = model(tmp_path, "judge-ipam")
    clauses = [one for id, one in CLAUSES.items() if short(id)]

    for verdict in verdicts([(good, one) for one in clauses], tmp_path):
        assert verdict.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE), verdict


def test_mutants_of_robust_clauses_are_caught(tmp_path: Path) -> None:
    good = {kind: model(tmp_path, type) for kind, type in MODELS.items()}
    mutants = [one for one in BEYOND if short(one.clause)]
    pairs = [(mutated(tmp_path, one, good[fast_kind(one)]), CLAUSES[one.clause]) for one in mutants]

    for mutant, verdict in zip(mutants, verdicts(pairs, tmp_path), strict=True):
        assert verdict.outcome is Outcome.FAILED, (mutant.id, verdict)


@pytest.mark.campaign
@pytest.mark.parametrize("type", ["judge-ipam", "judge-veth", "judge-label"])
def test_models_keep_what_is_robust(tmp_path: Path, type: str) -> None:
    good = model(tmp_path, type)

    for verdict in verdicts([(good, one) for one in CLAUSES.values()], tmp_path):
        assert verdict.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE), verdict


@pytest.mark.campaign
def test_mutants_of_robust_clauses_are_caught_by_these_alone(tmp_path: Path) -> None:
    good = model(tmp_path, "judge-ipam")
    mutants = [one for one in BEYOND if one.clause.startswith("robust") and Kind.IPAM in one.kinds]
    clauses = [one for id, one in CLAUSES.items() if id.startswith("robust")]
    plugins = {one.id: mutated(tmp_path, one, good) for one in mutants}
    cells = [(one, clause) for one in mutants for clause in clauses]
    cells = cells if FACTOR >= ALL else cells[::SAMPLE]

    judged = verdicts([(plugins[one.id], clause) for one, clause in cells], tmp_path)
    for (mutant, clause), verdict in zip(cells, judged, strict=True):
        if clause.id not in mutant.also:
            assert (verdict.outcome is Outcome.FAILED) == (clause.id == mutant.clause), (mutant.id, verdict)


@needs_reference
def test_mutants_that_lose_packets_are_caught(tmp_path: Path) -> None:
    types = {
        "datapath-loopback": "loopback", "datapath-hostport": "portmap", "datapath-bandwidth": "bandwidth",
        "datapath-forward": "firewall", "datapath": "bridge",
    }  # fmt: skip
    unknown = ("datapath-spoof-address", "datapath-segment", "datapath-isolation")  # to Debian's 1.1.1
    mutants = [one for one in BEYOND if one.clause.startswith("datapath") and one.clause not in unknown]
    pairs = []
    for mutant in mutants:
        type = next(name for start, name in types.items() if mutant.clause.startswith(start))
        pairs.append((mutated(tmp_path, mutant, found(REFERENCE_PLUGINS, type)), CLAUSES[mutant.clause]))

    for mutant, verdict in zip(mutants, verdicts(pairs, REFERENCE_PLUGINS), strict=True):
        assert verdict.outcome is Outcome.FAILED, (mutant.id, verdict)


def test_our_bridge_stops_liars_and_its_mutants_do_not(tmp_path: Path) -> None:
    write_launchers(tmp_path / "ours", PYTHON)
    promising = {"bridge": read_profile(Path(__file__).parent / "profiles/bridge.json")}  # more than others'
    (good,), _ = find_plugins([tmp_path / "ours"], ["bridge"], promising)
    clauses = [
        CLAUSES["datapath-spoof-mac"],
        CLAUSES["datapath-spoof-address"],
        CLAUSES["datapath-isolation"],
    ]
    liars = [one for one in BEYOND if one.clause in ("datapath-spoof-address", "datapath-isolation")]
    plugins = [good, *(mutated(tmp_path, one, good) for one in liars)]
    fails = [None, *(one.clause for one in liars)]

    cells = [
        (plugin, clause, failing)
        for plugin, failing in zip(plugins, fails, strict=True)
        for clause in clauses
    ]
    judged = verdicts([(plugin, clause) for plugin, clause, _ in cells], tmp_path / "ours")
    for (_, clause, failing), verdict in zip(cells, judged, strict=True):
        assert verdict.outcome is (Outcome.FAILED if clause.id == failing else Outcome.PASSED), verdict


def test_a_bridge_with_the_uplink_joins_its_segment_and_its_mutant_does_not(tmp_path: Path) -> None:
    write_launchers(tmp_path / "ours", PYTHON)
    with_uplink = {"bridge": read_profile(Path(__file__).parent / "profiles/segment.json")}
    (good,), _ = find_plugins([tmp_path / "ours"], ["bridge"], with_uplink)
    (mutant,) = (one for one in BEYOND if one.clause == "datapath-segment")
    clause = CLAUSES[mutant.clause]

    kept, broken = verdicts([(good, clause), (mutated(tmp_path, mutant, good), clause)], tmp_path / "ours")
    assert kept.outcome is Outcome.PASSED, kept
    assert broken.outcome is Outcome.FAILED, broken


def test_a_plugin_that_dawdles_is_slow(tmp_path: Path) -> None:
    good = model(tmp_path, "judge-ipam")
    (mutant,) = (one for one in BEYOND if one.clause == "fast-version")
    slow = mutated(tmp_path, mutant, good)

    assert judge(Task(slow, CLAUSES[mutant.clause], [tmp_path], beside=tmp_path)).outcome is Outcome.FAILED


def test_without_another_folder_nothing_is_slow(tmp_path: Path) -> None:
    task = Task(model(tmp_path, "judge-ipam"), CLAUSES["fast-add"], [tmp_path])

    assert judge(task).outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("{}", 1), (' {"a": 1}\n', 1), ("{}{}", 2), ("{} oops", -1), ("x", -1)]
)
def test_documents_are_counted(text: str, count: int) -> None:
    assert documents(text) == count


def test_each_value_of_a_configuration_is_put_wrong() -> None:
    config = {"ranges": [{"mtu": 5}], "on": True, "type": "x"}
    places = {place for place, _ in wrong_values(config, ())}

    assert places == {(), ("ranges",), ("ranges", 0), ("ranges", 0, "mtu"), ("on",)}
    assert put(config, ("ranges", 0, "mtu"), True) == {"ranges": [{"mtu": True}], "on": True, "type": "x"}
    assert config["ranges"] == [{"mtu": 5}], "the original is as it was"


@pytest.mark.parametrize("rate", [5_000_000, 20_000_000])
def test_bandwidth_is_measured_after_the_burst(rate: int) -> None:
    each = WIRE * 8 / rate  # seconds
    burst = [0.0001 * number for number in range(40)]
    stamps = burst + [burst[-1] + each * number for number in range(1, int(0.7 / each))]

    assert all(abs(one / rate - 1) < 0.02 for one in measured(stamps))

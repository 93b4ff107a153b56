"""Judge mutants: their executables in a folder, the clauses on them, what came of it as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from conformance.case import Plugin
from conformance.clause import Level
from conformance.forking import by_fork
from conformance.models.installing import install_model, load_models
from conformance.mutants.cells import MODEL_OF, RUNTIME, Cell
from conformance.mutants.mutant import Mutant
from conformance.mutants.table import Table
from conformance.mutants.wrapping import write_mutant
from conformance.profile import shipped_profiles
from conformance.running.finding import listed_versions
from conformance.running.judging import Task
from conformance.running.run import Piece, piece_of, run_pieces
from conformance.running.verdict import Verdict
from conformance.runtime import judging as runtime
from conformance.runtime.mutants.forking import forked_model
from conformance.runtime.mutants.mutant import RuntimeMutant
from conformance.runtime.profile import RuntimeProfile, shipped_runtime_profiles
from conformance.runtime.starting import Start

VERSION = "1.1.0"  # that the model runtime speaks


def judge_cells(
    cells: Sequence[Cell],
    folder: Path,
    at_once: int,
    told: Callable[[Verdict], None],
    plugins: Sequence[Plugin] = (),
    *,
    executed: bool = False,
) -> Table:
    """Judge them; the mutants' executables are written into the folder.

    `plugins` are those beside the models that mutants are put around. Mutants and models are forked unless
    they are to be `executed`, as every other plugin is: that takes four times as long.
    """
    goods = _Goods(folder, {one.type: one for one in plugins})
    with nullcontext() if executed else _forked():
        run = run_pieces([_terse(_piece(cell, goods)) for cell in cells], at_once, told)
    return Table(tuple(zip(cells, run.verdicts, strict=False)), run.interrupted)


@contextmanager
def _forked() -> Iterator[None]:
    load_models()
    with by_fork():
        yield


def _terse(piece: Piece) -> Piece:
    """Leave out what was done: of ten thousand cells it is so much that every fork takes longer for it."""
    return replace(piece, judge=lambda: replace(piece.judge(), steps=()))


def _piece(cell: Cell, goods: _Goods) -> Piece:
    if cell.around == RUNTIME:
        assert not isinstance(cell.mutant, Mutant)
        task = runtime.RuntimeTask(_model_runtime(), cell.clause, _started(cell.mutant))
        return Piece(RUNTIME, cell.clause, partial(runtime.judge, task), bool(runtime.not_applicable(task)))
    assert not isinstance(cell.mutant, RuntimeMutant)
    good = goods.of_type(cell.around)
    plugin = goods.mutated(cell.mutant, good) if cell.mutant else good
    beside = good.path.parent if cell.clause.level is Level.FAST else None
    return piece_of(Task(plugin, cell.clause, [plugin.path.parent, good.path.parent], beside=beside))


@cache
def _model_runtime() -> RuntimeProfile:
    return replace(shipped_runtime_profiles()[RUNTIME], version=VERSION)


def _started(mutant: RuntimeMutant | None) -> Start:
    return forked_model(mutant.kind) if mutant else forked_model()


class _Goods:
    """The good plugins, and the mutants around them, each installed when it is first asked for."""

    def __init__(self, folder: Path, plugins: dict[str, Plugin]) -> None:
        self._folder = folder
        self._plugins = dict(plugins)
        self._mutants: dict[tuple[str, str], Plugin] = {}

    def of_type(self, type: str) -> Plugin:
        """Return a good plugin; a model is installed."""
        if type not in self._plugins:
            assert type in MODEL_OF.values(), type
            place = self._folder / "models" / type
            place.mkdir(parents=True)
            path = install_model(place, type)
            self._plugins[type] = Plugin(path, shipped_profiles()[type], listed_versions(path))
        return self._plugins[type]

    def mutated(self, mutant: Mutant, good: Plugin) -> Plugin:
        """Return a mutant around it, whose versions are those of the good one."""
        key = (mutant.id, good.type)
        if key not in self._mutants:
            place = self._folder / f"{mutant.id}-{good.type}"
            place.mkdir()
            self._mutants[key] = replace(good, path=write_mutant(place, mutant, good.path))
        return self._mutants[key]

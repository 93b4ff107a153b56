"""Which clause is judged on which mutant, and around which good plugin or runtime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from conformance.case import Plugin
from conformance.clause import Clause, Kind, Level
from conformance.mutants.mutant import Mutant
from conformance.profile import Profile, shipped_profiles
from conformance.runtime.mutants.mutant import RuntimeMutant

# The good plugin that a mutant is put around, by what it does with an attachment; the first is the richest
MODEL_OF = {Kind.INTERFACE: "judge-veth", Kind.CHAINED: "judge-label", Kind.IPAM: "judge-ipam"}
RUNTIME = "judge-runtime"
DATAPATH = "datapath-"  # what begins the ids of clauses about promises
PROMISE_OF = {"no-masquerade": "masquerade"}  # a clause's id -> its promise, where that does not begin it


@dataclass(frozen=True)
class Cell:
    """One clause on one mutant; `mutant` is None for what it is put around."""

    mutant: Mutant | RuntimeMutant | None
    around: str  # the type of a plugin, or RUNTIME
    clause: Clause

    @property
    def is_own(self) -> bool:
        """Tell whether this clause is the one that must catch the mutant."""
        return self.mutant is not None and self.mutant.clause == self.clause.id

    @property
    def may_fail(self) -> bool:
        """Tell whether a failure here says nothing against the clause."""
        also = self.mutant.also if self.mutant else ()
        return self.is_own or any(fnmatch(self.clause.id, one) for one in also)

    @property
    def name(self) -> str:
        """Return who is judged: "20-second-time (judge-veth)"."""
        return f"{self.mutant.id if self.mutant else 'the good one'} ({self.around})"


def all_cells(mutants: Sequence[Mutant], clauses: Sequence[Clause]) -> Iterator[Cell]:
    """Yield the models and every mutant, around the model of each of its kinds, with clauses on that kind.

    What a model does not promise is not asked of it. Times (level fast) are those of the good one itself, but
    for the mutants that are slow: only these are judged by them.
    """
    profiles = shipped_profiles()
    asked = {
        kind: [one for one in clauses if kind in one.kinds and promises(profiles[model], one.id)]
        for kind, model in MODEL_OF.items()
    }
    for mutant in (None, *mutants):
        for kind in sorted(mutant.kinds if mutant else Kind):
            cells = (Cell(mutant, MODEL_OF[kind], one) for one in asked[kind])
            yield from (one for one in cells if one.is_own or one.clause.level is not Level.FAST)


def around_one_model(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells without those of other clauses around a second and third model, or a plugin beside."""
    first: dict[str, str] = {}
    for model in MODEL_OF.values():
        for cell in cells:
            if cell.mutant is not None and cell.around == model:
                first.setdefault(cell.mutant.id, model)
    return [
        one for one in cells if one.mutant is None or one.is_own or one.around == first.get(one.mutant.id)
    ]


def promising_cells(
    mutants: Sequence[Mutant], clauses: Sequence[Clause], plugins: Sequence[Plugin]
) -> Iterator[Cell]:
    """Yield mutants of clauses about promises, around the plugin that promises this and most beside.

    They are judged by the clauses about all that it promises, and so is each of these plugins itself.
    """
    by_richness = sorted(plugins, key=lambda one: -len(one.profile.promises))
    about = [one for one in clauses if one.level is Level.DATAPATH]
    used: dict[str, Profile] = {}
    for mutant in mutants:
        fitting = (one for one in by_richness if one.profile.kind in mutant.kinds)
        found = next((one for one in fitting if promises(one.profile, mutant.clause)), None)
        if mutant.clause.startswith(DATAPATH) and found is not None:
            used[found.type] = found.profile
            yield from (Cell(mutant, found.type, one) for one in about if promises(found.profile, one.id))
    for type, profile in used.items():
        yield from (Cell(None, type, one) for one in about if promises(profile, one.id))


def promises(profile: Profile, clause: str) -> bool:
    """Tell whether a clause's promise is made by a profile; other clauses ask for none."""
    if not clause.startswith(DATAPATH):
        return True
    about = clause.removeprefix(DATAPATH)
    about = PROMISE_OF.get(about, about)
    return any(about == one or about.startswith(f"{one}-") for one in profile.promises)


def runtime_cells(mutants: Sequence[RuntimeMutant], clauses: Sequence[Clause]) -> Iterator[Cell]:
    """Yield the model runtime and every mutant of it, with every clause about runtimes."""
    for mutant in (None, *mutants):
        yield from (Cell(mutant, RUNTIME, one) for one in clauses)


def sampled(cells: Sequence[Cell], others: int) -> list[Cell]:
    """Return each mutant's own clause, and of the other clauses so many for each mutant, spread evenly.

    The sample is the same in every run; over all mutants every clause comes by turns.
    """
    own = [cell for cell in cells if cell.is_own]
    spread: list[Cell] = []
    step = 0
    for cell in own:
        beside = [
            one
            for one in cells
            if one.mutant is cell.mutant and one.around == cell.around and not one.may_fail
        ]
        spread += [beside[(step + at) % len(beside)] for at in range(min(others, len(beside)))]
        step += others
    return own + spread

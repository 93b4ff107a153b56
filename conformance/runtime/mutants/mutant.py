"""What a mutant is: a class of which one function differs from the model's."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.models.runtime import Runtime


@dataclass(frozen=True)
class RuntimeMutant:
    """One broken rule."""

    clause: str
    name: str  # with the clause it is unique
    breaks: str  # one sentence: what this runtime does wrong
    kind: type[Runtime]
    also: frozenset[str] = frozenset()  # other clauses that necessarily see the same fault

    @property
    def id(self) -> str:
        """Return the name by which it is found."""
        return f"{self.clause}-{self.name}"


def mutant(clause: str, kind: type[Runtime]) -> RuntimeMutant:
    """Make a mutant of a class, which bears its name; what it breaks is the class's docstring."""
    return RuntimeMutant(clause, kind.__name__, (kind.__doc__ or "").removesuffix("."), kind)

"""Objects of one kind as a table's rows, with what `get` was asked to put beside kubectl's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pod_runner.cluster.kinds import POD, SERVICE, ResourceKind
from pod_runner.cluster.objects import Object
from pod_runner.cluster.store import ClusterStore
from podwire.cluster.cells import NOTHING, labels_text
from podwire.cluster.endpoints import ready_endpoints
from podwire.cluster.printed import shown_name
from podwire.cluster.tables import Column, Seen, columns_of


@dataclass(frozen=True)
class Look:
    """How rows are to look. `has_kinds`: names are `pod/web`, since several kinds are shown."""

    is_wide: bool = False
    has_namespaces: bool = False
    has_labels: bool = False
    has_kinds: bool = False
    has_headings: bool = True

    def columns(self, kind: ResourceKind) -> tuple[Column, ...]:
        """Return a kind's columns."""
        return columns_of(kind, is_wide=self.is_wide)


class Endpoints:
    """Who answers for services; pods are read when the first service asks."""

    def __init__(self, cluster: ClusterStore) -> None:
        self._cluster = cluster

    @cached_property
    def _pods(self) -> list[Object]:
        return self._cluster.list(POD)

    def of(self, found: Object) -> tuple[str, ...]:
        """Return ADDRESS:PORT of who answers for a service, () of anything else."""
        return ready_endpoints(found.body, self._pods) if found.ref.kind == SERVICE.kind else ()


def headings(columns: Sequence[Column], look: Look) -> list[str]:
    """Return the headings."""
    found = [one.heading for one in columns]
    return ["NAMESPACE"] * look.has_namespaces + found + ["LABELS"] * look.has_labels


def row(
    found: Object, columns: Sequence[Column], look: Look, now: float, endpoints: Endpoints | None = None
) -> list[str]:
    """Return an object's cells; `now` in seconds of the epoch."""
    seen = Seen(found.body, now, endpoints.of(found) if endpoints else ())
    cells = [one.cell(seen) for one in columns]
    if look.has_kinds and columns[0].heading == "NAME":
        cells[0] = shown_name(found.ref)
    namespaces = [found.namespace or NOTHING] * look.has_namespaces
    return namespaces + cells + [labels_text(found.labels)] * look.has_labels

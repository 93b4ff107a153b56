"""`podwire get -w`: the objects there are, then each that changes, until Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence

from pod_runner.cluster.following import Seen as Change
from pod_runner.cluster.objects import Object, Ref
from pod_runner.cluster.store import ClusterStore
from podwire.cluster.allotted import with_allotted
from podwire.cluster.printed import Form, shown, shown_name, to_form
from podwire.cluster.rows import Endpoints, Look, headings, row
from podwire.cluster.selecting import Choice, Filter
from podwire.commands.printing import aligned, say, widths

ROOM = 2  # blanks that a column of a watch is wider than what it had at first: RESTARTS grow


def watch_objects(
    cluster: ClusterStore,
    choices: Sequence[Choice],
    which: Filter,
    look: Look,
    form: Form,
    *,
    is_only_new: bool,
) -> None:
    """Print objects and their changes; ends with Ctrl-C."""
    printer = _Printer(cluster, look, form)
    follower = cluster.follow({one.kind for one in choices})
    trouble = ""
    try:
        while True:
            was_synced = follower.is_synced
            changes = follower.next()
            meant = [one for one in changes if _is_meant(one, choices, which)]
            if was_synced:
                printer.tell(meant)
            elif not is_only_new:
                printer.tell(sorted(meant, key=lambda one: one.ref))
            if follower.trouble != trouble:
                trouble = follower.trouble
                say(trouble or f"{cluster.store.name} is there again")
    except KeyboardInterrupt:
        return
    finally:
        follower.close()


class _Printer:
    """Prints what changed; headings come once for each kind that follows another."""

    def __init__(self, cluster: ClusterStore, look: Look, form: Form) -> None:
        self._cluster, self._look, self._form = cluster, look, form
        self._kind, self._widths = "", list[int]()

    def tell(self, changes: Iterable[Change]) -> None:
        """Print some changes; an object that has gone is shown as it was last."""
        last = [one.now or one.before for one in changes]
        found = with_allotted(self._cluster, [one for one in last if one is not None])
        if self._form in (Form.JSON, Form.YAML):
            separator = "---\n" if self._form is Form.YAML else ""
            sys.stdout.writelines(separator + to_form(shown(one), self._form) for one in found)
        elif self._form is Form.NAME:
            sys.stdout.writelines(f"{shown_name(one.ref)}\n" for one in found)
        else:
            self._tell_rows(found)
        sys.stdout.flush()

    def _tell_rows(self, found: Sequence[Object]) -> None:
        now = time.time()
        ends = Endpoints(self._cluster) if self._look.is_wide else None
        for kind in dict.fromkeys(one.ref.resource for one in found):
            columns = self._look.columns(kind)
            rows = [row(one, columns, self._look, now, ends) for one in found if one.ref.resource == kind]
            if kind.kind != self._kind:
                heading = headings(columns, self._look)
                self._widths = [one + ROOM for one in widths([heading, *rows])]
                rows = [heading, *rows] if self._look.has_headings else rows
                self._kind = kind.kind
            sys.stdout.writelines(f"{line}\n" for line in aligned(rows, self._widths))


def _is_meant(change: Change, choices: Sequence[Choice], which: Filter) -> bool:
    """Tell whether a change is to be shown: the object is meant now, or it was before."""
    sides = [one for one in (change.now, change.before) if one is not None]
    return _is_named(change.ref, choices, which.namespace) and any(which.takes(one) for one in sides)


def _is_named(ref: Ref, choices: Sequence[Choice], namespace: str) -> bool:
    if ref.namespace and namespace not in ("", ref.namespace):
        return False
    return any(one.kind.kind == ref.kind and one.name in ("", ref.name) for one in choices)

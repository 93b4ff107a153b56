"""The kernel's side of the loop: what services want is made so, in one transaction, and no more than differs.

    decisions  ->  shadow (what each service had)  ->  difference  ->  the table
                                                   ->  what became stale  ->  connection table, affinity

The first time, and whenever something does not fit (a refused transaction, somebody else at our table), the
table is read instead of remembered. A transaction is all or nothing: new endpoints come with it, old ones go.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from linuxnet.service_changes import ServiceChanges
from linuxnet.service_entries import Entry, Target
from linuxnet.service_rules import Settings as RuleSettings
from linuxnet.service_table import ServiceTable
from service_proxy.figures import Figures
from service_proxy.forgetting import forget_flows
from service_proxy.model import ServiceName
from service_proxy.shadow import Difference, Shadow
from service_proxy.stale import Stale, stale


class Wanted(NamedTuple):
    """What one service is to have, and which endpoints go on serving the flows they have."""

    entries: Sequence[Entry] = ()
    serving: Collection[Target] = ()


class Programmer:
    """The table of the network namespace that its maker's thread is in, and what we left there."""

    def __init__(self, figures: Figures) -> None:
        self.table = ServiceTable()
        self.table.is_whole(RuleSettings())  # its socket has a number now, which the watch leaves out
        self.watch = ServiceChanges(self.table.port, self.table.is_own)
        self.shadow = Shadow()
        self._rules: RuleSettings | None = None  # as last loaded
        self._figures = figures

    def close(self) -> None:
        """Close what is open; what is in the kernel stays, and traffic goes on."""
        self.watch.close()
        self.table.close()

    def is_touched_by_others(self) -> bool:
        """Tell whether somebody else has changed the table since the last look."""
        return self.watch.read()

    def owners_of(self, asked: str) -> list[ServiceName]:
        """Return whose an entry is that the kernel refused, by what it was asked."""
        return [
            name
            for name in self.shadow.services()
            if any(str(entry) in asked for entry in self.shadow.entries(name))
        ]

    def reconcile(
        self, rules: RuleSettings, nobodys: Sequence[Entry], wanted: Mapping[ServiceName, Wanted]
    ) -> int:
        """Compare everything with the kernel and make it so; return how many entries differed.

        Raises:
            KernelError: some of it was refused; what there is stays.
        """
        started = time.monotonic()
        if rules != self._rules or not self.table.is_whole(rules):
            self.table.load(rules)
            self._rules = rules
        there, all_ = self.table.dump(), self._remember(nobodys, wanted)
        difference = Difference(list(all_ - there), list(there - all_))
        self._commit(difference)
        if difference:
            serving = {target for one in wanted.values() for target in one.serving}
            self._forget(stale(there, all_, serving))
        self._figures.syncs["full"].add(time.monotonic() - started)
        return len(difference.added) + len(difference.removed)

    def change(self, wanted: Mapping[ServiceName, Wanted]) -> None:
        """Make some services so; one without entries is gone.

        Raises:
            KernelError: nothing was done, or it is not known what; only `reconcile` knows then.
        """
        started = time.monotonic()
        differences, before = [], {}
        for name, one in wanted.items():
            before[name] = self.shadow.entries(name)
            differences.append(self.shadow.replace(name, one.entries))
        difference = differences[0] if len(differences) == 1 else _together(differences)
        self._commit(difference)
        if difference.removed or difference.added:
            for name, one in wanted.items():
                self._forget(stale(before[name], one.entries, one.serving))
        self._figures.syncs["partial"].add(time.monotonic() - started)

    def _remember(self, nobodys: Sequence[Entry], wanted: Mapping[ServiceName, Wanted]) -> set[Entry]:
        self.shadow.clear()
        self.shadow.replace(None, nobodys)
        for name, one in wanted.items():
            self.shadow.replace(name, one.entries)
        return self.shadow.all()

    def _commit(self, difference: Difference) -> None:
        if not difference:
            return
        self.table.change(difference.added, difference.removed)
        self._figures.entries["added"] += len(difference.added)
        self._figures.entries["removed"] += len(difference.removed)

    def _forget(self, gone: Stale) -> None:
        if gone.clients:
            self.table.forget_clients(gone.clients)
        if gone.flows:
            self._figures.flows_forgotten += forget_flows(gone.flows)


def _together(differences: Sequence[Difference]) -> Difference:
    """Return one difference: what one service gives up and another takes over stays as it is."""
    added = {entry for one in differences for entry in one.added}
    removed = {entry for one in differences for entry in one.removed}
    return Difference(list(added - removed), list(removed - added))

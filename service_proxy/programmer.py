"""The kernel's side of the loop: what services want is made so, in one transaction, and no more than differs.

    decisions  ->  shadow (what each service had)  ->  difference  ->  the table
                                                   ->  what became stale  ->  connection table, affinity

The first time, and whenever something does not fit (a refused transaction, somebody else at our table), the
table is read instead of remembered. A transaction is all or nothing: new endpoints come with it, old ones go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from linuxnet.service_changes import ServiceChanges
from linuxnet.service_entries import Entry, Target
from linuxnet.service_rules import Settings as RuleSettings
from linuxnet.service_table import ServiceTable
from service_proxy.deciding import Decided
from service_proxy.figures import Figures
from service_proxy.forgetting import forget_flows
from service_proxy.model import ServiceName
from service_proxy.shadow import Difference, Shadow
from service_proxy.stale import Stale, ended, fronts_of, of_fronts, stale
from service_proxy.wanted import Wanted

AT_ONCE = 20_000  # entries of one transaction where all are new; what it takes is given back before the next


class Programmer:
    """The table of the network namespace that its maker's thread is in, and what we left there."""

    def __init__(self, figures: Figures) -> None:
        self.table = ServiceTable()
        self.table.is_whole(RuleSettings())  # its socket has a number now, which the watch leaves out
        self.watch = ServiceChanges(self.table.port, self.table.is_own)
        self.shadow = Shadow()
        self._lingering: dict[ServiceName, frozenset[Target]] = {}  # endpoints that only serve what they have
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

    def load(self, rules: RuleSettings) -> set[Entry]:
        """Have the rules as they should be; return the entries there are. Raises KernelError."""
        if rules != self._rules or not self.table.is_whole(rules):
            self.table.load(rules)
            self._rules = rules
        return self.table.dump()

    def reconcile(self, there: set[Entry], nobodys: Sequence[Entry], wanted: Decided) -> int:
        """Make everything so, given what `load` has found; return how many entries differed.

        `there` is used up. Where nothing is there, services are written some at a time, each as a whole.

        Raises:
            KernelError: some of it was refused; what there is stays.
        """
        self.shadow.clear()
        is_empty = not there
        added, differing = _missing(self.shadow.replace(None, nobodys).added, there), 0
        serving: set[Target] = set()
        over: list[Stale] = []
        for name, one in wanted:
            difference = self.shadow.replace(name, one.entries)
            added += _missing(difference.added, there)
            serving |= one.serving
            if (lost := self._ended(name, one)).flows:
                over.append(lost)
            if difference.removed:  # it comes a second time: another service has taken something over
                there |= set(difference.removed)
            if is_empty and len(added) >= AT_ONCE:
                differing += self._write(added, there, serving)
                added = []
        differing += self._write(added, there, serving)
        for each in over:
            self._forget(each)
        return differing

    def _write(self, added: list[Entry], left: set[Entry], serving: Collection[Target]) -> int:
        """Add and remove; return how many entries that were."""
        new, old = list(dict.fromkeys(added)), list(left)
        gone = self._stale_of(new, old, serving)
        left.clear()
        self._commit(Difference(new, old))
        self._forget(gone)
        return len(new) + len(old)

    def _stale_of(self, added: list[Entry], removed: list[Entry], serving: Collection[Target]) -> Stale:
        """Return what becomes stale: of the front ends of which anything changes, before and after."""
        fronts = fronts_of((*added, *removed))
        if not fronts:
            return Stale([], [])
        after = set(of_fronts(self.shadow.iterate(), fronts)) if removed else set(added)
        before = set(of_fronts(removed, fronts)) | (after - set(added))
        return stale(before, after, serving)

    def change(self, wanted: Decided) -> None:
        """Make some services so; one without entries is gone.

        Raises:
            KernelError: nothing was done, or it is not known what; only `reconcile` knows then.
        """
        differences, gone = [], []
        for name, one in wanted:
            before = self.shadow.entries(name)
            difference = self.shadow.replace(name, one.entries)
            if difference:
                differences.append(difference)
                gone.append(stale(before, one.entries, one.serving))
            gone.append(self._ended(name, one))
        if differences:
            self._commit(differences[0] if len(differences) == 1 else _together(differences))
        for each in gone:
            self._forget(each)

    def _ended(self, name: ServiceName, one: Wanted) -> Stale:
        """Return the flows of endpoints that served on without getting anything new, and do no more."""
        before = self._lingering.pop(name, frozenset())
        if one.lingering:
            self._lingering[name] = one.lingering
        return ended(one.entries, before - one.serving) if before else Stale([], [])

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


def _missing(wanted: Iterable[Entry], there: set[Entry]) -> list[Entry]:
    """Return what is not there, and take out of `there` what is."""
    found = []
    for entry in wanted:
        if entry in there:
            there.remove(entry)
        else:
            found.append(entry)
    return found


def _together(differences: Sequence[Difference]) -> Difference:
    """Return one difference: what one service gives up and another takes over stays as it is."""
    added = {entry for one in differences for entry in one.added}
    removed = {entry for one in differences for entry in one.removed}
    return Difference(list(added - removed), list(removed - added))

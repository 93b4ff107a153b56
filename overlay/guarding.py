"""The guard's side of the peers: who may speak to the tunnels, counted by those who need it.

Elements are added before anything leads to a node, and removed after nothing does.
"""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass, field

from linuxnet.errors import KernelError
from linuxnet.tunnel_guard import UNEVEN, Admitted, Boundaries, Grain, TunnelGuard, peer, source
from overlay.record import NodeRecord
from overlay.subnet import Subnet
from overlay.ways import pack


@dataclass
class Guarding:
    """The elements there should be in the guard's sets. `boundaries` None: there is no guard (yet)."""

    guard: TunnelGuard = field(default_factory=TunnelGuard)
    boundaries: Boundaries | None = None
    own: tuple[Subnet, ...] = ()  # this node's; others' will be like them
    _grain: Grain = UNEVEN
    _is_settled: bool = False  # the grain was chosen; before that elements are not counted, but once for all
    _is_fresh: bool = False  # the sets were just made, and hold nothing that is stale
    _loaded: tuple[Boundaries | None, Grain] = (None, UNEVEN)
    _records: dict[str, NodeRecord] = field(default_factory=dict)
    _elements: dict[str, tuple[Admitted, ...]] = field(default_factory=dict)
    _uses: Counter[Admitted] = field(default_factory=Counter)
    _lengths: dict[int, Counter[int]] = field(default_factory=lambda: {4: Counter(), 6: Counter()})
    _added: set[Admitted] = field(default_factory=set)
    _removed: set[Admitted] = field(default_factory=set)

    def plan(self, key: str, record: NodeRecord | None) -> None:
        """Take what is known of one peer now; None: it is none."""
        self._forget(key)
        if record is None:
            return
        self._records[key] = record
        for subnet in record.subnets:
            self._lengths[subnet.version][subnet.length] += 1
        if self._is_settled:
            self._count(key, record)

    def reset(self) -> None:
        """Forget all peers."""
        for key in list(self._records):
            self._forget(key)

    def reconcile(self) -> int:
        """Make rules and sets what they should be, but for what must go; return the changes."""
        self._added.clear()
        if self.boundaries is None:
            return 0
        self._settle_grain()
        if not self.guard.is_whole(self.boundaries, self._grain):
            self._load_all()
            return len(self._uses) + 1
        if self._loaded[0] != self.boundaries:
            self.guard.load(self.boundaries, self._grain)
            self._loaded = (self.boundaries, self._grain)
        missing = self._uses.keys() - self.guard.seen(self._grain)
        self.guard.change(missing, ())
        return len(missing)

    def welcome(self) -> None:
        """Add what the plans since the last call need."""
        added, self._added = {one for one in self._added if one in self._uses}, set()
        if self.boundaries is None:
            return
        if self._wanted_grain() != self._loaded[1]:
            self._settle_grain()
            self._load_all()
            return
        try:
            self.guard.change(added, ())
        except KernelError as error:
            if error.errno != errno.ENOENT:  # somebody has removed the table
                raise
            self._load_all()

    def dismiss(self, *, everything: bool = False) -> None:
        """Remove what no peer needs any more; `everything`: whatever the sets hold beyond it."""
        removed, self._removed = {one for one in self._removed if one not in self._uses}, set()
        if self.boundaries is None:
            return
        is_fresh, self._is_fresh = self._is_fresh, False
        if everything and not is_fresh:
            removed = self.guard.seen(self._grain) - self._uses.keys()
        if removed:
            self.guard.change((), removed)

    def _load_all(self) -> None:
        assert self.boundaries is not None
        self.guard.load(self.boundaries, self._grain, tuple(self._uses), is_new=True)
        self._loaded, self._is_fresh = (self.boundaries, self._grain), True
        self._added.clear()
        self._removed.clear()

    def _settle_grain(self) -> None:
        """Choose the table's grain; another one means other elements."""
        grain = self._wanted_grain()
        if grain == self._grain and self._is_settled:
            return
        self._grain, self._is_settled = grain, True
        self._uses.clear()
        for key, record in self._records.items():
            self._count(key, record)

    def _wanted_grain(self) -> Grain:
        """Return the grain of the others' subnets; where none are known yet, that of our own.

        So an agent that begins without a snapshot leaves the table of before in place, with all nodes in it.
        """
        lengths = {version: _lengths_of(counted) for version, counted in self._lengths.items()}
        for version, known in lengths.items():
            known += [] if known else [one.length for one in self.own if one.version == version]
        return Grain.of(lengths[4], lengths[6])

    def _count(self, key: str, record: NodeRecord) -> None:
        elements = tuple(dict.fromkeys(self._elements_of(record)))
        self._elements[key] = elements
        self._uses.update(elements)
        self._added.update(elements)

    def _forget(self, key: str) -> None:
        record = self._records.pop(key, None)
        for subnet in record.subnets if record else ():
            self._lengths[subnet.version][subnet.length] -= 1
        for one in self._elements.pop(key, ()):
            self._uses[one] -= 1
            if self._uses[one] <= 0:
                del self._uses[one]
                self._removed.add(one)

    def _elements_of(self, record: NodeRecord) -> list[Admitted]:
        publics = [public for public in (pack(record.public4), pack(record.public6)) if public]
        found = [one for public in publics for one in peer(public)]
        for public in publics:
            found += [source(self._grain, public, one.packed, one.length) for one in record.subnets]
        return found


def _lengths_of(counted: Counter[int]) -> list[int]:
    return [length for length, number in counted.items() if number > 0]

"""Ruleset: nf_tables of one network namespace, by netlink, and what is known of it.

Every commit by anybody moves the ruleset's generation on by one, and asking for it takes microseconds. So
what was read once (which tables, how many rules, every element of ours) holds for as long as the
generation stands, and goes on holding through commits of our own: those name the generation they were made
for, and the kernel refuses them (ERESTART) if somebody else was faster. A process that serves many
requests keeps one `Ruleset` and looks an owner's elements up in O(1); one that serves a single request
makes one, and reads what it must. Nothing here is truth: the kernel is.

The socket stays open, too: closing one after a deletion waits for RCU (6 ms).
"""

from __future__ import annotations

import errno
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import RLock

from linuxnet import nft_messages as nft
from linuxnet.errors import Busy, Conflict, KernelError
from linuxnet.netlink_socket import NETLINK_NETFILTER, NetlinkSocket, Refused
from linuxnet.nft_index import ElementIndex, Stored
from linuxnet.nft_keys import set_types
from linuxnet.numbers import NFT_TABLE
from linuxnet.together import Together

TRIALS = 20  # times; each means that another process committed between our look and our change
AT_ONCE = 500  # elements in one transaction; 100 KiB, half of what a socket takes (net.core.wmem_default)

log = logging.getLogger("podwire.kernel")


class ElementsRefused(Exception):
    """A transaction that was refused as a whole. `errno` is the first refusal's, of `stored`."""

    def __init__(self, number: int, stored: Stored) -> None:
        super().__init__(number, stored)
        self.errno = number
        self.stored = stored


@dataclass(frozen=True)
class Step:
    """One element to add or to delete; `is_exclusive`: adding one that is there is an error."""

    stored: Stored
    deletes: bool = False
    is_exclusive: bool = False

    def message(self) -> nft.Message:
        """Return what the kernel is told."""
        one = self.stored
        if self.deletes:
            return nft.delete_element(one.family, NFT_TABLE, one.name, one.raw)
        return nft.add_element(one.family, NFT_TABLE, one.name, one.raw, is_exclusive=self.is_exclusive)


@dataclass(eq=False)
class _Change:
    """What one thread wants: steps, known before or chosen from the index when the turn comes."""

    added: tuple[Step, ...] = ()
    choose: Callable[[ElementIndex], Iterable[Step]] | None = None
    steps: list[Step] = field(default_factory=list)

    def decide(self, index: ElementIndex | None) -> list[Step]:
        """Return the steps, as the ruleset is now."""
        self.steps = list(self.added)
        if self.choose is not None and index is not None:
            self.steps += self.choose(index)
        return self.steps

    @property
    def is_alone(self) -> bool:
        """Tell whether others would decide otherwise after it: it gives what it found to somebody."""
        return self.choose is not None and any(not step.deletes for step in self.steps)


class Ruleset:
    """The ruleset of the namespace its maker's thread was in. Threads may share one."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_NETFILTER)
        self._lock = RLock()
        self._together = Together(self._serve)
        self._generation = -1
        self._tables: frozenset[tuple[int, str]] | None = None
        self._rules: dict[tuple[str, str], Counter[str]] = {}
        self._index: ElementIndex | None = None

    @property
    def messages_sent(self) -> int:
        """Return how many messages went to the kernel so far."""
        return self._socket.sent

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def has_table(self, family: str, table: str) -> bool:
        """Tell whether there is such a table."""
        with self._lock:
            self._refresh()
            if self._tables is None:
                found = self._dump(nft.GET_TABLE, nft.family_body("unspec"))
                self._tables = frozenset((body[0], nft.read_name(body)) for body in found)
            return (nft.NFPROTO[family], table) in self._tables

    def count_rules(self, family: str, table: str) -> Counter[str]:
        """Return how many rules each chain of a table has; empty if there is no such table."""
        with self._lock:
            self._refresh()
            seen = self._rules.get((family, table))
            if seen is None:
                found = self._dump(nft.GET_RULE, nft.rules_body(family, table))
                names = [(nft.read_name(body), nft.read_name(body, nft.NFTA_RULE_CHAIN)) for body in found]
                seen = Counter(chain for of, chain in names if of == table)
                self._rules[family, table] = seen
            return seen

    def chain_policy(self, family: str, table: str, chain: str) -> str | None:
        """Return a base chain's policy, "" for another chain, None if there is none of that name."""
        with self._lock:
            body = self._find(nft.GET_CHAIN, nft.chain_body(family, table, chain))
        return None if body is None else nft.read_policy(body)

    def find(self, wanted: Stored) -> Stored | None:
        """Return the element that has a key, None if there is none: O(1)."""
        body = nft.get_element(wanted.family, NFT_TABLE, wanted.name, wanted.raw)
        with self._lock:
            found = self._find(nft.GET_ELEMENT, body)
        for raw in nft.read_elements(found) if found else ():
            if raw.key == wanted.raw.key and raw.end == wanted.raw.end:
                return Stored(wanted.family, wanted.name, raw)
        return None

    def elements(self) -> ElementIndex:
        """Return every element of ours: read once, O(elements), then kept in step."""
        with self._lock:
            self._refresh()
            if self._index is None:
                self._index = ElementIndex(self._read_all())
            return self._index

    def add(self, steps: Iterable[Step]) -> None:
        """Add elements in one transaction, or in one with others who come at the same time.

        Raises:
            ElementsRefused: nothing was added.
        """
        self._together.do(_Change(added=tuple(steps)))

    def remove(self, choose: Callable[[ElementIndex], Iterable[Stored]]) -> list[Stored]:
        """Delete what `choose` picks from the elements there are, and return it. Raises KernelError."""
        steps = self.change(lambda index: [Step(one, deletes=True) for one in choose(index)])
        return [step.stored for step in steps]

    def change(self, choose: Callable[[ElementIndex], Iterable[Step]]) -> list[Step]:
        """Do what `choose` decides by the elements there are, and return it. What it raises is raised here.

        Raises:
            ElementsRefused: nothing was changed.
        """
        change = _Change(choose=choose)
        self._together.do(change)
        return change.steps

    def _serve(self, changes: Sequence[_Change]) -> list[Exception | None]:
        """Commit what came together; if that is refused, each by itself."""
        with self._lock:
            refusal = self._commit_changes(changes)
            if refusal is None or len(changes) == 1:
                return [refusal] * len(changes)
            return [self._commit_changes([one]) for one in changes]

    def _commit_changes(self, changes: Sequence[_Change]) -> Exception | None:
        for _ in range(TRIALS):
            self._refresh()
            index = self.elements() if any(one.choose for one in changes) else self._index
            try:
                steps = list(dict.fromkeys(step for one in changes for step in one.decide(index)))
            except Conflict as conflict:  # decided by `choose`
                return conflict
            if len(changes) > 1 and any(one.is_alone for one in changes):
                return ElementsRefused(errno.EAGAIN, steps[0].stored)
            refusal = self._commit(steps)
            if refusal is None or refusal[0] != errno.ERESTART:
                break
            self._forget()
        else:
            return Busy("nf_tables: others change the ruleset all the time")
        return None if refusal is None else ElementsRefused(refusal[0], refusal[1])

    def _commit(self, steps: list[Step]) -> tuple[int, Stored] | None:
        """Commit steps, a bounded number at once; return the first refusal."""
        for i in range(0, len(steps), AT_ONCE):
            part = steps[i : i + AT_ONCE]
            log.debug("nft %s", part)
            messages = [nft.begin(self._generation), *(step.message() for step in part), nft.end()]
            refused = self._socket.batch(messages)
            if refused:
                position, refusal = refused[0]
                return refusal.errno, part[min(max(position - 1, 0), len(part) - 1)].stored
            self._note(part)
        return None

    def _note(self, steps: list[Step]) -> None:
        """Keep what is known in step with a commit of ours.

        One that only adds what may have been there (what is shared) need not have been one: nothing to
        do moves no generation. Whoever made it move then, it is read anew.
        """
        if not any(step.deletes or step.is_exclusive for step in steps):
            self._refresh()
            return
        self._generation = (self._generation + 1) & 0xFFFFFFFF
        for step in steps if self._index is not None else ():
            (self._index.remove if step.deletes else self._index.add)(step.stored)  # type: ignore[union-attr]

    def _refresh(self) -> None:
        """Forget what was known if somebody else has committed since."""
        body = self._socket.get(nft.GET_GENERATION, nft.family_body("unspec"))
        generation = nft.read_generation(body)
        if generation != self._generation:
            self._forget()
            self._generation = generation

    def _forget(self) -> None:
        self._generation = -1
        self._tables, self._index = None, None
        self._rules.clear()

    def _read_all(self) -> Iterable[Stored]:
        for family, name in set_types():
            for body in self._dump(nft.GET_ELEMENT, nft.set_body(family, NFT_TABLE, name)):
                for raw in nft.read_elements(body):
                    yield Stored(family, name, raw)

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        try:
            return self._socket.dump(kind, body)
        except Refused as error:
            if error.errno == errno.ENOENT:  # no such table, or no such set in it
                return []
            raise KernelError(error.errno, "read nf_tables", error.said) from error

    def _find(self, kind: int, body: bytes) -> bytes | None:
        try:
            return self._socket.get(kind, body)
        except Refused as error:
            if error.errno == errno.ENOENT:
                return None
            raise KernelError(error.errno, "read nf_tables", error.said) from error

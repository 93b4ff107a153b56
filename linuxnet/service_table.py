"""The service proxy's nft table: rules by libnftables, elements by netlink, in one namespace.

A change of services is one batch of elements, all or nothing; connections see the state before it or behind
it. Endpoints come before what leads to them where a load is too large for one batch. Rules are written anew
in one transaction that keeps all elements, so that there is no moment without them.
"""

from __future__ import annotations

import errno
import logging
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping

from linuxnet import nft_messages as nft
from linuxnet.errors import KernelError
from linuxnet.netlink_socket import NETLINK_NETFILTER, NetlinkSocket, Refused
from linuxnet.nft import Nft
from linuxnet.numbers import NFT_SERVICES_TABLE
from linuxnet.service_affinity import Gone, stale
from linuxnet.service_batches import batches, refusal
from linuxnet.service_chains import Pick, known_chains, neighbours, remember_chain
from linuxnet.service_entries import Entry
from linuxnet.service_rules import (
    TABLE,
    VERSION,
    Settings,
    declared_sets,
    loading,
    making,
    ready_chains,
    rule_counts,
    static_chains,
    version_chain,
)
from linuxnet.service_wire import Counted, parts, read, read_counts

AT_ONCE = 100_000  # entries in one batch; 4 to 7 MB, and others may change the firewall between two
AT_ONCE_USER = 1000  # where the kernel lets nobody send more: 200 KiB (net.core.wmem_default)
SEND_BUFFER = 32 << 20  # bytes
TRIALS = 5  # times that an entry of a client may end between the look and its deletion
COUNTING = tuple(
    f"{kind}{n}" for kind in ("services", "outside", "nodeports", "outside_nodeports") for n in (4, 6)
)
LEADING = frozenset({*COUNTING, "remembering"})  # to chains
LEARNT = ("affinity4", "affinity6", "affinity_ports6")  # the rules' own writing

log = logging.getLogger("podwire.services")


class ServiceTable:
    """The table, in the namespace its maker's thread was in. One thread uses it at a time. Close it."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_NETFILTER)
        self._at_once = AT_ONCE if self._socket.allow_sending(SEND_BUFFER) else AT_ONCE_USER
        self._nft = Nft()
        self._settings = Settings()
        self._chains: set[str] = set()  # on demand, that are there
        self._own: deque[int] = deque(maxlen=256)  # generations that libnftables made for us

    def close(self) -> None:
        """Close both ways to nf_tables."""
        self._socket.close()
        self._nft.close()

    @property
    def port(self) -> int:
        """Return what tells this table's own changes of elements from others' (service_changes.py)."""
        return self._socket.port

    def is_own(self, generation: int) -> bool:
        """Tell whether a commit was one of our rules'."""
        return generation in self._own

    def load(self, settings: Settings) -> None:
        """Write the rules anew, in one transaction that keeps all elements.

        Where sets are there that ours cannot replace, of another version or somebody else's, the table is
        made from nothing.

        Raises:
            KernelError: nft refused it; its words are kept.
        """
        seen = self._seen_chains()
        static = static_chains(settings)
        chains = [*ready_chains(), *known_chains(seen)]
        gone = [
            name
            for name, is_base in seen.items()
            if (is_base and name not in static)
            or (name.startswith(VERSION) and name != version_chain(settings))
        ]
        try:
            self._commit(loading(settings, chains, gone))
        except KernelError as error:
            if not self._dump(nft.GET_SET, nft.rules_body("inet", NFT_SERVICES_TABLE)):
                raise
            log.warning("nft table %s is made from nothing: %s", NFT_SERVICES_TABLE, error)
            self._commit(f"delete table {TABLE}\n{loading(settings, chains, ())}")
        self._settings, self._chains = settings, set(known_chains(chains))

    def is_whole(self, settings: Settings) -> bool:
        """Tell whether the rules are of this text, every chain has all of its, and all sets are there.

        Who finds a whole table may leave it as it is: it learns of the chains that are there.
        """
        seen = self._seen_chains()
        static = static_chains(settings)
        ours = {name for name, is_base in seen.items() if is_base or name in static} | set(known_chains(seen))
        names = {
            nft.read_name(body, 2)
            for body in self._dump(nft.GET_SET, nft.rules_body("inet", NFT_SERVICES_TABLE))
        }
        needed = {version_chain(settings), *ready_chains()}
        if any(is_base and name not in static for name, is_base in seen.items()):
            return False
        if not names >= declared_sets().keys() or not seen.keys() >= needed:
            return False
        rules = self._dump(nft.GET_RULE, nft.rules_body("inet", NFT_SERVICES_TABLE))
        counted = Counter(nft.read_name(body, nft.NFTA_RULE_CHAIN) for body in rules)
        found = Counter({name: number for name, number in counted.items() if name in ours})
        if not ours >= static.keys() or found != rule_counts(settings, known_chains(seen)):
            return False
        self._settings, self._chains = settings, set(known_chains(seen))
        return True

    def ensure_chains(self, picks: Iterable[Pick], timeouts: Iterable[int] = ()) -> None:
        """Make the chains that are not there; `timeouts` are of session affinity, in seconds.

        `change` does so for what it adds.
        """
        self._ensure({*(pick.chain for pick in picks), *map(remember_chain, timeouts)})

    def sweep(self) -> int:
        """Remove chains on demand to which nothing leads; return how many. A dump of all front ends."""
        used = {entry.data.partition(b" ")[2].decode() for entry in self._verdicts()}
        kept = known_chains([*ready_chains(), *used]).keys()
        doomed = [name for name in known_chains(self._seen_chains()) if name not in kept]
        if doomed:
            lines = [f"flush chain {TABLE} {name}" for name in doomed]
            self._commit("\n".join([*lines, *(f"delete chain {TABLE} {name}" for name in doomed)]))
            self._chains -= set(doomed)
        return len(doomed)

    def dump(self) -> set[Entry]:
        """Return all entries; empty if there is no table. What the rules learnt of clients is none."""
        found: set[Entry] = set()
        for name in declared_sets():
            if name not in LEARNT:
                found.update(read(name, self._elements(name)))
        return found

    def change(self, added: Collection[Entry], removed: Collection[Entry] = ()) -> None:
        """Add and remove entries, in one batch unless they are very many.

        An entry whose data changes is among both. Chains that are wanted are made first.

        Raises:
            KernelError: it names the first that was refused; nothing of its batch is done. ENOENT and EEXIST
                say that the kernel has not what was thought: dump, and change by the difference.
        """
        data = {entry.data for entry in added if entry.name in LEADING}
        self._ensure({chain.decode() for one in data if (chain := one.partition(b" ")[2])})
        for some_removed, some_added in batches(added, removed, self._at_once):
            sent = [*parts(some_removed, deletes=True), *parts(some_added, deletes=False)]
            refused = self._socket.batch([nft.begin(None), *(part.message for part in sent), nft.end()])
            if refused:
                raise refusal(sent, *refused[0])

    def forget_clients(self, gone: Collection[Gone]) -> int:
        """Forget clients that are remembered with endpoints that have gone; return how many.

        One dump and one batch, however many endpoints; and where some were forgotten a second look, as a
        packet that had chosen already remembers its client once more.
        """
        forgotten = 0
        for _ in range(TRIALS):
            found = {name: list(read(name, self._elements(name))) for name in LEARNT}
            doomed = stale(found, gone)
            sent = list(parts(doomed, deletes=True))
            if not sent:
                return forgotten
            refused = self._socket.batch([nft.begin(None), *(part.message for part in sent), nft.end()])
            if not refused:
                forgotten += sum(entry.name != "affinity_ports6" for entry in doomed)
            elif refused[0][1].errno != errno.ENOENT:  # but: its time was over
                raise refusal(sent, *refused[0])
        raise KernelError(errno.EAGAIN, "forget clients: entries end faster than they can be forgotten")

    def counters(self) -> Mapping[Entry, Counted]:
        """Return what connections each front end has had: their first packets. A changed one begins at 0."""
        found: dict[Entry, Counted] = {}
        for name in COUNTING:
            found |= read_counts(name, self._elements(name))
        return found

    def remove(self) -> None:
        """Take the table away; none there is fine."""
        self._commit(f"add table {TABLE}; delete table {TABLE}")
        self._chains.clear()

    def _ensure(self, names: set[str]) -> None:
        if not self._chains.issuperset(names):
            wanted = known_chains(neighbours(sorted(names)))
            missing = [name for name in wanted if name not in self._chains]
            self._commit("\n".join(making(missing, self._settings)))
            self._chains |= set(missing)

    def _commit(self, text: str) -> None:
        """Run a transaction, and know its generation if nobody else's came between."""
        before = self._generation()
        self._nft.run(text)
        after = self._generation()
        if after == (before + 1) % (1 << 32):
            self._own.append(after)

    def _generation(self) -> int:
        return nft.read_generation(self._socket.get(nft.GET_GENERATION, nft.family_body("unspec")))

    def _seen_chains(self) -> dict[str, bool]:
        """Return the table's chains, and whether each has a hook."""
        found = {}
        for body in self._dump(nft.GET_CHAIN, nft.family_body("inet")):
            if nft.read_name(body) == NFT_SERVICES_TABLE:
                found[nft.read_name(body, nft.NFTA_CHAIN_NAME)] = nft.read_policy(body) != ""
        return found

    def _verdicts(self) -> Iterable[Entry]:
        for name in LEADING:
            yield from read(name, self._elements(name))

    def _elements(self, name: str) -> list[bytes]:
        return self._dump(nft.GET_ELEMENT, nft.set_body("inet", NFT_SERVICES_TABLE, name))

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        try:
            return self._socket.dump(kind, body)
        except Refused as error:
            if error.errno == errno.ENOENT:
                return []
            raise KernelError(error.errno, "read nf_tables", error.said) from error

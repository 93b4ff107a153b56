"""What the nodes agree upon: who lives, and who has which address. One thread, beside the proxy's loop.

In the store each node has a lease and two kinds of keys under it: `speakers/NODE`, that it lives, and
`holders/ADDRESS`, that the address is its own, written only where there is none. When a node dies its keys
go with the lease, and who is next takes them. A node that cannot renew its lease is silent before it ends.
Where no node is wanted for anything, it has no lease at all.

One more thing that one node has at a time is the right to give addresses, where services do not have them
from their source (`giver`): it is held as an address is, and is none.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from threading import Event, Lock, Thread

from cluster_store.conditions import Conditions
from cluster_store.store import (
    Check,
    Conflict,
    Delete,
    Follower,
    Item,
    LeaseGone,
    Put,
    Snapshot,
    Store,
    StoreRefused,
    StoreUnavailable,
)
from linuxnet.packed import text_of
from service_proxy.balancing.announcer import Announcer
from service_proxy.balancing.holding import Candidates, moves
from service_proxy.model import Address

TTL = 4  # seconds; a node that dies is followed after these, and one that is cut off is silent before
SILENT_AFTER = 0.75  # of a lease's time without renewal
CONDITION = "BalancingCutOff"
GIVING = b"giving"

log = logging.getLogger("podwire.services")


class Speaker:
    """This node's part. `set` may be called from any thread."""

    def __init__(
        self,
        node: str,
        store: Store,
        prefix: str,
        announcer: Announcer,
        conditions: Conditions,
        ttl: int = TTL,
    ) -> None:
        self._node, self._store, self._announcer = node, store, announcer
        self._prefix = f"{prefix.rstrip('/')}/balancing/"
        self._conditions, self._ttl = conditions, ttl
        self._wanted: Mapping[Address, Candidates] = {}
        self._items: dict[str, Item] = {}
        self._follower: Follower | None = None
        self._lease, self._renew_at = 0, 0.0
        self._said: frozenset[Address] = frozenset()
        self._stopped = Event()
        self._lock = Lock()
        self._thread = Thread(target=self._run, name="speaker", daemon=True)
        announcer.silent_from = -math.inf  # until there is a lease

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Give back what this node has, so that others take it at once."""
        self._stopped.set()
        self._thread.join()

    def set(self, wanted: Mapping[Address, Candidates]) -> None:
        """Say which addresses there are, and who may have each."""
        with self._lock:
            self._wanted = dict(wanted)

    def holders(self) -> Mapping[Address, str]:
        """Return who has which address, as far as is known here."""
        return {address: node for address, node in self._holders().items() if address != GIVING}

    def gives(self) -> bool:
        """Tell whether this node gives addresses to services just now."""
        return GIVING in self._said and time.monotonic() < self._announcer.silent_from

    def _holders(self) -> Mapping[Address, str]:
        found = {}
        for key, item in list(self._items.items()):
            if key == _key(GIVING):
                found[GIVING] = item.value
            elif key.startswith("holders/"):
                with suppress(ValueError):  # written by hand
                    found[ip_address(key.removeprefix("holders/")).packed] = item.value
        return found

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._turn()
                self._conditions.tell(CONDITION, "")
            except (StoreUnavailable, StoreRefused) as error:
                text = f"{self._store.name}: {error}; addresses of load balancers may move to other nodes"
                self._conditions.tell(CONDITION, text)
                self._stopped.wait(self._ttl / 8)
            except LeaseGone:
                self._begin_anew()
            except Conflict as error:  # somebody was faster; what he did is on its way to us
                log.debug("balancing: %s", error)
        self._leave()

    def _turn(self) -> None:
        """Renew what is due, hear what has happened for a moment, do what follows."""
        if not self._wanted:
            self._rest()
            return
        self._renew()
        if self._follower is None:
            self._follower = self._store.follow(self._prefix)
        self._hear(self._follower.next(self._ttl / 16))
        self._join()
        self._move()

    def _renew(self) -> None:
        now = time.monotonic()
        if now < self._renew_at:
            return
        if self._lease:
            self._ttl = self._store.keep_alive(self._lease)
        else:
            self._lease = self._store.grant(self._ttl)
        self._announcer.silent_from = now + self._ttl * SILENT_AFTER
        self._renew_at = now + self._ttl / 4
        self._announce()  # links may have changed

    def _hear(self, told: object) -> None:
        if isinstance(told, Snapshot):
            self._items = {item.key.removeprefix(self._prefix): item for item in told.items}
            return
        assert isinstance(told, list | tuple)
        for event in told:
            key = event.key.removeprefix(self._prefix)
            if event.item is None:
                self._items.pop(key, None)
            else:
                self._items[key] = event.item

    def _join(self) -> None:
        """Say that this node lives; a key of a former life of it ends with its lease, or is taken over."""
        key = f"speakers/{self._node}"
        seen = self._items.get(key)
        if seen is None or seen.lease != self._lease:
            self._put(key, seen)

    def _move(self) -> None:
        with self._lock:
            wanted = self._wanted
        living = [key.removeprefix("speakers/") for key in self._items if key.startswith("speakers/")]
        holders = self._holders()
        todo = moves(self._node, wanted, living, holders)
        for address, holder in holders.items():  # of a former life: ours again, under this lease
            seen = self._items[_key(address)]
            if holder == self._node and seen.lease != self._lease and address not in todo.release:
                self._put(_key(address), seen)
        for address in todo.take:
            self._put(_key(address), None)
        own = self._own() - todo.release
        if own != self._said:
            self._said = own
            self._announce()
        for address in todo.release:
            self._drop(address)

    def _own(self) -> frozenset[Address]:
        """Return what this node has under its lease."""
        found = self._holders().items()
        return frozenset(
            address
            for address, node in found
            if node == self._node and self._items[_key(address)].lease == self._lease
        )

    def _announce(self) -> None:
        self._announcer.hold(self._said - {GIVING})

    def _put(self, key: str, seen: Item | None) -> None:
        whole = f"{self._prefix}{key}"
        check = Check(whole, seen.version if seen else 0)
        self._store.commit([check], [Put(whole, self._node, self._lease)])
        if item := self._store.read(whole):
            self._items[key] = item

    def _drop(self, address: Address) -> None:
        item = self._items.pop(_key(address))
        self._store.commit([Check(item.key, item.version)], [Delete(item.key)])
        log.info("%s is left to another node", _key(address).removeprefix("holders/"))

    def _begin_anew(self) -> None:
        """Our lease has ended: nothing is ours any more."""
        self._announcer.silent_from = -math.inf
        self._said = frozenset()
        self._announce()
        self._lease, self._renew_at = 0, 0.0

    def _rest(self) -> None:
        """Wait for something to do; others need not hear of this node."""
        if self._follower is not None:
            self._leave()
        self._stopped.wait(self._ttl / 16)

    def _leave(self) -> None:
        follower, lease = self._follower, self._lease
        self._begin_anew()
        self._follower, self._items = None, {}
        if follower is not None:
            follower.close()
        if lease:
            with suppress(StoreUnavailable, StoreRefused):  # then it ends by itself
                self._store.revoke(lease)


def _key(address: Address) -> str:
    return f"holders/{address.decode() if address == GIVING else text_of(address)}"

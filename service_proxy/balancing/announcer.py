"""Says on the links which addresses this node has, and answers who asks for them: one thread.

It is silent from `silent_from` on, a moment that whoever holds the lease moves on with each renewal: a node
that is cut off from the others ceases to answer before another one may begin, whatever its threads do.
"""

from __future__ import annotations

import heapq
import logging
import math
import selectors
import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from threading import Lock, Thread

from cluster_store.conditions import Conditions
from linuxnet.neighbour_frames import announcement, answer, read_question
from linuxnet.neighbour_sockets import hear_questions, join_solicited
from linuxnet.netlink import Netlink
from linuxnet.packed import family_of, text_of
from service_proxy.balancing.places import NoPlace, Place, find_place
from service_proxy.bell import Bell
from service_proxy.model import Address

SAID_AT = (
    0.0,
    0.1,
    0.5,
    1.5,
    4.0,
)  # seconds after it was taken: a frame may be lost, a switch still learning
SAID_EVERY = 60.0  # seconds, ever after: caches of those who missed all that
CONDITION = "NotAnnounced"

log = logging.getLogger("podwire.services")


@dataclass
class _Held:
    """One address of ours, where it is said."""

    place: Place
    member: socket.socket | None  # of the group that questions for it go to
    since: float
    next_at: float  # when it is said again
    said: int = 0


@dataclass
class _Link:
    """The socket of one family on a link."""

    sock: socket.socket
    addresses: set[Address] = field(default_factory=set)


class Announcer:
    """What this node says. `hold` is for one thread; sockets are of its namespace."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._netlink = Netlink()
        self._held: dict[Address, _Held] = {}
        self._links: dict[tuple[Place, int], _Link] = {}
        self._due: list[tuple[float, Address]] = []
        self._lock = Lock()
        self._selector = selectors.DefaultSelector()
        self._bell = Bell()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._is_stopped = False
        self._thread = Thread(target=self._run, name="announcer", daemon=True)
        self.silent_from = math.inf  # of time.monotonic()
        self.answered = 0  # questions

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Say nothing any more."""
        self.hold(())
        self._is_stopped = True
        self._bell.ring()
        self._thread.join()
        self._selector.close()
        self._bell.close()
        self._netlink.close()

    @property
    def held(self) -> Mapping[Address, str]:
        """Return what is said, and on which link."""
        with self._lock:
            return {address: held.place.ifname for address, held in self._held.items()}

    def hold(self, addresses: Collection[Address]) -> None:
        """Say these and no others, each on its link as that is now; call it now and then, as links change."""
        places = {address: place for address in addresses if (place := self._place(address))}
        with self._lock:
            for address, held in list(self._held.items()):
                if places.get(address) != held.place:
                    self._drop(address)
            for address, place in places.items():
                if address not in self._held:
                    self._add(address, place)
        self._conditions.keep_only(CONDITION, {text_of(one) for one in addresses})
        self._bell.ring()

    def _place(self, address: Address) -> Place | None:
        try:
            return find_place(self._netlink, address)
        except NoPlace as error:
            self._conditions.tell(CONDITION, str(error), about=text_of(address))
            return None

    def _add(self, address: Address, place: Place) -> None:
        family = family_of(address)
        member = None
        try:
            if family == 6:
                member = join_solicited(place.ifindex, address)
            link = self._links.get((place, family)) or self._open(place, family)
        except OSError as error:
            if member is not None:
                member.close()
            text = f"{place.ifname}: {error.strerror}"
            self._conditions.tell(CONDITION, text, about=text_of(address))
            return
        link.addresses.add(address)
        now = time.monotonic()
        self._held[address] = _Held(place, member, now, now)
        heapq.heappush(self._due, (now, address))
        self._conditions.tell(CONDITION, "", about=text_of(address))

    def _open(self, place: Place, family: int) -> _Link:
        link = _Link(hear_questions(place.ifname, family))
        self._links[place, family] = link
        self._selector.register(link.sock, selectors.EVENT_READ, (place, family))
        return link

    def _drop(self, address: Address) -> None:
        held, family = self._held.pop(address), family_of(address)
        if held.member is not None:
            held.member.close()
        link = self._links[held.place, family]
        link.addresses.discard(address)
        if not link.addresses:
            self._selector.unregister(link.sock)
            link.sock.close()
            del self._links[held.place, family]

    def _run(self) -> None:
        while not self._is_stopped:
            with self._lock:
                self._say_due(time.monotonic())
                timeout = max(self._due[0][0] - time.monotonic(), 0.0) if self._due else None
            for key, _ in self._selector.select(timeout):
                if key.data is None:
                    self._bell.hush()
                else:
                    with self._lock:
                        self._answer(*key.data)

    def _say_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            at, address = heapq.heappop(self._due)
            held = self._held.get(address)
            if held is None or held.next_at != at:  # it was dropped since, and maybe is ours again
                continue
            link = self._links[held.place, family_of(address)]
            self._send(link, announcement(address, held.place.mac))
            held.said += 1
            held.next_at = held.since + SAID_AT[held.said] if held.said < len(SAID_AT) else now + SAID_EVERY
            heapq.heappush(self._due, (held.next_at, address))

    def _answer(self, place: Place, family: int) -> None:
        link = self._links.get((place, family))
        while link is not None:
            try:
                frame = link.sock.recv(2048)
            except OSError:  # nothing more, or the link has gone: the next `hold` sees
                return
            question = read_question(frame)
            if question and question.target in link.addresses and question.mac != place.mac:
                self._send(link, answer(question, place.mac))
                self.answered += 1

    def _send(self, link: _Link, frame: bytes) -> None:
        if time.monotonic() >= self.silent_from:
            return
        try:
            link.sock.send(frame)
        except OSError as error:  # down just now, or full: it is said again
            log.debug("an announcement was not sent: %s", error)

"""Questions to other nodes through the tunnels: are they there, how fast, how large may packets be.

Each node is asked for the size of its path when it appears and every `mtu_interval`; a sample of them is
asked every `interval` whether they live. Nothing waits: packets go out when their time has come, answers
are read when they are there, and what stays open too long counts as unanswered.
"""

from __future__ import annotations

import heapq
import logging
import secrets
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from linuxnet.numbers import PROBE_PORT
from overlay.mesh import sample
from overlay.mtu import LEAST
from overlay.path_search import TIMEOUT, PathSearch
from overlay.probe_sockets import bind_all
from overlay.probe_wire import ANSWER, QUESTION, Probe, dump, load, packet_size

SMALL = 64  # bytes of an IP packet that passes everywhere
PER_SECOND = 200  # packets; 5,000 paths in half a minute
LOST_AFTER = 3  # questions without an answer, for a node to be called silent
LONGEST_TRIAL = 60.0  # seconds between two trials of plain routes; the first come soon after each other
SMOOTHING = 0.2  # of the mean round trip, for the newest

Target = tuple[str, int]  # a lease's key, the inner family
log = logging.getLogger("podwire.overlay")


@dataclass(slots=True)
class Peer:
    """What is known of one node by one inner family. Times in seconds, of the clock that `tick` is told."""

    address: str
    search: PathSearch
    public: str = ""
    rtt: float = 0.0
    asked: int = 0
    answered: int = 0
    silent: int = 0
    seen_at: float = 0.0
    is_verified: bool = False
    trials: int = 0
    size_at: float = 0.0  # when its size is asked next
    trial_at: float = 0.0  # when plain routes are tried next

    @property
    def is_silent(self) -> bool:
        """Tell whether its last questions stayed unanswered."""
        return self.silent >= LOST_AFTER


@dataclass(slots=True)
class _Open:
    """A question in flight."""

    target: Target
    size: int
    sent_at: float
    is_direct: bool = False


@dataclass
class Heartbeats:
    """All questions of one node. `changed` is called with a target whose path is another than before."""

    interval: float
    mtu_interval: float
    changed: Callable[[Target], None]
    random: Random = field(default_factory=Random)
    peers: dict[Target, Peer] = field(default_factory=dict)
    sockets: dict[int, socket.socket] = field(default_factory=dict)
    trial_sockets: dict[int, socket.socket] = field(default_factory=dict)
    own: str = ""
    _open: dict[int, _Open] = field(default_factory=dict)
    _due: list[tuple[float, str, int, str]] = field(default_factory=list)
    _next_round: float = 0.0
    _round_trips: list[float] = field(default_factory=list)

    def listen(self, addresses: Mapping[int, str], publics: Mapping[int, str]) -> list[str]:
        """Bind to the tunnels' addresses, and for trials of plain routes to the underlay's.

        Returns why a socket could not be had; those that are bound as they should be are kept.
        """
        return [
            *bind_all(self.sockets, addresses),
            *bind_all(self.trial_sockets, publics),
        ]

    def set_peer(self, target: Target, address: str, full: int, public: str, now: float) -> None:
        """Have a node asked; `full` is the tunnel's MTU, `public` for trials of plain routes, "" for none."""
        peer = self.peers.get(target)
        if peer is None or peer.address != address:
            peer = Peer(address, PathSearch(full, LEAST[target[1]]), public)
            self.peers[target] = peer
            self._plan_size(target, now + self.random.uniform(0, min(1.0, len(self.peers) / PER_SECOND)))
        if peer.search.full != full:
            peer.search.resize(full)
            self._plan_size(target, now)
        if peer.public != public:
            peer.public, peer.is_verified, peer.trials = public, False, 0
        if public and not peer.is_verified and peer.trial_at < now:
            self._plan_trial(target, now)

    def drop_peer(self, target: Target) -> None:
        """Ask a node no longer."""
        self.peers.pop(target, None)

    def close(self) -> None:
        """Close the sockets."""
        for one in (*self.sockets.values(), *self.trial_sockets.values()):
            one.close()

    def next_due(self, now: float) -> float:
        """Return after how many seconds `tick` has something to do."""
        moments = [self._next_round]
        moments += [self._due[0][0]] if self._due else []
        moments += [one.sent_at + TIMEOUT for one in list(self._open.values())[:1]]
        return max(0.0, min(moments) - now)

    def tick(self, now: float) -> None:
        """Give up what is late and ask what is due."""
        for nonce in [nonce for nonce, one in self._open.items() if now - one.sent_at >= TIMEOUT]:
            self._give_up(self._open.pop(nonce), now)
        if now >= self._next_round:
            self._next_round = now + self.interval * self.random.uniform(0.9, 1.1)
            self._ask_sample(now)
        for _ in range(PER_SECOND):
            if not self._due or self._due[0][0] > now:
                break
            at, key, version, what = heapq.heappop(self._due)
            peer = self.peers.get((key, version))
            planned = 0.0 if peer is None else peer.size_at if what == "mtu" else peer.trial_at
            if at == planned:  # else it was planned anew
                self._ask_due((key, version), what, now)

    def read(self, version: int, now: float, *, is_trial: bool = False) -> None:
        """Take what has arrived on a family's socket."""
        sock = (self.trial_sockets if is_trial else self.sockets)[version]
        for _ in range(256):
            try:
                payload, sender = sock.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError as error:  # an ICMP error for a packet of before
                log.debug("a question could not be delivered: %s", error)
                continue
            probe = load(payload)
            if probe is None:
                continue
            if probe.kind == QUESTION:
                reply = Probe(ANSWER, probe.nonce, packet_size(payload, version))
                with suppress(OSError):  # they will ask again
                    sock.sendto(dump(reply, version), sender)
            else:
                self._answered(probe, sender[0], now)

    def take_round_trips(self) -> list[float]:
        """Return the round trips since the last call, in seconds."""
        found, self._round_trips = self._round_trips, []
        return found

    def ask_now(self, keys: Collection[str], now: float) -> None:
        """Ask some nodes at once, small and full."""
        for target in self.peers:
            if target[0] in keys:
                self._ask(target, SMALL, now)
                self._plan_size(target, now)

    def _ask_sample(self, now: float) -> None:
        for version in sorted(self.sockets):
            others = sorted(key for key, family in self.peers if family == version)
            for key in sample(self.own, others, self.random):
                self._ask((key, version), SMALL, now)

    def _ask_due(self, target: Target, what: str, now: float) -> None:
        peer = self.peers.get(target)
        if peer is None:
            return
        if what == "trial":
            if peer.public and not peer.is_verified:
                self._ask(target, SMALL, now, is_direct=True)
                peer.trials += 1
                self._plan_trial(target, now + min(LONGEST_TRIAL, 0.5 * 2**peer.trials))
            return
        if not peer.search.is_searching:
            self._ask(target, SMALL, now)  # tells a small path from none
            self._ask(target, peer.search.begin(), now)
        self._plan_size(target, now + self.mtu_interval * self.random.uniform(0.9, 1.1))

    def _ask(self, target: Target, size: int, now: float, *, is_direct: bool = False) -> None:
        peer, version = self.peers.get(target), target[1]
        sock = self.sockets.get(version)
        if peer is None or sock is None:
            return
        nonce = secrets.randbits(64)
        self._open[nonce] = _Open(target, size, now, is_direct)
        if size == SMALL and not is_direct:
            peer.asked += 1
        with suppress(OSError):  # EMSGSIZE, no way there: it stays unanswered
            to = peer.public if is_direct else peer.address
            sock.sendto(dump(Probe(QUESTION, nonce, size), version, pad=True), (to, PROBE_PORT))

    def _answered(self, probe: Probe, sender: str, now: float) -> None:
        question = self._open.get(probe.nonce)
        peer = self.peers.get(question.target) if question else None
        if question is None or peer is None or sender not in (peer.address, peer.public):
            return
        del self._open[probe.nonce]
        is_back = peer.is_silent or not peer.seen_at
        peer.seen_at, peer.silent = now, 0
        if is_back and peer.public and not peer.is_verified:  # it can answer a trial, too, now
            peer.trials = 0
            self._plan_trial(question.target, now)
        if question.is_direct:
            peer.is_verified = True
            self.changed(question.target)
        elif question.size == SMALL:
            took = now - question.sent_at
            peer.answered += 1
            peer.rtt = took if not peer.rtt else peer.rtt + SMOOTHING * (took - peer.rtt)
            self._round_trips.append(took)
        elif peer.search.answered(question.size):
            self.changed(question.target)
        if peer.search.is_searching and question.size != SMALL and not question.is_direct:
            self._ask_size(question.target, peer, now)

    def _give_up(self, question: _Open, now: float) -> None:
        peer = self.peers.get(question.target)
        if peer is None or question.is_direct:
            return
        if question.size == SMALL:
            peer.silent += 1
            if peer.is_silent and peer.is_verified:  # plain routes have ceased to work: back into the tunnel
                peer.is_verified, peer.trials = False, 0
                self.changed(question.target)
                self._plan_trial(question.target, now + self.interval)
            return
        small_works = peer.seen_at >= question.sent_at  # a small one goes out with each large one
        if question.size == peer.search.size and peer.search.unanswered(small_works=small_works):
            self.changed(question.target)
        if peer.search.is_searching:
            self._ask(question.target, SMALL, now)
            self._ask_size(question.target, peer, now)

    def _ask_size(self, target: Target, peer: Peer, now: float) -> None:
        if peer.search.size is not None:
            self._ask(target, peer.search.size, now)

    def _plan_size(self, target: Target, at: float) -> None:
        """Have the size of a path asked at a moment, and not at the one that was planned before."""
        self.peers[target].size_at = at
        self._push(at, target, "mtu")

    def _plan_trial(self, target: Target, at: float) -> None:
        """Have plain routes tried at a moment, and not at the one that was planned before."""
        self.peers[target].trial_at = at
        self._push(at, target, "trial")

    def _push(self, at: float, target: Target, what: str) -> None:
        heapq.heappush(self._due, (at, *target, what))

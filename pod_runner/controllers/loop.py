"""The loop: objects change, what that touches is decided again, what differs is written; if this copy leads.

It runs in one thread. Whether it leads or not it follows, so that it can begin at once; what it decides it
decides from the store alone, so another one goes on where this one was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from cluster_store.conditions import Conditions
from cluster_store.store import Check, Conflict, Put, Store, StoreRefused, StoreUnavailable
from pod_runner.cluster.following import ObjectFollower
from pod_runner.cluster.kinds import KINDS, NAMESPACE
from pod_runner.cluster.objects import DEFAULT_NAMESPACE, Ref, ref_in_key, to_text
from pod_runner.cluster.store import new_namespace
from pod_runner.controllers.doing import Doing
from pod_runner.controllers.known import Known
from pod_runner.controllers.leading import LEADER, Leading
from pod_runner.controllers.pulse import HEARTBEATS, Pulse
from pod_runner.controllers.settings import ControllerSettings
from pod_runner.controllers.work import Task, What, Work
from pod_runner.controllers.writing import Deposed, Writer

TURN = 0.05  # seconds of work between two looks at what has changed
LONGEST_WAIT = 5.0  # seconds between two looks where nothing is due
PAUSE = 0.5  # seconds after the store could not be asked, or would not


class Loop:
    """One copy of the controllers."""

    def __init__(
        self,
        store: Store,
        settings: ControllerSettings,
        conditions: Conditions,
        *,
        random: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`clock` never jumps, `wall` is what people read; both in seconds."""
        self._store, self._clock, self._wall = store, clock, wall
        self.conditions = conditions
        self.follower = ObjectFollower(store, KINDS, (HEARTBEATS, LEADER))
        self.known = Known(self.follower.objects)
        self.leading = Leading(store, settings.identity, settings.leader, clock)
        self.writer = Writer(store, self.leading, self._version_of, clock)
        self.work, self._pulse = Work(), Pulse(settings.heartbeat)
        self._doing = Doing(
            self.known, self.work, self.writer, self._pulse, conditions,
            eviction=settings.eviction, random=random or Random(), clock=clock, wall=wall,
        )  # fmt: skip
        self._led = (
            0  # the version of the leader's key under which this copy has begun to act; 0: it does not
        )
        self._rest_until = 0.0
        self._is_stopped = False

    def run(self) -> None:
        """Go on until `stop`."""
        while not self._is_stopped:
            self.turn()
        try:
            self.leading.step_down()
        except (StoreUnavailable, StoreRefused):
            return  # its lease ends by itself

    def stop(self) -> None:
        """End it; from any thread."""
        self._is_stopped = True
        self.follower.close()

    @property
    def lost_nodes(self) -> list[str]:
        """Return the nodes that are lost."""
        return list(self._pulse.lost)

    def turn(self) -> None:
        """See what has changed, waiting for it if nothing is due; do a little of what that asks for."""
        for seen in self.follower.next(self._wait()):
            self.work.touch(self.known.take(seen))
        self._tell("StoreLost", self.follower.trouble)
        for key in self.writer.heard():
            self.work.heard(key)
        if self._is_stopped or not self.follower.is_synced or self.follower.trouble:
            return
        self._note_objects()
        self._note_pulse()
        try:
            self.leading.upkeep(self.follower.items.get(LEADER))
            self._lead()
        except Deposed:
            self.leading.lost()
        except (StoreUnavailable, StoreRefused) as error:
            self._tell("StoreLost", str(error))
            self._rest_until = self._clock() + PAUSE
            self._begin_again()

    def _wait(self) -> float:
        """Return for how many seconds nothing is due."""
        now = self._clock()
        times = [now + LONGEST_WAIT, self.leading.next_at()]
        if (at := self._pulse.next_at()) is not None:
            times.append(at)
        if self._led:
            times += [
                at for at in (self.work.next_at(now), self._doing.happenings.next_at()) if at is not None
            ]
        rest = PAUSE if self.follower.trouble else self._rest_until - now
        return max(0.0, rest, min(times) - now)

    def _tell(self, name: str, said: str) -> None:
        self.conditions.tell(name, said)

    def _version_of(self, key: str) -> int:
        if (item := self.follower.items.get(key)) is not None:
            return item.version
        ref = ref_in_key(key)
        found = self.follower.objects.get(ref) if ref else None
        return found.version if found else 0

    def _note_objects(self) -> None:
        self.conditions.keep_only("BadObject", self.follower.refused)
        for key, said in self.follower.refused.items():
            self.conditions.tell("BadObject", said, about=key)

    def _note_pulse(self) -> None:
        before = self._pulse.shown
        heartbeats = {key.removeprefix(HEARTBEATS) for key in self.follower.items if key != LEADER}
        self._pulse.look(self.known.nodes, heartbeats, self._clock())
        if before != self._pulse.shown:
            self.work.touch(Task(What.NODE, name=name) for name in self.known.nodes)
        is_silent = self._pulse.is_blackout
        self._tell("NoHeartbeats", "no node is heard of; nobody's pods are moved" if is_silent else "")

    def _begin_again(self) -> None:
        """Read everything anew: nobody knows what of the last commit was made."""
        self.follower.begin_again()
        for key in self.writer.begin_again():
            self.work.heard(key)

    def _lead(self) -> None:
        """Work for a turn, if this copy leads."""
        if not self.leading.is_leader:
            self._led = 0
            self.work.clear()
            return
        if self._led != self.leading.check.version:
            self._become_leader()
        elif self.writer.is_overdue():
            self._begin_again()
        else:
            self._do_some()

    def _become_leader(self) -> None:
        """Take over: first see all that the one before has written, then look at everything."""
        self._led = self.leading.check.version
        self._begin_again()
        self._doing.forget_all()
        self.work.touch(self.known.everything())
        self._make_default()

    def _make_default(self) -> None:
        ref = Ref(NAMESPACE.kind, "", DEFAULT_NAMESPACE)
        if ref not in self.known.objects:
            text = to_text(new_namespace(ref, self._wall()))
            try:
                self._store.commit([self.leading.check, Check(ref.key, 0)], [Put(ref.key, text)])
            except Conflict:  # somebody was faster, with either
                return

    def _do_some(self) -> None:
        end = self._clock() + TURN
        while self._clock() < end and (task := self.work.take(self._clock())) is not None:
            self._doing.do(task)
        self._doing.write_events()

"""A task is done: decided from what is known now, and written; or put off until more is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random

from cluster_store.conditions import Conditions
from cluster_store.store import StoreRefused
from pod_runner.cluster import events
from pod_runner.cluster.kinds import BY_KIND, DEPLOYMENT, NAMESPACE, NODE, POD, REPLICA_SET, ResourceKind
from pod_runner.cluster.objects import Object, Ref, ref_of
from pod_runner.controllers import tidying
from pod_runner.controllers.decided import Decided
from pod_runner.controllers.happenings import Happenings
from pod_runner.controllers.known import SCHEDULE, Known
from pod_runner.controllers.node_task import decide_node, decide_strays
from pod_runner.controllers.place_task import Bound, place_waiting, told
from pod_runner.controllers.pulse import Pulse
from pod_runner.controllers.rollout_task import decide_deployment
from pod_runner.controllers.set_task import decide_set
from pod_runner.controllers.tidying import Removal
from pod_runner.controllers.views import PodView
from pod_runner.controllers.work import Task, What, Work
from pod_runner.controllers.writing import Part, Writer

HOPELESS = 0.25  # seconds before pods that found no node are tried again, whatever happens
NAMED = 20  # pods placed at once of which each gets an Event; of more nobody would read them
REFUSED = 30.0  # seconds before something is tried again that the store refused
KINDS = {What.SET: REPLICA_SET, What.ROLLOUT: DEPLOYMENT, What.NODE: NODE, What.NAMESPACE: NAMESPACE}


class Doing:
    """Does tasks; for one thread. Raises StoreUnavailable, and `writing.Deposed`."""

    def __init__(
        self,
        known: Known,
        work: Work,
        writer: Writer,
        pulse: Pulse,
        conditions: Conditions,
        *,
        eviction: float,
        random: Random,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`eviction`: as of `settings`; `clock` never jumps, `wall` is what people read."""
        self.happenings = Happenings()
        self._known, self._work, self._writer, self._pulse = known, work, writer, pulse
        self._conditions, self._eviction, self._random = conditions, eviction, random
        self._clock, self._wall = clock, wall
        self._assumed: dict[Ref, tuple[PodView, str]] = {}  # pods whose binding was written, not yet read
        self._place_at = 0.0
        self._strays: dict[str, float] = {}  # nodes that do not exist, and when their pods are forgotten

    def do(self, task: Task) -> None:
        """Do one."""
        kind = KINDS.get(task.what) or BY_KIND.get(task.kind)
        if kind is not None and (key := self._writer.awaited(self._keys(kind, task))):
            self._work.after(task, key)
            return
        about = " ".join(part for part in (task.what.value, task.namespace, task.name) if part)
        try:
            self._do(task)
        except StoreRefused as error:
            self._conditions.tell("Refused", str(error), about=about)
            self._work.later(task, self._clock() + REFUSED)
        else:
            self._conditions.tell("Refused", "", about=about)

    def forget_all(self) -> None:
        """Begin anew: somebody else acted meanwhile."""
        self._take_back(lambda _: True)
        self._strays.clear()
        self.happenings.clear()

    def write_events(self) -> None:
        """Write what there is to tell, if it is time."""
        try:
            self.happenings.write(self._writer, self._known.objects.get, self._clock(), self._wall())
        except StoreRefused as error:
            self._conditions.tell("Refused", str(error), about="events")

    def _keys(self, kind: ResourceKind, task: Task) -> list[str]:
        """Return the keys that a task may write as its core."""
        ref = ref_of(kind, task.namespace, task.name)
        keys = [ref.key]
        if task.what is What.ROLLOUT and (found := self._known.objects.get(ref)) is not None:
            keys += [one.ref.key for one in self._known.sets_of(found)]
        return keys

    def _do(self, task: Task) -> None:
        match task.what:
            case What.SET:
                self._write(task, decide_set(self._known, task, self._wall(), self._random))
            case What.ROLLOUT:
                self._write(task, decide_deployment(self._known, task, self._wall()))
            case What.SCHEDULE:
                self._place()
            case What.NODE:
                self._node(task)
            case What.OWNER:
                self._owner(task)
            case What.NAMESPACE:
                self._namespace(task)
            case What.EVENTS:
                self._events()

    def _write(self, task: Task, decided: Decided) -> None:
        """Write a decision; what does not fit into one commit is decided again."""
        if decided.again_in is not None:
            self._work.later(task, self._clock() + max(0.0, decided.again_in))
        if decided.is_nothing:
            return
        written = self._writer.write(decided.core, decided.parts)
        if not written:
            self._put_off(task, decided.core)
            return
        for happening in decided.told:
            self.happenings.tell(happening)
        if len(written) <= len(decided.parts):
            self._put_off(task, decided.core)

    def _put_off(self, task: Task, core: Part) -> None:
        """Have a task done when what it was decided on is known anew; soon, if nothing of it is awaited."""
        if key := self._writer.awaited(core.based_on):
            self._work.after(task, key)
        else:
            self._work.later(task, self._clock() + HOPELESS / 10)

    def _place(self) -> None:
        now = self._clock()
        if now < self._place_at:
            self._work.later(SCHEDULE, self._place_at)
            return
        self._take_back(lambda ref: not self._writer.awaited((ref.key,)))
        bound, is_hopeless = place_waiting(self._known, self._is_free, self._wall())
        self._place_at = now + HOPELESS if is_hopeless else 0.0
        for one in bound:
            if one.placed.node:
                self._assumed[one.placed.pod.ref] = (one.placed.pod, one.placed.node)
        self._write_places(bound)

    def _is_free(self, found: Object) -> bool:
        return not self._writer.awaited((found.ref.key,))

    def _write_places(self, bound: Sequence[Bound]) -> None:
        """Write them, as many commits as it takes; who is left out has changed, and is looked at again."""
        by_part = {id(one.part): one for one in bound}
        left = [one.part for one in bound]
        while left:
            written = {id(part) for part in self._writer.write(Part(()), left)}
            for one in [by_part[id(part)].placed for part in left if id(part) in written]:
                if len(bound) <= NAMED or not one.node:
                    self.happenings.tell(told(one))
            tried = max((index for index, part in enumerate(left) if id(part) in written), default=-1)
            if tried < 0:
                self._work.touch([SCHEDULE] if self._known.homeless else [])
                return
            left = left[tried + 1 :]

    def _take_back(self, is_over: Callable[[Ref], bool]) -> None:
        """Count no longer on bindings that were not made after all."""
        for ref in [ref for ref in self._assumed if is_over(ref)]:
            pod, node = self._assumed.pop(ref)
            now = self._known.pods.get(ref)
            if now is None or now.node != node:
                self._known.usage.remove(pod, node)

    def _node(self, task: Task) -> None:
        name = task.name
        if name not in self._known.nodes:
            self._stray(task)
            return
        self._strays.pop(name, None)
        lost_at = self._pulse.lost.get(name)
        decided = decide_node(
            self._known,
            name,
            self._wall(),
            has_heartbeat=self._pulse.is_alive(name),
            lost_for=None if lost_at is None else self._clock() - lost_at,
            is_blackout=self._pulse.is_blackout,
            eviction=self._eviction,
        )
        self._write(task, decided)

    def _stray(self, task: Task) -> None:
        if not self._known.pods_on(task.name):
            self._strays.pop(task.name, None)
            return
        at = self._strays.setdefault(task.name, self._clock() + self._eviction)
        if self._clock() < at:
            self._work.later(task, at)
        else:
            self._write(task, decide_strays(self._known, task.name))

    def _owner(self, task: Task) -> None:
        found = self._known.find(task.kind, task.namespace, task.name)
        if found is None:
            return
        if task.kind == POD.kind and found.is_terminating and not PodView(found).node:
            removal: Removal | None = tidying.removal(found, self._wall())
        else:
            removal = tidying.orphan_removal(found, self._known.objects, self._wall())
        if removal is not None:
            self._write(task, Decided(Part(removal.changes, removal.based_on)))

    def _namespace(self, task: Task) -> None:
        found = self._known.find(NAMESPACE.kind, "", task.name)
        if found is None or not found.is_terminating:
            return
        within = [one for one in self._known.within(task.name) if self._is_free(one)]
        removals = tidying.namespace_removals(found, self._known.within(task.name), within, self._wall())
        parts = tuple(Part(one.changes, one.based_on) for one in removals)
        if parts:
            self._write(task, Decided(Part(()), parts))

    def _events(self) -> None:
        surplus = len(self._known.events) - events.KEPT
        if surplus > events.KEPT // 10:  # some at once
            old = events.overdue(self._known.events.values())
            self._writer.write(Part(()), [Part((one,)) for one in old])

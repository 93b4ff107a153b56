"""PodNode: the loop. What has happened comes into one queue; what is to be done follows from what is known.

Threads that wait for others tell the loop and are told by it: the follower of the store, the supervisors,
the workers, the reports, the heartbeat. Nothing is known here that could not be read back: objects from the
store, pods from their folders.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Condition
from typing import assert_never

from cluster_store.conditions import Conditions
from cluster_store.store import Store
from pod_runner.cluster.bodies import JsonObject
from pod_runner.node import statuses, telling
from pod_runner.node.decide import Action, Finish, Refuse, Remove, Start, Stop, Supervise, decide, is_leaving
from pod_runner.node.known import Known, Services
from pod_runner.node.messages import Followed, Leave, Look, Message, Statics, Told
from pod_runner.node.node_object import NodeFacts
from pod_runner.node.orders import write_order
from pod_runner.node.parts import Parts
from pod_runner.node.pods import LocalPod
from pod_runner.node.settings import RunnerSettings
from pod_runner.node.starting import Done, Failed, Removed, Spawned, Tidied
from pod_runner.node.supervisors import STARTS_WITHIN
from pod_runner.node.wanted import WantedPod
from pod_runner.supervisor.order import NodePlaces
from pod_runner.supervisor.spawner import Spawner

log = logging.getLogger("podwire.runner")
TROUBLE = "PodTrouble"
RETRY = 1.0  # seconds before what could not be done about a pod is tried again
EVERY = 60.0  # seconds at most between two looks
NEVER = float("inf")  # what is at work tells when it is done
REPORTED_WITHIN = 10.0  # seconds until a report that has come to nothing is made again


class PodNode:
    """The pods of one node, kept as they are wanted from `run` to `stop`. They go on when it ends."""

    def __init__(
        self,
        settings: RunnerSettings,
        places: NodePlaces,
        open_store: Callable[[], Store],
        facts: Callable[[], NodeFacts],
        services: Services = lambda namespace: {},
        spawner: Spawner | None = None,
    ) -> None:
        """`open_store` is called by each thread that asks a store; `facts` before each heartbeat."""
        self.settings, self.places = settings, places
        self.conditions = Conditions(logger="podwire.runner")
        self.known = Known(places, self.conditions, services)
        self.lock = Condition()  # of what is known, for who answers questions; notified after each turn
        self._inbox: SimpleQueue[Message] = SimpleQueue()
        self._begun = time.time() - time.monotonic()  # a clock that no jump moves
        self._busy: dict[str, float] = {}  # uid -> until when at most; a time that comes is a second try
        self._reported: dict[str, float] = {}  # the same, of what the store is to say next
        self._again = self._collect_at = 0.0
        self._room = facts().room
        self.parts = Parts(
            settings, places, open_store, facts, spawner or Spawner(), self.conditions, self._inbox.put
        )

    def run(self) -> None:
        """Work until `stop`. Raises OSError where the folder of pods cannot be read."""
        Path(self.places.pods).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.known.has_static = self.parts.static is None
        self.parts.start()
        try:
            self._watch_new()
            while self._turn():
                continue
        finally:
            self.parts.stop()

    def stop(self) -> None:
        """Have it end; from any thread."""
        self._inbox.put(Leave())

    def look(self) -> None:
        """Have the folders looked at: somebody may have made a pod by hand."""
        self._inbox.put(Look())

    def now(self) -> float:
        """Return seconds of the epoch, by a clock that does not jump."""
        return self._begun + time.monotonic()

    def _turn(self) -> bool:
        """Take what has happened, and do what follows; False: leave."""
        messages = self._next()
        with self.lock:
            for message in messages:
                if isinstance(message, Leave):
                    return False
                self._take(message)
            now = self.now()
            for waiting in (self._busy, self._reported):
                for uid in [uid for uid, until in waiting.items() if until <= now]:
                    del waiting[uid]
            self._look_for_garbage(now)
            self._decide(now)
            self.lock.notify_all()
        return True

    def _decide(self, now: float) -> None:
        """Do what is to be done, and find out when to look again."""
        self._look_at_leaving(now)
        decision = decide(
            self.known.wanted, self.known.actual, now, room=self._room, busy={*self._busy, *self._reported},
            unsettled=self.known.unsettled, drain=self.settings.drain,
        )  # fmt: skip
        for action in decision.actions:
            self._do(action, now)
        again = [decision.again] if decision.again is not None else []
        times = [self._collect_at, *self._busy.values(), *self._reported.values(), *again]
        self._again = min(times, default=now + EVERY)

    def _look_at_leaving(self, now: float) -> None:
        """See whether clients still come to pods that are about to be stopped."""
        for pod in self.known.wanted.values():
            local = self.known.local.get(pod.uid)
            if pod.deleted is not None and local is not None and is_leaving(pod, local.actual()):
                local.look_for_clients(now)

    def _next(self) -> list[Message]:
        """Wait for a message, or until it is time to decide again."""
        found: list[Message] = []
        try:
            found.append(self._inbox.get(timeout=max(0.0, min(EVERY, self._again - self.now()))))
            while True:
                found.append(self._inbox.get_nowait())
        except Empty:
            return found

    def _take(self, message: Message) -> None:
        match message:
            case Told(uid, status):
                self._take_told(uid, status)
            case Followed(seen):
                self.known.is_synced = True
                for changed in self.known.take(seen, self.now()):
                    self._reported.pop(changed.uid, None)
                    self._tell_status(changed)
                self._refresh()
            case Statics(pods):
                self.known.take_static(pods)
            case Spawned() | Removed() | Failed() | Tidied():
                self._take_done(message)
            case Look():
                self._watch_new()
            case Leave():
                return
            case other:
                assert_never(other)

    def _take_told(self, uid: str, status: JsonObject | None) -> None:
        local = self.known.local.get(uid)
        if local is None:
            return
        before = local.status
        if status is None:
            local.unsupervised(self.now())
        else:
            local.status = status
            if not local.is_supervised:
                local.supervised(self.now())
        if self._busy.get(uid, NEVER) != NEVER:  # somebody was asked whether there is one
            del self._busy[uid]
        pod = self.known.wanted.get(uid)
        if pod is not None and self.known.is_stored(uid):
            self._tell_status(pod)
            for kind, reason, message in statuses.happenings(before, local.status):
                self._happened(pod, reason, message, kind)

    def _take_done(self, done: Done) -> None:
        match done:
            case Spawned(uid, pid, order):
                local = self.known.local.setdefault(uid, LocalPod(uid, Path(self.places.pods, uid)))
                if order is not None:
                    local.ordered(order)
                local.supervised(self.now())
                self.parts.supervisors.watch(uid, local.folder, pid)
                self.conditions.tell(TROUBLE, "", about=uid)
                self._busy.pop(uid, None)
            case Removed(uid):
                self.parts.supervisors.forget(uid)
                self.known.local.pop(uid, None)
                self.conditions.tell(TROUBLE, "", about=uid)
                self._busy.pop(uid, None)
            case Failed("", why):
                self._collect_at = self.now() + EVERY
                log.warning("garbage could not be looked for: %s", why)
            case Failed(uid, why):
                self.conditions.tell(TROUBLE, why, about=uid)
                self._busy[uid] = self.now() + RETRY
            case Tidied(collected):
                self._collect_at = self.now() + EVERY
                for one in collected.found:
                    log.warning("%s was left over: %s", one, collected.failed.get(one.uid, "removed"))
            case other:
                assert_never(other)

    def _do(self, action: Action, now: float) -> None:
        match action:
            case Start(pod):
                self._busy[pod.uid] = NEVER
                self.parts.workers.start(self.known.order(pod))
            case Supervise(uid):
                self._busy[uid] = NEVER
                self.parts.workers.supervise(uid, self.known.local[uid].folder)
            case Stop(uid, grace):
                local = self.known.local[uid]
                local.stopped, local.grace = now, grace
                self.parts.supervisors.ask(uid, {"ask": "stop", "grace": grace})
                if (told := self.known.wanted.get(uid)) and self.known.is_stored(uid):
                    self._happened(told, "Killing", "Stopping all containers", statuses.NORMAL)
            case Remove(uid):
                self._busy[uid] = NEVER
                self.parts.workers.remove(uid)
            case Refuse(pod, why):
                self._reported[pod.uid] = now + REPORTED_WITHIN
                self.parts.reports.put(pod.uid, telling.tell_refusal(pod, why))
                self._happened(pod, why.reason, why.message, statuses.WARNING)
            case Finish(pod):
                self._reported[pod.uid] = now + REPORTED_WITHIN
                self.parts.reports.put(pod.uid, telling.finish(pod))
            case other:
                assert_never(other)

    def _look_for_garbage(self, now: float) -> None:
        """Begin to, every minute, once all that is wanted is known."""
        if self.known.is_synced and self.known.has_static and self._collect_at <= now:
            self._collect_at = NEVER  # until it has been done
            self.parts.workers.collect(self.living)
            self._watch_new()

    def living(self) -> set[str]:
        """Return the uids of all that is wanted, is here or is being made; from any thread."""
        with self.lock:
            return {*self.known.wanted, *self.known.local, *self._busy}

    def _tell_status(self, pod: WantedPod) -> None:
        if pod.uid in self.known.local and (status := self.known.unwritten(pod)) is not None:
            self.parts.reports.put(pod.uid, telling.tell_status(pod, status))

    def _happened(self, pod: WantedPod, reason: str, message: str, kind: str) -> None:
        self.parts.reports.happened(telling.of_pod(pod, reason, message, kind, self.places.name))

    def _refresh(self) -> None:
        """Have supervisors read their orders again where a ConfigMap has changed."""
        wanted = self.known.wanted
        for uid, local in self.known.local.items():
            pod = wanted.get(uid)
            if pod is None or local.pod is None or uid in self._busy:
                continue
            if (maps := self.known.config_maps(pod)) != local.config_maps:
                order = self.known.order(pod)
                try:
                    write_order(order)
                except OSError as error:  # a full disk: the next change, or the next start, tries again
                    self.conditions.tell(TROUBLE, f"{error.filename}: {error.strerror}", about=uid)
                    continue
                local.config_maps = maps
                self.parts.supervisors.ask(uid, {"ask": "refresh"})

    def _watch_new(self) -> None:
        """Find folders that are not known; whether somebody supervises them is asked first."""
        for local in self.known.look_at_folders():
            if local.uid not in self._busy:
                self._busy[local.uid] = self.now() + STARTS_WITHIN
                self.parts.supervisors.watch(local.uid, local.folder)

"""What is wanted and what is there -> what is to be done now, and when to look again. Pure.

an object says           and there is            so
run                      nothing                 Start, or Refuse; wait while who is in the way ends
run                      a dead supervisor       Supervise, after a pause that grows
end                      a living supervisor     Stop, after the drain
end                      what has stopped        Remove
end                      nothing                 Finish: the object goes
(there is no object)     a living supervisor     Stop, soon
(there is no object)     what has stopped        Remove
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pod_runner.node.actual import ActualPod
from pod_runner.node.admission import Refusal, Room, refusal
from pod_runner.node.wanted import FORCED_GRACE, WantedPod

MOST_DRAINS = 8  # times `drain` that clients may keep a pod from being stopped
PATIENCE = 10.0  # seconds over a pod's grace, for preStop's own time and DEL; then it is removed by force
FEWEST_DEATHS = 3  # of supervisors on the way to the end of a pod; then it is removed by force
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0  # seconds before a supervisor follows one that died


@dataclass(frozen=True)
class Start:
    """Write the order of a pod, and have a supervisor on it."""

    pod: WantedPod


@dataclass(frozen=True)
class Supervise:
    """Have a supervisor again, on the folder that is there: it takes up what runs."""

    uid: str


@dataclass(frozen=True)
class Stop:
    """Tell the supervisor to end its pod within so many seconds."""

    uid: str
    grace: float


@dataclass(frozen=True)
class Remove:
    """Take away whatever is left of a pod: processes, attachments, cgroups, its folder."""

    uid: str


@dataclass(frozen=True)
class Refuse:
    """Say in its object that a pod cannot begin here."""

    pod: WantedPod
    why: Refusal


@dataclass(frozen=True)
class Finish:
    """Take the object of a pod away that has ended as it was told."""

    pod: WantedPod


Action = Start | Supervise | Stop | Remove | Refuse | Finish


@dataclass(frozen=True)
class Decision:
    """What is to be done, and at what time to decide again if nothing happens before; None: no time."""

    actions: tuple[Action, ...]
    again: float | None = None


@dataclass
class _Draft:
    now: float
    actions: list[Action] = field(default_factory=list)
    again: float | None = None

    def at(self, time: float) -> bool:
        """Tell whether a time has come; if not, it is one to decide again."""
        if time <= self.now:
            return True
        self.again = time if self.again is None else min(self.again, time)
        return False


def decide(
    wanted: Mapping[str, WantedPod],
    actual: Mapping[str, ActualPod],
    now: float,
    *,
    room: Room,
    busy: Collection[str] = (),
    unsettled: Collection[str] = (),
    drain: float = 0.0,
) -> Decision:
    """Decide about every pod. Both mappings are by uid; `now` in seconds of the epoch.

    `busy`: uids at which something is being done: nothing else is meanwhile. `unsettled`: uids of which it is
    not known yet whether there is an object: none ends for want of one.
    """
    draft = _Draft(now)
    here = dict(actual)
    ending = {uid for uid, one in actual.items() if _is_ending(one, wanted.get(uid)) and uid not in unsettled}
    for pod in sorted(wanted.values(), key=lambda one: (one.created, one.uid)):
        found = here.get(pod.uid)
        if pod.uid in busy:
            here.setdefault(pod.uid, taken_by(pod))
        elif pod.deleted is not None:
            _end(draft, pod, found, drain)
        elif found is not None:
            _keep(draft, found)
        elif not pod.is_over:
            _begin(draft, pod, here, room, ending)
    for uid, found in actual.items():
        if uid not in busy and uid not in wanted:
            if found.is_by_hand:
                _keep(draft, found)
            elif uid not in unsettled:
                _end_unwanted(draft, found)
    return Decision(tuple(draft.actions), draft.again)


def taken_by(pod: WantedPod) -> ActualPod:
    """Return what a pod that is about to begin takes of the node."""
    return ActualPod(pod.uid, demand=pod.demand, host_ports=pod.host_ports)


def _is_ending(found: ActualPod, pod: WantedPod | None) -> bool:
    return not found.is_by_hand if pod is None else pod.deleted is not None


def _begin(
    draft: _Draft, pod: WantedPod, here: dict[str, ActualPod], room: Room, ending: Collection[str]
) -> None:
    """Start a pod if there is room. Where others are about to leave it waits: the end of each is told."""
    staying = [one for uid, one in here.items() if uid not in ending]
    if (why := refusal(pod, staying, room)) is not None:
        draft.actions.append(Refuse(pod, why))
    elif refusal(pod, here.values(), room) is None:
        here[pod.uid] = taken_by(pod)
        draft.actions.append(Start(pod))


def _keep(draft: _Draft, found: ActualPod) -> None:
    """Have a supervisor; a folder without an order is what a killed start has left."""
    if not found.is_ordered:
        draft.actions.append(Remove(found.uid))
    elif not found.is_supervised and not found.is_over and draft.at(found.died + pause(found.deaths)):
        draft.actions.append(Supervise(found.uid))


def pause(deaths: int) -> float:
    """Return how long a pod waits for its next supervisor, after so many have died."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(deaths - 1, 16)) if deaths else 0.0


def _end(draft: _Draft, pod: WantedPod, found: ActualPod | None, drain: float) -> None:
    if found is None:
        draft.actions.append(Finish(pod))
        return
    assert pod.deleted is not None
    if is_leaving(pod, found) and not draft.at(_drained(pod.deleted, found, drain)):
        return
    _stop(draft, found, pod.grace)


def is_leaving(pod: WantedPod, found: ActualPod) -> bool:
    """Tell whether clients may still come: not everybody knows yet that the pod is to end."""
    served = found.is_supervised and found.is_ready and found.stopped is None
    return served and pod.deleted is not None and pod.grace > 0


def _drained(deleted: float, found: ActualPod, drain: float) -> float:
    """Return when nobody has come for as long as `drain`; clients that know the pod itself come for ever."""
    return min(max(deleted, found.connected) + drain, deleted + drain * MOST_DRAINS)


def _end_unwanted(draft: _Draft, found: ActualPod) -> None:
    _stop(draft, found, FORCED_GRACE)


def _stop(draft: _Draft, found: ActualPod, grace: float) -> None:
    """End a pod in order; by force where that does not come to an end."""
    if not found.is_ordered or found.deaths >= FEWEST_DEATHS:
        draft.actions.append(Remove(found.uid))
    elif found.is_supervised:
        if found.stopped is None or grace < found.grace:
            draft.actions.append(Stop(found.uid, grace))
        elif draft.at(found.stopped + grace + PATIENCE):
            draft.actions.append(Remove(found.uid))
    elif found.is_over or found.stopped is not None:
        draft.actions.append(Remove(found.uid))
    else:
        draft.actions.append(Supervise(found.uid))

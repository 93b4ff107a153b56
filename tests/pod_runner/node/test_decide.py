"""What a node does about what is wanted and what there is."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pod_runner.node.actual import ActualPod
from pod_runner.node.admission import Room
from pod_runner.node.decide import (
    FEWEST_DEATHS,
    LONGEST_PAUSE,
    MOST_DRAINS,
    PATIENCE,
    Action,
    Decision,
    Finish,
    Refuse,
    Remove,
    Start,
    Stop,
    Supervise,
    decide,
    pause,
)
from pod_runner.node.wanted import FORCED_GRACE, WantedPod, wanted_pod
from tests.pod_runner.node.pods import pod

ROOM = Room(cpu=4.0, memory=1 << 30, pods=10)
NOW, DRAIN = 1000.0, 0.5
UID = "uid-a"


def wanted(**fields: object) -> WantedPod:
    return replace(wanted_pod(pod("a")), **fields)  # type: ignore[arg-type]  # a table of cases fills it


def there(**fields: object) -> ActualPod:
    return replace(ActualPod(UID, is_supervised=True), **fields)  # type: ignore[arg-type]  # the same


def decided(want: WantedPod | None, actual: ActualPod | None, unsettled: tuple[str, ...] = ()) -> Decision:
    wishes = {UID: want} if want else {}
    found = {UID: actual} if actual else {}
    return decide(wishes, found, NOW, room=ROOM, unsettled=unsettled, drain=DRAIN)


RUN, OVER = wanted(), wanted(is_over=True)
END = wanted(deleted=NOW - 1, grace=5.0)
JUST, LATE = replace(END, deleted=NOW - 0.1), replace(END, deleted=NOW - DRAIN * MOST_DRAINS)
CASES: list[tuple[WantedPod | None, ActualPod | None, tuple[Action, ...], float | None]] = [
    (RUN, None, (Start(RUN),), None),
    (RUN, there(), (), None),
    (RUN, there(is_supervised=False), (Supervise(UID),), None),
    (RUN, there(is_supervised=False, deaths=1, died=NOW - 1), (Supervise(UID),), None),
    (RUN, there(is_supervised=False, deaths=9, died=NOW - 1), (), NOW - 1 + 25.6),
    (RUN, there(is_supervised=False, is_over=True), (), None),
    (RUN, there(is_supervised=False, is_ordered=False), (Remove(UID),), None),
    (JUST, there(is_ready=True), (), NOW - 0.1 + DRAIN),
    (END, there(is_ready=True), (Stop(UID, 5.0),), None),
    (END, there(is_ready=True, connected=NOW - 0.2), (), NOW - 0.2 + DRAIN),
    (LATE, there(is_ready=True, connected=NOW - 0.2), (Stop(UID, 5.0),), None),
    (OVER, None, (), None),
    (OVER, there(is_supervised=False, is_over=True), (), None),
    (END, None, (Finish(END),), None),
    (END, there(), (Stop(UID, 5.0),), None),
    (END, there(is_ready=True), (Stop(UID, 5.0),), None),
    (replace(END, deleted=NOW - 0.2), there(is_ready=True), (), NOW + 0.3),
    (replace(END, deleted=NOW - 0.2), there(), (Stop(UID, 5.0),), None),
    (replace(END, deleted=NOW, grace=0.0), there(is_ready=True), (Stop(UID, 0.0),), None),
    (END, there(stopped=NOW, grace=5.0), (), NOW + 5 + PATIENCE),
    (END, there(stopped=NOW, grace=30.0), (Stop(UID, 5.0),), None),
    (END, there(stopped=NOW - 5 - PATIENCE, grace=5.0), (Remove(UID),), None),
    (END, there(is_supervised=False), (Supervise(UID),), None),
    (END, there(is_supervised=False, stopped=NOW), (Remove(UID),), None),
    (END, there(is_supervised=False, is_over=True), (Remove(UID),), None),
    (END, there(is_supervised=False, deaths=FEWEST_DEATHS), (Remove(UID),), None),
    (None, there(), (Stop(UID, FORCED_GRACE),), None),
    (None, there(is_supervised=False, stopped=NOW), (Remove(UID),), None),
    (None, there(is_by_hand=True), (), None),
    (None, there(is_by_hand=True, is_supervised=False), (Supervise(UID),), None),
]


@pytest.mark.parametrize(("want", "actual", "actions", "again"), CASES)
def test_each_case(
    want: WantedPod | None, actual: ActualPod | None, actions: tuple[Action, ...], again: float | None
) -> None:
    found = decided(want, actual)
    assert found.actions == actions
    assert found.again == (None if again is None else pytest.approx(again))


def test_nothing_ends_before_all_objects_were_seen() -> None:
    assert decided(None, there(), (UID,)).actions == ()
    assert decided(END, there(), (UID,)).actions == (Stop(UID, 5.0),)


def test_nothing_is_done_twice_at_once() -> None:
    assert decide({UID: RUN}, {}, NOW, room=ROOM, busy={UID}).actions == ()
    assert decide({}, {UID: there()}, NOW, room=ROOM, busy={UID}).actions == ()


def test_those_that_begin_together_share_the_room_and_the_oldest_is_first() -> None:
    pods = {f"p{number}": wanted(uid=f"p{number}", created=-float(number)) for number in range(12)}
    actions = decide(pods, {}, NOW, room=ROOM, busy={"p11"}).actions
    assert [one.pod.uid for one in actions if isinstance(one, Start)] == [f"p{n}" for n in range(10, 1, -1)]
    refused = [one for one in actions if isinstance(one, Refuse)]
    assert [(one.pod.uid, one.why.reason) for one in refused] == [("p1", "OutOfpods"), ("p0", "OutOfpods")]


PORTS = frozenset({("", "TCP", 9000)})
NEXT = wanted(uid="next", host_ports=PORTS)


@pytest.mark.parametrize(
    "leaving", [wanted(deleted=NOW - 1, host_ports=PORTS), None], ids=["told", "vanished"]
)
def test_a_pod_waits_for_the_room_of_one_that_ends(leaving: WantedPod | None) -> None:
    wishes = {"next": NEXT} | ({UID: leaving} if leaving else {})
    before = there(host_ports=PORTS, stopped=NOW, grace=1.0)
    assert decide(wishes, {UID: before}, NOW, room=ROOM).actions == ()
    assert Start(NEXT) in decide(wishes, {}, NOW, room=ROOM).actions


def test_a_pod_does_not_wait_for_one_that_stays_or_whose_object_may_only_not_be_known_yet() -> None:
    before = {UID: there(host_ports=PORTS)}
    staying = decide({"next": NEXT, UID: wanted(host_ports=PORTS)}, before, NOW, room=ROOM)
    unknown = decide({"next": NEXT}, before, NOW, room=ROOM, unsettled={UID})
    for decision in (staying, unknown):
        (action,) = decision.actions
        assert isinstance(action, Refuse) and action.why.reason == "NodePorts"


def test_pauses_grow_and_end_somewhere() -> None:
    pauses = [pause(number) for number in range(30)]
    assert pauses == sorted(pauses) and pauses[0] == 0 and pauses[-1] == LONGEST_PAUSE


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_it_comes_to_what_is_wanted(seed: int) -> None:
    """Play a node whose supervisors die at random, until what is wanted changes no more."""
    chance, world, now = random.Random(seed), dict[str, ActualPod](), NOW
    names = [f"p{number}" for number in range(6)]
    wishes = {name: wanted(uid=name) for name in names}
    for turn in range(300):
        is_calm = turn > 200
        if not is_calm and chance.random() < 0.2:
            name = chance.choice(names)
            if chance.random() < 0.5 and name in wishes:
                wishes[name] = replace(wishes[name], deleted=now, grace=1.0)
            elif chance.random() < 0.5:
                wishes.pop(name, None)
            else:
                wishes.setdefault(name, wanted(uid=name))
        for uid, one in list(world.items()):
            if one.stopped is not None and chance.random() < 0.5:
                world[uid] = replace(one, is_supervised=False)
            elif not is_calm and one.is_supervised and chance.random() < 0.1:
                world[uid] = replace(one, is_supervised=False, deaths=one.deaths + 1, died=now)
        for action in decide(wishes, world, now, room=ROOM, drain=DRAIN).actions:
            _do(action, wishes, world, now)
        now += 1.0
    alive = {uid for uid, one in world.items() if one.is_supervised and one.stopped is None}
    assert alive == {uid for uid, one in wishes.items() if one.deleted is None} and set(world) == set(
        wishes
    ), seed


def _do(action: Action, wishes: dict[str, WantedPod], world: dict[str, ActualPod], now: float) -> None:
    match action:
        case Start(pod):
            world[pod.uid] = ActualPod(pod.uid, is_supervised=True, is_ready=True)
        case Supervise(uid):
            world[uid] = replace(world[uid], is_supervised=True)
        case Stop(uid, grace):
            world[uid] = replace(world[uid], stopped=now, grace=grace)
        case Remove(uid):
            del world[uid]
        case Finish(pod):
            del wishes[pod.uid]
        case Refuse():
            raise AssertionError("there is room for all")

"""Deployments and replica sets: walks over the decisions, and single ones."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pod_runner.cluster.bodies import number, table, text
from pod_runner.cluster.kinds import REPLICA_SET
from pod_runner.cluster.objects import Ref
from pod_runner.controllers.conditions import condition
from pod_runner.controllers.replicas import OVER_KEPT
from pod_runner.controllers.revisions import NoRevision, history, paused, restarted, undone
from pod_runner.controllers.rolling import bounds, part
from pod_runner.controllers.telling import rollout_status
from pod_runner.controllers.templates import HASH
from pod_runner.controllers.views import SetView
from tests.pod_runner.controllers.made import deployment, replica_set, template
from tests.pod_runner.controllers.playground import Playground

SEEDS = st.integers(0, 2**32)
SHARE = st.one_of(st.integers(0, 4), st.integers(0, 100).map(lambda percent: f"{percent}%"))


def rolling(surge: object, unavailable: object) -> dict[str, object]:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def settled(seed: int = 0, **said: object) -> tuple[Playground, Ref]:
    play = Playground(seed)
    ref = play.put(deployment(**said))  # type: ignore[arg-type]  # its keywords, named by each test
    play.settle()
    return play, ref


def sets_of(play: Playground, ref: Ref) -> list[SetView]:
    return [SetView(one.set) for one in history(play.objects[ref], play.known.sets_of(play.objects[ref]))]


def step(play: Playground) -> None:
    """Do one random thing: a decision, a pod that becomes ready, one that has ended."""
    pods = play.pods()
    waiting = [pod for pod in pods if pod.is_active and not pod.is_ready]
    going = [pod for pod in pods if pod.object.is_terminating]
    match play.random.choice("ddspe"):
        case "s" | "p" if waiting:
            play.serve(play.random.choice(waiting))
        case "e" if going:
            play.remove(play.random.choice(going).ref)
        case _:
            play.decide(play.random.choice(play.deciders()))


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 9), SHARE, SHARE)
def test_a_rolling_update_keeps_within_its_bounds_and_comes_to_its_end(
    seed: int, replicas: int, surge: object, unavailable: object
) -> None:
    play, ref = settled(seed, replicas=replicas, strategy=rolling(surge, unavailable))
    more, fewer = bounds(SetView(play.objects[ref]))
    for revision in ("2", "3", "2"):
        play.edit(ref, template(revision, {"app": "web"}), "spec", "template")
        for _ in range(play.random.randrange(300)):
            step(play)
            assert len(play.active()) <= replicas + more
            assert len(play.ready()) >= replicas - fewer
    play.settle()
    assert play.revisions() == ["2"] * replicas
    assert rollout_status(play.objects[ref]).is_done


@settings(max_examples=20)
@given(SEEDS)
def test_whatever_people_and_pods_do_the_wanted_state_comes_back(seed: int) -> None:
    play, ref = settled(seed, replicas=3)
    wanted, revision = 3, "1"
    for _ in range(200):
        pods = play.active()
        match play.random.choice("sssssrtfvu"):
            case "r":
                wanted = play.random.randrange(7)
                play.edit(ref, wanted, "spec", "replicas")
            case "t":
                revision = play.random.choice("1234")
                play.edit(ref, template(revision, {"app": "web"}), "spec", "template")
            case "f" if pods:
                play.fail(play.random.choice(pods))
            case "v" if pods:
                play.remove(play.random.choice(pods).ref)
            case "u" if pods:
                play.serve(play.random.choice(pods), is_ready=False)
            case _:
                step(play)
        assert len(play.active()) <= 6 + 2  # the largest it was to be, and what an update adds
    play.now += 200
    play.settle()
    play.now += 200  # pods that failed are replaced after a pause
    play.settle()
    assert play.revisions() == [revision] * wanted
    assert rollout_status(play.objects[ref]).is_done
    assert len([pod for pod in play.pods() if pod.is_over]) <= OVER_KEPT * len(sets_of(play, ref))
    assert play.known.dump() == play.known_anew().dump()
    for one in list(play.objects):
        play.remove(one)
    assert not any(play.known.dump().values())


def test_a_burst_never_makes_too_many() -> None:
    """However often it is decided, and whatever is known of pods: exactly the wanted number is made."""
    play = Playground(1)
    ref = play.put(replica_set(replicas=250))
    counts = []
    while play.decide(ref):
        counts.append(len(play.pods()))
    assert counts == [90, 180, 250]
    assert len({pod.ref.name for pod in play.pods()}) == 250


def test_recreate_waits_until_the_last_old_pod_has_ended() -> None:
    play, ref = settled(replicas=2, strategy={"type": "Recreate"})
    play.edit(ref, template("2", {"app": "web"}), "spec", "template")
    for _ in range(5):
        for one in play.deciders():
            play.decide(one)
    assert [pod.object.is_terminating for pod in play.pods()] == [True, True]
    play.remove(play.pods()[0].ref)
    for one in play.deciders():
        play.decide(one)
    assert len(play.pods()) == 1
    play.settle()
    assert play.revisions() == ["2", "2"]


def test_a_paused_deployment_is_scaled_but_not_updated() -> None:
    play, ref = settled()
    play.put(paused(play.objects[ref].body, is_paused=True))
    play.edit(ref, template("2", {"app": "web"}), "spec", "template")
    play.edit(ref, 5, "spec", "replicas")
    play.settle()
    assert play.revisions() == ["1"] * 5
    play.put(paused(play.objects[ref].body, is_paused=False))
    play.settle()
    assert play.revisions() == ["2"] * 5


def test_a_resize_amid_a_stuck_update_is_shared() -> None:
    play, ref = settled(replicas=10, strategy=rolling(3, 2))
    play.edit(ref, template("2", {"app": "web"}), "spec", "template")
    play.settle(can_start=False)
    before = {
        one.annotations["deployment.kubernetes.io/revision"]: one.replicas for one in sets_of(play, ref)
    }
    assert before == {"1": 8, "2": 5}  # the example of Kubernetes' documentation: proportional scaling
    play.edit(ref, 15, "spec", "replicas")
    play.decide(ref)
    after = {one.annotations["deployment.kubernetes.io/revision"]: one.replicas for one in sets_of(play, ref)}
    assert after == {"1": 11, "2": 7}
    play.settle()
    assert play.revisions() == ["2"] * 15


def test_undo_goes_back_and_forth() -> None:
    play, ref = settled()
    for revision in ("2", "3"):
        play.edit(ref, template(revision, {"app": "web"}), "spec", "template")
        play.settle()
    found = play.known.sets_of(play.objects[ref])
    assert [one.number for one in history(play.objects[ref], found)] == [1, 2, 3]
    play.put(undone(play.objects[ref], found))
    play.settle()
    assert play.revisions() == ["2"] * 3
    found = play.known.sets_of(play.objects[ref])
    assert [one.number for one in history(play.objects[ref], found)] == [1, 3, 4]
    play.put(undone(play.objects[ref], found, to=1))
    play.settle()
    assert play.revisions() == ["1"] * 3
    assert HASH not in table(play.objects[ref].spec, "template", "metadata", "labels")
    with pytest.raises(NoRevision, match="revision 99"):
        undone(play.objects[ref], found, to=99)


def test_a_restart_makes_every_pod_anew() -> None:
    play, ref = settled()
    before = {pod.ref for pod in play.pods()}
    play.put(restarted(play.objects[ref].body, play.now))
    play.settle()
    assert len(play.pods()) == 3 and not before & {pod.ref for pod in play.pods()}


def test_old_sets_beyond_the_limit_go() -> None:
    play, ref = settled(revisionHistoryLimit=2)
    for revision in ("2", "3", "4", "5"):
        play.edit(ref, template(revision, {"app": "web"}), "spec", "template")
        play.settle()
    numbers = [one.number for one in history(play.objects[ref], play.known.sets_of(play.objects[ref]))]
    assert numbers == [3, 4, 5]


def test_an_update_that_hangs_is_said_to_be_late_and_recovers() -> None:
    play, ref = settled(progressDeadlineSeconds=60)
    play.edit(ref, template("2", {"app": "web"}), "spec", "template")
    play.settle(can_start=False)
    assert not rollout_status(play.objects[ref]).is_late
    play.now += 61
    play.settle(can_start=False)
    assert rollout_status(play.objects[ref]).is_late
    said = condition(play.objects[ref].body, "Progressing")
    assert (said["status"], said["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert len(play.ready()) == 3  # the old ones serve on
    play.settle()
    assert rollout_status(play.objects[ref]).is_done


def test_pods_count_as_available_after_min_ready_seconds() -> None:
    play = Playground(0)
    ref = play.put(deployment(minReadySeconds=10))
    play.settle()
    assert number(play.objects[ref].status, "readyReplicas") == 3
    assert number(play.objects[ref].status, "availableReplicas") == 0
    assert text(condition(play.objects[ref].body, "Available"), "status") == "False"
    play.now += 10
    play.settle()
    assert number(play.objects[ref].status, "availableReplicas") == 3


def test_a_pod_whose_label_is_changed_is_released_and_replaced_and_taken_back() -> None:
    play, ref = settled()
    pod = play.pods()[0]
    play.edit(pod.ref, "debug", "metadata", "labels", "app")
    play.settle()
    assert len(play.pods()) == 4 and Counter(pod.owner != "" for pod in play.pods())[True] == 3
    play.edit(pod.ref, "web", "metadata", "labels", "app")
    play.settle()
    assert len(play.pods()) == 3 and all(pod.owner for pod in play.pods())
    assert ref in play.objects


def test_pods_that_a_node_refuses_are_replaced_ever_more_slowly() -> None:
    play = Playground(0)
    ref = play.put(replica_set(replicas=1))
    made = 0
    for _ in range(300):
        if play.decide(ref):
            for pod in play.active():
                made += 1
                play.fail(pod)
        play.now += 1
    assert 6 <= made <= 25  # 1, 2, 4, 8, 16, 16, ... seconds between
    assert len(play.pods()) <= OVER_KEPT + 1


def test_a_set_whose_template_it_does_not_select_makes_nothing() -> None:
    play = Playground(0)
    ref = play.put(replica_set(template=template(labels={"app": "other"})))
    play.settle()
    assert not play.pods()
    play.put(replica_set(name="all", selector={}))
    play.settle()
    assert not play.pods() and ref in play.objects


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
@pytest.mark.parametrize(
    "spec",
    [
        {"replicas": "three"},
        {"replicas": -1},
        {"strategy": 3},
        {"strategy": {"rollingUpdate": {"maxSurge": [], "maxUnavailable": "x%"}}},
        {"template": None},
        {"template": {"metadata": {"labels": {"app": "web"}}, "spec": 7}},
        {"selector": {"matchExpressions": [{"key": 1}]}},
        {"minReadySeconds": "soon", "progressDeadlineSeconds": None, "revisionHistoryLimit": {}},
    ],
)
def test_nonsense_in_a_spec_does_not_raise(kind: str, spec: dict[str, object]) -> None:
    play = Playground(0)
    play.put({**deployment(**spec), "kind": kind, "status": {"conditions": 3, "replicas": "x"}})  # type: ignore[arg-type]  # nonsense
    play.settle()


@pytest.mark.parametrize(
    ("said", "replicas", "up", "down"),
    [("25%", 10, 3, 2), ("25%", 3, 1, 0), ("0%", 5, 0, 0), (2, 5, 2, 2), ("100%", 5, 5, 5), ("x", 4, 1, 1)],
)
def test_shares_are_rounded_as_kubernetes_does(said: object, replicas: int, up: int, down: int) -> None:
    assert (part(said, replicas, rounds_up=True), part(said, replicas, rounds_up=False)) == (up, down)


def test_a_sets_name_that_is_somebody_elses_is_evaded() -> None:
    play, ref = settled()
    (own,) = [ref for ref in play.objects if ref.kind == REPLICA_SET.kind]
    for one in play.pods():
        play.remove(one.ref)
    play.remove(own)
    play.put({**replica_set(own.name, replicas=0), "metadata": {"name": own.name, "namespace": "default"}})
    play.settle()
    assert number(play.objects[ref].status, "collisionCount") == 1
    assert play.revisions() == ["1"] * 3

"""The scheduler, from values to values."""

from __future__ import annotations

from collections import Counter

import pytest

from pod_runner.cluster.bodies import JsonObject, with_member
from pod_runner.cluster.objects import Object, ref_of_body
from pod_runner.controllers.scheduling import place, place_all
from pod_runner.controllers.usage import Usage
from pod_runner.controllers.views import NodeView, PodView
from tests.pod_runner.controllers.made import node as node_body


def pod(name: str, *, owner: str = "", labels: dict[str, str] | None = None, **spec: object) -> PodView:
    owners = [{"uid": owner, "controller": True, "kind": "ReplicaSet", "name": owner}] if owner else []
    metadata: JsonObject = {
        "name": name,
        "namespace": "default",
        "ownerReferences": owners,
        "labels": labels or {},
    }
    return of(metadata, spec)


def of(metadata: JsonObject, spec: JsonObject) -> PodView:
    body: JsonObject = {"kind": "Pod", "metadata": metadata, "spec": spec}
    return PodView(Object(ref_of_body(body), body))


def asking(cpu: str = "", memory: str = "", port: int = 0) -> list[JsonObject]:
    requests = {key: value for key, value in {"cpu": cpu, "memory": memory}.items() if value}
    ports = [{"containerPort": 80, "hostPort": port}] if port else []
    return [{"name": "c", "resources": {"requests": requests}, "ports": ports}]


def node(name: str, *, labels: dict[str, str] | None = None, ready: str = "True", **spec: object) -> NodeView:
    body = node_body(name, cpu="2", memory="1Gi", pods="5", **spec)
    body = with_member(body, {"kubernetes.io/hostname": name} | (labels or {}), "metadata", "labels")
    body = with_member(body, [{"type": "Ready", "status": ready}], "status", "conditions")
    return NodeView(Object(ref_of_body(body), body))


def taint(effect: str, key: str = "disk", value: str = "slow") -> list[JsonObject]:
    return [{"key": key, "value": value, "effect": effect}]


def affinity(kind: str, **term: object) -> JsonObject:
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def required(*expressions: JsonObject) -> JsonObject:
    terms = [{"matchExpressions": list(expressions)}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


THREE = [node("a"), node("b"), node("c")]


def test_replicas_of_one_owner_are_spread_first() -> None:
    usage = Usage()
    placed = place_all([pod(f"p{n}", owner="set") for n in range(7)], THREE, usage)
    assert sorted(Counter(one.node for one in placed).values()) == [2, 2, 3]
    usage.add(pod("big", containers=asking("1900m")), "a")
    assert Counter(one.node for one in place_all([pod("x", owner="other")], THREE, usage))["a"] == 0


def test_the_answer_is_the_same_whoever_decides() -> None:
    pods = [pod(f"p{n}", owner=f"set{n % 2}") for n in range(9)]
    first = [(one.pod.ref.name, one.node) for one in place_all(pods, THREE, Usage())]
    again = [(one.pod.ref.name, one.node) for one in place_all(reversed(pods), THREE, Usage())]
    assert first == again


@pytest.mark.parametrize(
    ("nodes", "wanted", "why_not"),
    [
        ([], pod("p"), "no nodes available to schedule pods"),
        (THREE, pod("p", containers=asking("3")), "0/3 nodes are available: 3 Insufficient cpu."),
        (THREE, pod("p", containers=asking(memory="2Gi")), "0/3 nodes are available: 3 Insufficient memory."),
        (
            [
                node("a", ready="Unknown"),
                node("b", unschedulable=True),
                node("c", taints=taint("NoSchedule")),
            ],
            pod("p"),
            "0/3 nodes are available: 1 node(s) had untolerated taint {disk: slow}, "
            "1 node(s) were not ready, 1 node(s) were unschedulable.",
        ),
        (
            THREE,
            pod("p", nodeSelector={"zone": "x"}),
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
        ),
    ],
)
def test_why_a_pod_has_no_node_is_said_in_kubectls_words(
    nodes: list[NodeView], wanted: PodView, why_not: str
) -> None:
    assert place(wanted, nodes, Usage()).why_not == why_not


def test_what_is_asked_for_is_what_is_given_away() -> None:
    pods = [pod(f"p{n}", containers=asking("800m")) for n in range(7)]
    placed = place_all(pods, THREE, Usage())
    assert sorted(Counter(one.node for one in placed).items())[1:] == [("a", 2), ("b", 2), ("c", 2)]
    assert placed[-1].why_not == "0/3 nodes are available: 3 Insufficient cpu."


def test_limits_count_where_nothing_is_asked_for_and_init_containers_by_the_largest() -> None:
    limited = pod("p", containers=[{"name": "c", "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}}])
    assert (limited.requests.cpu, limited.requests.memory) == (0.5, 1 << 30)
    several = pod("p", containers=asking("1") * 2, initContainers=asking("1500m") + asking("3"))
    assert several.requests.cpu == 3.0


def test_a_node_takes_so_many_pods_and_no_more() -> None:
    placed = place_all([pod(f"p{n}") for n in range(6)], [node("a")], Usage())
    assert [one.node for one in placed].count("a") == 5
    assert placed[-1].why_not == "0/1 nodes are available: 1 Too many pods."


def test_a_host_port_is_there_once_a_node() -> None:
    pods = [pod(f"p{n}", containers=asking(port=80)) for n in range(4)]
    placed = place_all(pods, THREE, Usage())
    assert {one.node for one in placed} == {"a", "b", "c", ""}
    assert "didn't have free ports" in placed[-1].why_not


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "disk", "operator": "Exists"}, True),
        ({"key": "disk", "value": "slow"}, True),
        ({"key": "disk", "value": "slow", "effect": "NoSchedule"}, True),
        ({"key": "disk", "value": "fast"}, False),
        ({"key": "disk", "value": "slow", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({}, False),
    ],
)
def test_tolerations(toleration: JsonObject, fits: bool) -> None:
    tainted = [node("a", taints=taint("NoSchedule"))]
    assert bool(place(pod("p", tolerations=[toleration]), tainted, Usage()).node) is fits


def test_a_soft_taint_and_a_wish_decide_between_nodes_that_fit() -> None:
    nodes = [node("a", taints=taint("PreferNoSchedule")), node("b"), node("c", labels={"disk": "ssd"})]
    assert all(place(pod(f"p{n}"), nodes, Usage()).node != "a" for n in range(9))
    wish = {"weight": 5, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}
    liking = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
    assert all(place(pod(f"p{n}", affinity=liking), nodes, Usage()).node == "c" for n in range(9))


def test_required_node_affinity() -> None:
    nodes = [node("a", labels={"gen": "3"}), node("b", labels={"gen": "7"}), node("c")]
    newer = required({"key": "gen", "operator": "Gt", "values": ["5"]})
    assert place(pod("p", affinity=newer), nodes, Usage()).node == "b"
    without = required({"key": "gen", "operator": "DoesNotExist"})
    assert place(pod("p", affinity=without), nodes, Usage()).node == "c"


def test_anti_affinity_keeps_apart_both_ways() -> None:
    term = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "kubernetes.io/hostname"}
    apart = affinity("podAntiAffinity", **term)
    usage = Usage()
    pods = [pod(f"p{n}", labels={"app": "db"}, affinity=apart) for n in range(4)]
    placed = place_all(pods, THREE, usage)
    assert {one.node for one in placed} == {"a", "b", "c", ""}
    assert placed[-1].why_not == "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules."
    other = place(pod("q", labels={"app": "db"}), THREE, usage)
    assert "existing pods anti-affinity" in other.why_not
    assert place(pod("r", labels={"app": "web"}), THREE, usage).node


def test_affinity_brings_together_and_the_first_may_begin() -> None:
    together = affinity(
        "podAffinity", labelSelector={"matchLabels": {"app": "db"}}, topologyKey="kubernetes.io/hostname"
    )
    assert place(pod("q", affinity=together), THREE, Usage()).why_not.endswith("pod affinity rules.")
    placed = place_all(
        [pod(f"p{n}", labels={"app": "db"}, affinity=together) for n in range(4)], THREE, Usage()
    )
    assert len({one.node for one in placed}) == 1 and placed[0].node


def test_topology_spread_keeps_the_skew() -> None:
    rule = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "db"}},
    }
    nodes = [
        node("a", labels={"zone": "x"}),
        node("b", labels={"zone": "x"}),
        node("c", labels={"zone": "y"}),
    ]
    pods = [pod(f"p{n}", labels={"app": "db"}, topologySpreadConstraints=[rule]) for n in range(8)]
    placed = place_all(pods, nodes, Usage())
    zones = Counter("y" if one.node == "c" else "x" for one in placed if one.node)
    assert zones == {"x": 4, "y": 4}
    cordoned = [*nodes[:2], node("c", labels={"zone": "y"}, unschedulable=True)]
    usage = Usage()
    first, second = place_all(pods[:2], cordoned, usage)
    assert first.node in ("a", "b") and "topology spread" in second.why_not


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": 7, "tolerations": ["x"], "nodeSelector": []},
        {
            "containers": [
                {"resources": {"requests": {"cpu": "much", "memory": []}}, "ports": [{"hostPort": "x"}]}
            ]
        },
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": 3}}},
        {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}},
        {"topologySpreadConstraints": [{"maxSkew": "x"}, 5]},
    ],
)
def test_nonsense_in_a_pod_does_not_raise(spec: dict[str, object]) -> None:
    place(of({"name": "p"}, spec), [*THREE, node("d", taints=[{"key": 3}, 7])], Usage())


def test_usage_is_what_it_was_when_all_pods_have_gone() -> None:
    usage = Usage()
    pods = [pod(f"p{n}", owner="o", containers=asking("300m", "1Mi", 80 + n), nodeName="a") for n in range(5)]
    for one in (*pods, *pods):  # twice: the second time nothing is counted twice
        usage.add(one)
    assert usage.at("a").cpu == pytest.approx(1.5) and len(usage.at("a").pods) == 5
    for one in (*pods, *pods):
        usage.remove(one)
    assert not usage.nodes

"""A node's task, and that of pods whose node is none: what is known -> the parts of commits."""

from __future__ import annotations

from collections.abc import Sequence

from pod_runner.cluster import events
from pod_runner.cluster.deleting import deletion
from pod_runner.cluster.events import NORMAL, WARNING, Happening
from pod_runner.cluster.kinds import NODE
from pod_runner.cluster.objects import Object, Ref
from pod_runner.controllers.decided import Decided
from pod_runner.controllers.known import Known
from pod_runner.controllers.node_life import Evictions, as_unready, evictions, judged
from pod_runner.controllers.views import NodeView, PodView
from pod_runner.controllers.writing import Part, forget, put

BY = "node-controller"


def decide_node(
    known: Known,
    name: str,
    now: float,
    *,
    has_heartbeat: bool,
    lost_for: float | None,
    is_blackout: bool,
    eviction: float,
) -> Decided:
    """Decide on a node that exists. `now`: seconds of the epoch; `lost_for`: seconds, None: it lives."""
    node = known.nodes[name]
    body = judged(node, now, is_lost=lost_for is not None, has_heartbeat=has_heartbeat)
    core = put(node.object, body) if body is not node.object.body else Part(())
    told = _told_of(node, NodeView(_with_body(node, body)))
    if is_blackout:
        return Decided(core, (), told)
    judged_node = NodeView(_with_body(node, body))
    lost_since = None if lost_for is None else now - lost_for
    wish = evictions(judged_node, known.pods_on(name), now, eviction=eviction, lost_since=lost_since)
    again_in = None if wish.again_at is None else wish.again_at - now
    return Decided(core, tuple(_parts(wish, now)), (*told, *_told_of_pods(wish)), again_in)


def _with_body(node: NodeView, body: dict[str, object]) -> Object:
    return Object(node.object.ref, body, node.object.version)


def _parts(wish: Evictions, now: float) -> list[Part]:
    parts = [put(pod.object, as_unready(pod, now)) for pod in wish.unready]
    parts += [forget(pod.object) for pod in wish.forget]
    ended = ((pod, deletion(pod.object, now)) for pod in wish.end)
    return parts + [
        Part(tuple(changes), {pod.ref.key: pod.object.version}) for pod, changes in ended if changes
    ]


def _told_of(before: NodeView, now: NodeView) -> tuple[Happening, ...]:
    if before.ready == now.ready:
        return ()
    word, type = ("NodeReady", NORMAL) if now.ready == "True" else ("NodeNotReady", WARNING)
    return (events.about(before.object, word, f"Node {before.name} status is now: {word}", BY, type),)


def _told_of_pods(wish: Evictions) -> tuple[Happening, ...]:
    return tuple(
        events.about(
            pod.object, "TaintManagerEviction", f"Deleting pod {pod.ref.namespace}/{pod.ref.name}", BY
        )
        for pod in (*wish.end, *wish.forget)
        if not pod.object.is_terminating
    )


def decide_strays(known: Known, name: str) -> Decided:
    """Decide on pods that are bound to a node that does not exist: they are forgotten."""
    nowhere = {Ref(NODE.kind, "", name).key: 0}
    pods: Sequence[PodView] = known.pods_on(name)
    parts = [Part(forget(pod.object).changes, {pod.ref.key: pod.object.version}) for pod in pods]
    return Decided(Part((), nowhere), tuple(parts))

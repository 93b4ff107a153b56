"""Known: all objects, by owner, by node, by namespace; and what is to be decided again when one changes.

Each change costs as much as it touches: nothing here walks through all pods.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from pod_runner.cluster.following import Seen
from pod_runner.cluster.kinds import DEPLOYMENT, EVENT, NAMESPACE, NODE, POD, REPLICA_SET
from pod_runner.cluster.metadata import owners_of
from pod_runner.cluster.objects import Object, Ref
from pod_runner.controllers.usage import Usage
from pod_runner.controllers.views import NodeView, PodView, SetView
from pod_runner.controllers.work import Task, What

SCHEDULE = Task(What.SCHEDULE)
EVENTS = Task(What.EVENTS)


class Known:
    """The objects as a follower has them, and indexes into them."""

    def __init__(self, objects: Mapping[Ref, Object]) -> None:
        """`objects` is the follower's own, which changes before `take` is told."""
        self.objects = objects
        self.usage = Usage()
        self.pods: dict[Ref, PodView] = {}
        self.nodes: dict[str, NodeView] = {}
        self.events: dict[Ref, Object] = {}
        self.homeless: dict[Ref, PodView] = {}  # pods that wait for a node
        self._by_uid: dict[str, Ref] = {}
        self._dependents: defaultdict[str, dict[Ref, None]] = defaultdict(dict)  # of a uid
        self._on_node: defaultdict[str, dict[Ref, None]] = defaultdict(dict)
        self._within: defaultdict[str, dict[Ref, None]] = defaultdict(dict)  # a namespace
        self._loose: defaultdict[str, dict[Ref, None]] = defaultdict(dict)  # pods that nothing controls

    def take(self, seen: Seen) -> set[Task]:
        """Take note of a change; return what it touches."""
        touched: set[Task] = set()
        if seen.before is not None:
            self._drop(seen.before)
            touched |= self._touched_by(seen.before, is_gone=seen.now is None)
        if seen.now is not None:
            self._index(seen.now)
            touched |= self._touched_by(seen.now, is_gone=False)
            if seen.before is not None and seen.before.uid != seen.now.uid:
                touched |= self._orphans(seen.before)
        return touched

    def everything(self) -> set[Task]:
        """Return all that can be decided."""
        tasks = {SCHEDULE, EVENTS}
        for found in self.objects.values():
            tasks |= self._touched_by(found, is_gone=False)
        return tasks | {Task(What.NODE, name=name) for name in self._on_node}

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object."""
        return self.objects.get(Ref(kind, namespace, name))

    def by_uid(self, uid: str) -> Object | None:
        """Return the object of a uid."""
        ref = self._by_uid.get(uid)
        return self.objects.get(ref) if ref else None

    def pods_of(self, uid: str) -> list[PodView]:
        """Return the pods that an object controls."""
        found = (self.pods.get(ref) for ref in self._dependents.get(uid, ()))
        return [pod for pod in found if pod is not None and pod.owner == uid]

    def sets_of(self, deployment: Object) -> list[Object]:
        """Return the replica sets that have a deployment among their owners."""
        refs = self._dependents.get(deployment.uid, ())
        return [self.objects[ref] for ref in refs if ref.kind == REPLICA_SET.kind]

    def loose_pods(self, namespace: str) -> list[PodView]:
        """Return the pods of a namespace that nothing controls."""
        return [self.pods[ref] for ref in self._loose.get(namespace, ())]

    def pods_on(self, node: str) -> list[PodView]:
        """Return the pods that are bound to a node."""
        return [self.pods[ref] for ref in self._on_node.get(node, ())]

    def within(self, namespace: str) -> list[Object]:
        """Return all that lies in a namespace."""
        return [self.objects[ref] for ref in self._within.get(namespace, ())]

    def is_closing(self, namespace: str) -> bool:
        """Tell whether a namespace is being deleted: nothing is made in it any more."""
        found = self.objects.get(Ref(NAMESPACE.kind, "", namespace))
        return found is not None and found.is_terminating

    def dump(self) -> dict[str, dict[str, set[Ref]]]:
        """Return all indexes: two that know the same objects have the same."""
        several = (self._dependents, self._on_node, self._within, self._loose)
        names = ("dependents", "on_node", "within", "loose")
        found = {
            name: {key: set(refs) for key, refs in index.items()}
            for name, index in zip(names, several, strict=True)
        }
        found["uids"] = {uid: {ref} for uid, ref in self._by_uid.items()}
        found["homeless"] = {"": set(self.homeless)} if self.homeless else {}
        found["used"] = {node: set(used.pods) for node, used in self.usage.nodes.items()}
        return found

    def _index(self, found: Object) -> None:
        self._by_uid[found.uid] = found.ref
        for owner in owners_of(found.body):
            self._dependents[str(owner.get("uid"))][found.ref] = None
        if found.namespace:
            self._within[found.namespace][found.ref] = None
        if found.ref.kind == NODE.kind:
            self.nodes[found.name] = NodeView(found)
        elif found.ref.kind == EVENT.kind:
            self.events[found.ref] = found
        elif found.ref.kind == POD.kind:
            self._index_pod(PodView(found))

    def _index_pod(self, pod: PodView) -> None:
        self.pods[pod.ref] = pod
        self.usage.add(pod)
        if pod.node:
            self._on_node[pod.node][pod.ref] = None
        elif pod.is_active:
            self.homeless[pod.ref] = pod
        if not pod.owner:
            self._loose[pod.object.namespace][pod.ref] = None

    def _drop(self, found: Object) -> None:
        if self._by_uid.get(found.uid) == found.ref:
            del self._by_uid[found.uid]
        for owner in owners_of(found.body):
            _remove(self._dependents, str(owner.get("uid")), found.ref)
        _remove(self._within, found.namespace, found.ref)
        if found.ref.kind == NODE.kind:
            self.nodes.pop(found.name, None)
        elif found.ref.kind == EVENT.kind:
            self.events.pop(found.ref, None)
        elif found.ref.kind == POD.kind:
            self._drop_pod(self.pods.pop(found.ref))

    def _drop_pod(self, pod: PodView) -> None:
        self.usage.remove(pod)
        _remove(self._on_node, pod.node, pod.ref)
        _remove(self._loose, pod.object.namespace, pod.ref)
        self.homeless.pop(pod.ref, None)

    def _touched_by(self, found: Object, *, is_gone: bool) -> set[Task]:
        """Return what is to be decided again since an object is, was or has become something."""
        touched = set(self._about_itself(found))
        if is_gone:
            touched |= self._orphans(found)
        elif any(str(owner.get("uid")) not in self._by_uid for owner in owners_of(found.body)):
            touched.add(Task(What.OWNER, found.namespace, found.name, found.ref.kind))
        if self.is_closing(found.namespace):
            touched.add(Task(What.NAMESPACE, name=found.namespace))
        return touched

    def _about_itself(self, found: Object) -> Iterator[Task]:
        match found.ref.kind:
            case POD.kind:
                yield from self._about_pod(PodView(found))
            case REPLICA_SET.kind:
                yield Task(What.SET, found.namespace, found.name)
                if (owner := self.by_uid(SetView(found).owner)) is not None:
                    yield Task(What.ROLLOUT, owner.namespace, owner.name)
            case DEPLOYMENT.kind:
                yield Task(What.ROLLOUT, found.namespace, found.name)
            case NODE.kind:
                yield Task(What.NODE, name=found.name)
                yield SCHEDULE
            case NAMESPACE.kind:
                yield Task(What.NAMESPACE, name=found.name)
            case EVENT.kind:
                yield EVENTS

    def _about_pod(self, pod: PodView) -> Iterator[Task]:
        owner = self.by_uid(pod.owner) if pod.owner else None
        if owner is not None:
            yield Task(What.SET, owner.namespace, owner.name)
            if pod.object.is_terminating and (above := self.by_uid(SetView(owner).owner)) is not None:
                yield Task(What.ROLLOUT, above.namespace, above.name)  # Recreate waits for its end
        elif not pod.owner:
            yield from self._selecting(pod)
        if self.homeless:
            yield SCHEDULE
        if pod.object.is_terminating and not pod.node:
            yield Task(What.OWNER, pod.ref.namespace, pod.ref.name, POD.kind)
        node = self.nodes.get(pod.node)
        if pod.node and (node is None or node.ready != "True" or node.taints):
            yield Task(What.NODE, name=pod.node)

    def _selecting(self, pod: PodView) -> Iterator[Task]:
        """Yield the sets that would have a pod which nothing controls."""
        for ref in self._within.get(pod.object.namespace, ()):
            if ref.kind == REPLICA_SET.kind and SetView(self.objects[ref]).selector.matches(pod.labels):
                yield Task(What.SET, ref.namespace, ref.name)

    def _orphans(self, owner: Object) -> set[Task]:
        refs = self._dependents.get(owner.uid, ())
        return {Task(What.OWNER, ref.namespace, ref.name, ref.kind) for ref in refs}


def _remove(index: defaultdict[str, dict[Ref, None]], where: str, ref: Ref) -> None:
    if where in index:
        index[where].pop(ref, None)
        if not index[where]:
            del index[where]

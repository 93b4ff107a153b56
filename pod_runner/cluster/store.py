"""ClusterStore: objects in a store, as an API server would keep them: uids, generations, compare-and-set.

Everything is decided on what was read, and written only if that still holds. For one thread at a time, as the
store below it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from copy import deepcopy

from cluster_store.store import Change, Check, Conflict, Delete, Item, Put, Store, StoreUnavailable
from pod_runner.cluster import deleting
from pod_runner.cluster.bodies import JsonObject
from pod_runner.cluster.following import ObjectFollower
from pod_runner.cluster.kinds import NAMESPACE, ResourceKind
from pod_runner.cluster.metadata import as_changed, as_created, new_uid
from pod_runner.cluster.objects import (
    DEFAULT_NAMESPACE,
    BadObject,
    Object,
    Ref,
    read_item,
    ref_in_key,
    ref_of,
    ref_of_body,
    to_text,
)
from pod_runner.cluster.selectors import Selector

ATTEMPTS = 16  # of one change, while others are faster; after so many something is wrong
Edit = Callable[[JsonObject], JsonObject | None]


class ClusterError(Exception):
    """What was asked cannot be, in kubectl's words."""


class NotFound(ClusterError):
    """There is no such object, or no such namespace."""


class AlreadyExists(ClusterError):
    """There is an object of that name."""


class Outdated(ClusterError):
    """Somebody has changed the object since it was read."""


class ClusterStore:
    """The objects of a cluster. Each method raises StoreUnavailable and StoreRefused as the store does.

    What lies under an object's key and is none raises `objects.BadObject` where it is asked for by name, and
    is left out of lists.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds of the epoch, for timestamps."""
        self.store = store
        self.clock = clock

    def get(self, kind: ResourceKind, namespace: str, name: str) -> Object | None:
        """Return an object, None if there is none."""
        return self._get(ref_of(kind, namespace, name))

    def list(self, kind: ResourceKind, namespace: str = "", selector: Selector | None = None) -> list[Object]:
        """Return all of a kind, sorted by namespace and name; "" is every namespace."""
        folder = kind.folder(namespace if kind.is_namespaced else "")
        found = [one for item in self.store.list(folder).items if (one := _read(item))]
        chosen = [one for one in found if selector is None or selector.matches(one.labels)]
        return sorted(chosen, key=lambda one: one.ref)  # as keys, "a-b/x" comes before "a/x"

    def follow(self, kinds: Collection[ResourceKind]) -> ObjectFollower:
        """Return who tells of all objects of these kinds, and then of changes; another thread may wait."""
        return ObjectFollower(self.store, kinds)

    def create(self, body: JsonObject) -> JsonObject:
        """Write a new object; return it as it was written.

        Raises:
            AlreadyExists, NotFound: of the object; of its namespace (`default` is made when it is missing).
            BadObject: it does not say what it is.
        """
        ref = ref_of_body(body)
        made = as_created(ref, body, self.clock(), new_uid())
        for _ in range(ATTEMPTS):
            checks, changes = self._namespace(ref)
            put = Put(ref.key, to_text(made))
            try:
                self.store.commit([*checks, Check(ref.key, 0)], [*changes, put])
            except Conflict as error:
                if error.found.get(ref.key) is not None:
                    raise AlreadyExists(f"{ref} already exists") from error
                continue
            return made
        raise StoreUnavailable(f"{self.store.name}: others change namespaces all the time")

    def update(self, body: JsonObject, version: int) -> JsonObject:
        """Write an object over the version that was read; return it as it was written.

        Raises:
            Outdated: it has another version now. NotFound: it has gone.
        """
        ref = ref_of_body(body)
        before = self._existing(ref)
        if before.version == version:
            made = as_changed(before.body, body)
            try:
                self.store.commit([Check(ref.key, version)], [Put(ref.key, to_text(made))])
            except Conflict:  # said below
                before = self._existing(ref)
            else:
                return made
        raise Outdated(f"{ref}: the object has been modified; read it again and apply the change to that")

    def change(self, kind: ResourceKind, namespace: str, name: str, edit: Edit) -> JsonObject:
        """Write what `edit` makes of a copy of an object (None: nothing); asked again if others are faster.

        Raises NotFound.
        """
        ref = ref_of(kind, namespace, name)
        for _ in range(ATTEMPTS):
            before = self._existing(ref)
            wanted = edit(deepcopy(before.body))
            if wanted is None:
                return before.body
            made = as_changed(before.body, wanted)
            if made == before.body:
                return made
            try:
                self.store.commit([Check(ref.key, before.version)], [Put(ref.key, to_text(made))])
            except Conflict:
                continue
            return made
        raise StoreUnavailable(f"{self.store.name}: others change {ref} all the time")

    def delete(
        self,
        kind: ResourceKind,
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        orphan: bool = False,
        uid: str = "",
    ) -> None:
        """Delete an object as `deleting` says; `uid`: only if it is that one. Raises NotFound.

        `grace`: seconds for a pod's containers; None takes what the pod says, 0 forgets it at once.
        `orphan`: what it controls stays, with nobody to control it.
        """
        ref = ref_of(kind, namespace, name)
        if ref == ref_of(NAMESPACE, "", DEFAULT_NAMESPACE):
            raise ClusterError(f"{ref} is forbidden: this namespace may not be deleted")
        for _ in range(ATTEMPTS):
            found = self._existing(ref)
            if uid and found.uid != uid:
                raise NotFound(f"{ref} not found: there is another one of that name")
            changes = deleting.deletion(found, self.clock(), grace=grace)
            released = self._release(found) if orphan else []
            checks = [Check(ref.key, found.version), *(Check(one.ref.key, one.version) for one in released)]
            puts = [Put(one.ref.key, to_text(one.body)) for one in released]
            try:
                self.store.commit(checks, [*changes, *puts])
            except Conflict:
                continue
            return
        raise StoreUnavailable(f"{self.store.name}: others change {ref} all the time")

    def begin_delete(self, pod: Object, grace: int | None = None) -> None:
        """Ask the node of a pod to end it. Gone, or another one by now, is fine."""
        try:
            self.delete(pod.ref.resource, pod.namespace, pod.name, grace=grace, uid=pod.uid)
        except NotFound:
            return

    def remove(self, found: Object) -> None:
        """Forget an object whatever it says: a node does that when a pod has ended. Gone is fine.

        Another one of that name, made meanwhile, stays.
        """
        for _ in range(ATTEMPTS):
            now = self._get(found.ref)
            if now is None or now.uid != found.uid:
                return
            try:
                self.store.commit([Check(now.ref.key, now.version)], [Delete(now.ref.key)])
            except Conflict:
                continue
            return
        raise StoreUnavailable(f"{self.store.name}: others change {found.ref} all the time")

    def close(self) -> None:
        """Give the store's connections back."""
        self.store.close()

    def _get(self, ref: Ref) -> Object | None:
        item = self.store.read(ref.key)
        return None if item is None else read_item(ref, item)

    def _existing(self, ref: Ref) -> Object:
        if (found := self._get(ref)) is None:
            raise NotFound(f"{ref} not found")
        return found

    def _namespace(self, ref: Ref) -> tuple[Sequence[Check], Sequence[Change]]:
        """Return what must hold of the namespace of a new object, and what makes it so."""
        if not ref.namespace:
            return (), ()
        owner = ref_of(NAMESPACE, "", ref.namespace)
        found = self._get(owner)
        if found is None and ref.namespace != DEFAULT_NAMESPACE:
            raise NotFound(f"{owner} not found")
        if found is None:
            return (Check(owner.key, 0),), (Put(owner.key, to_text(new_namespace(owner, self.clock()))),)
        if found.is_terminating:
            raise ClusterError(f"{ref}: its namespace {ref.namespace} is being deleted")
        return (Check(owner.key, found.version),), ()

    def _release(self, owner: Object) -> Sequence[Object]:
        """Return the objects that an owner controls, as they are without it."""
        found = (one for kind in deleting.OWNED for one in self.list(kind, owner.namespace))
        return [
            Object(one.ref, body, one.version) for one in found if (body := deleting.released(one, owner))
        ]


def new_namespace(ref: Ref, now: float) -> JsonObject:
    """Return the body of a namespace."""
    body: JsonObject = {
        "metadata": {"labels": {"kubernetes.io/metadata.name": ref.name}},
        "spec": {},
        "status": {"phase": "Active"},
    }
    return as_created(ref, body, now, new_uid())


def _read(item: Item) -> Object | None:
    ref = ref_in_key(item.key)
    try:
        return read_item(ref, item) if ref else None
    except BadObject:  # whoever follows names it
        return None

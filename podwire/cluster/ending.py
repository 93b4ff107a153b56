"""Objects deleted, and waited for until they have gone."""

from __future__ import annotations

from collections.abc import Iterable

from pod_runner.cluster.objects import Object
from pod_runner.cluster.store import ClusterStore, NotFound
from podwire.cluster.printed import shown_name
from podwire.cluster.watching import FOREVER, Known, await_state


def delete(cluster: ClusterStore, found: Object, grace: int | None, *, orphan: bool = False) -> None:
    """Begin to delete an object; gone already is fine. `grace` in seconds; None: what the pod says."""
    kind = found.ref.resource
    try:
        cluster.delete(kind, found.namespace, found.name, grace=grace, orphan=orphan, uid=found.uid)
    except NotFound:  # somebody was faster
        return


def await_gone(cluster: ClusterStore, objects: Iterable[Object], seconds: float = FOREVER) -> None:
    """Wait until objects have gone; another one of the same name is another one. Raises TimedOut."""
    left = {one.ref: one.uid for one in objects}

    def are_gone(known: Known) -> bool:
        for ref, uid in list(left.items()):
            if ref not in known or known[ref].uid != uid:
                del left[ref]
        return not left

    def what() -> str:
        return f"{', '.join(shown_name(ref) for ref in left)} to be gone"

    if left:
        await_state(cluster, {ref.resource for ref in left}, are_gone, what, seconds)

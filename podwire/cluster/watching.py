"""Changes of objects, looked at until something holds, a deadline passes, or somebody asks no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping

from cni_spec.errors import TRY_AGAIN_LATER, CniError
from pod_runner.cluster.kinds import ResourceKind
from pod_runner.cluster.objects import Object, Ref
from pod_runner.cluster.store import ClusterStore

Known = Mapping[Ref, Object]
FOREVER = float("inf")


class TimedOut(CniError):
    """What was waited for has not come about in time."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(TRY_AGAIN_LATER, f"timed out after {seconds:g} s waiting for {what}")


def states(
    cluster: ClusterStore, kinds: Collection[ResourceKind], seconds: float = FOREVER
) -> Iterator[Known | None]:
    """Yield all objects of some kinds, now and after each change; None when `seconds` are over.

    The mapping is the same each time: it is what is known.
    """
    deadline = time.monotonic() + seconds
    follower = cluster.follow(kinds)
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0 and follower.is_synced:
                yield None
                return
            had = follower.is_synced
            changed = follower.next(min(max(left, 0.0) if had else max(left, 1.0), 60.0))
            if follower.trouble and left <= 0:
                raise CniError(TRY_AGAIN_LATER, follower.trouble)
            if changed or (follower.is_synced and not had):
                yield follower.objects
    finally:
        follower.close()


def await_state(
    cluster: ClusterStore,
    kinds: Collection[ResourceKind],
    holds: Callable[[Known], bool],
    what: Callable[[], str],
    seconds: float = FOREVER,
) -> None:
    """Wait until something holds of objects. Raises TimedOut, with what `what` then says."""
    for known in states(cluster, kinds, seconds):
        if known is None:
            raise TimedOut(what(), seconds)
        if holds(known):
            return

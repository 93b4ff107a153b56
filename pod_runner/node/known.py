"""What a node knows: which pods are wanted of it, which it has, and what it last heard of each.

For the loop's thread alone. Nothing here does anything; `node` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from cluster_store.conditions import Conditions
from pod_runner.cluster.bodies import JsonObject, table, words
from pod_runner.cluster.following import Seen
from pod_runner.cluster.kinds import CONFIG_MAP, POD
from pod_runner.cluster.objects import Object, Ref
from pod_runner.node.actual import ActualPod
from pod_runner.node.orders import folders, is_abandoned
from pod_runner.node.pods import LocalPod, found_in
from pod_runner.node.statuses import merged
from pod_runner.node.wanted import BY_HAND, FROM_FILE, RefusedPod, WantedPod, node_name, source_of, wanted_pod
from pod_runner.supervisor.order import NodePlaces, PodOrder

BAD_POD = "BadPod"
Services = Callable[[str], dict[str, str]]  # namespace -> variables that pods of it get


class Known:
    """The pods of one node."""

    def __init__(self, places: NodePlaces, conditions: Conditions, services: Services) -> None:
        self._places, self._conditions, self._services = places, conditions, services
        self._stored: dict[Ref, WantedPod] = {}
        self._static: Mapping[str, WantedPod] = {}
        self._maps: dict[tuple[str, str], dict[str, str]] = {}
        self.local: dict[str, LocalPod] = {}
        self.is_synced = False  # with the store
        self.has_static = False  # the folder of static pods was read, or there is none

    def look_at_folders(self) -> list[LocalPod]:
        """Find what is there; return what was not known."""
        new = [found_in(one) for one in folders(Path(self._places.pods)) if one.name not in self.local]
        grown = [one for one in new if one.pod is not None or is_abandoned(one.folder)]
        self.local |= {one.uid: one for one in grown}
        return grown

    @property
    def wanted(self) -> dict[str, WantedPod]:
        """Return all that are wanted here, by uid."""
        return {one.uid: one for one in self._stored.values()} | dict(self._static)

    @property
    def actual(self) -> dict[str, ActualPod]:
        """Return all that are here, by uid."""
        return {uid: one.actual() for uid, one in self.local.items()}

    @property
    def unsettled(self) -> set[str]:
        """Return which pods may have an object that was not seen yet."""
        return {uid for uid, one in self.local.items() if not self._is_settled(one)}

    def take(self, seen: Iterable[Seen], now: float) -> list[WantedPod]:
        """Take note of what the store says; return the pods of this node that are new or have changed."""
        changed = []
        for one in seen:
            if one.ref.kind == CONFIG_MAP.kind:
                self._take_map(one)
            elif one.ref.kind == POD.kind and (pod := self._take_pod(one.ref, one.now, now)):
                changed.append(pod)
        return changed

    def take_static(self, pods: Mapping[str, WantedPod]) -> None:
        """Take note of all static pods."""
        self._static, self.has_static = pods, True

    def order(self, pod: WantedPod) -> PodOrder:
        """Return what a supervisor is told of a pod."""
        return PodOrder(pod.body, self._places, self.config_maps(pod), self._services(pod.namespace))

    def config_maps(self, pod: WantedPod) -> dict[str, dict[str, str]]:
        """Return those that a pod names and that are there."""
        found = {name: self._maps.get((pod.namespace, name)) for name in sorted(pod.config_maps)}
        return {name: data for name, data in found.items() if data is not None}

    def is_stored(self, uid: str) -> bool:
        """Tell whether the store has the pod."""
        return any(one.uid == uid for one in self._stored.values())

    def unwritten(self, pod: WantedPod) -> JsonObject | None:
        """Return the status that the store has not heard of yet, None if it says all."""
        local = self.local.get(pod.uid)
        if local is None or not local.status:
            return None
        before = table(pod.body, "status")
        return local.status if merged(before, local.status) != before else None

    def _is_settled(self, local: LocalPod) -> bool:
        source = source_of(local.pod.body) if local.pod else ""
        return {FROM_FILE: self.has_static, BY_HAND: True}.get(source, self.is_synced)

    def _take_map(self, seen: Seen) -> None:
        key = (seen.ref.namespace, seen.ref.name)
        if seen.now is None:
            self._maps.pop(key, None)
        else:
            self._maps[key] = words(seen.now.body, "data")

    def _take_pod(self, ref: Ref, found: Object | None, now: float) -> WantedPod | None:
        """Keep a pod of this node; one that cannot be run is a condition, and goes on as it was.

        What has a source is shown in the store and run by that, as static pods are.
        """
        if found is None or node_name(found.body) != self._places.name or source_of(found.body):
            self._conditions.tell(BAD_POD, "", about=_shown(ref))
            self._stored.pop(ref, None)
            return None
        try:
            pod = wanted_pod(found.body, found.version)
        except RefusedPod as error:
            self._conditions.tell(BAD_POD, str(error), about=_shown(ref))
            return None
        self._conditions.tell(BAD_POD, "", about=_shown(ref))
        before = self._stored.get(ref)
        if pod.deleted is not None:
            known = before.deleted if before is not None and before.uid == pod.uid else None
            pod = replace(pod, deleted=min(pod.deleted, now) if known is None else known)
        self._stored[ref] = pod
        return pod


def _shown(ref: Ref) -> str:
    return f"{ref.namespace}/{ref.name}"

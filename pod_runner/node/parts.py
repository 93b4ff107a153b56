"""The threads beside the loop: they wait for the store, for supervisors, the disk; the loop never does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cluster_store.conditions import Conditions
from cluster_store.store import Store
from pod_runner.cluster.kinds import CONFIG_MAP, POD
from pod_runner.node.following import Following
from pod_runner.node.heartbeat import Heartbeat
from pod_runner.node.messages import Followed, Message, Statics, Told
from pod_runner.node.node_object import NodeFacts
from pod_runner.node.reports import Reports
from pod_runner.node.settings import RunnerSettings
from pod_runner.node.starting import Workers
from pod_runner.node.static import StaticPods
from pod_runner.node.supervisors import Supervisors
from pod_runner.supervisor.order import NodePlaces
from pod_runner.supervisor.spawner import Spawner


class Parts:
    """All of them; each tells the loop by `put`."""

    def __init__(
        self,
        settings: RunnerSettings,
        places: NodePlaces,
        open_store: Callable[[], Store],
        facts: Callable[[], NodeFacts],
        spawner: Spawner,
        conditions: Conditions,
        put: Callable[[Message], None],
    ) -> None:
        self.spawner = spawner
        self.supervisors = Supervisors(lambda uid, status: put(Told(uid, status)))
        self.workers = Workers(places, spawner, put, most=settings.starts)
        self.reports = Reports(open_store, conditions)
        self.heartbeat = Heartbeat(open_store, facts, conditions, ttl=settings.heartbeat)
        kinds = (POD, CONFIG_MAP)
        self.following = Following(open_store, kinds, conditions, lambda seen: put(Followed(seen)))
        self.static: StaticPods | None = None
        if settings.static_pods:
            folder = Path(settings.static_pods)
            self.static = StaticPods(folder, places.name, conditions, lambda pods: put(Statics(pods)))

    def start(self) -> None:
        """Begin."""
        self.spawner.start()
        for one in (self.supervisors, self.reports, self.heartbeat, self.following, self.static):
            if one is not None:
                one.start()

    def stop(self) -> None:
        """End; who tells first, who is told last. Supervisors go on."""
        for one in (
            self.static,
            self.following,
            self.heartbeat,
            self.workers,
            self.supervisors,
            self.reports,
        ):
            if one is not None:
                one.stop()
        self.spawner.close()

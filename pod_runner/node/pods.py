"""The pods that a node has, as it knows them: folders, supervisors, statuses. For the loop's thread alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pod_runner.cluster.bodies import JsonObject
from pod_runner.kernel.stats import accepted
from pod_runner.node.actual import ActualPod
from pod_runner.node.orders import read_folder, read_status
from pod_runner.node.statuses import is_ready
from pod_runner.node.wanted import BY_HAND, NO_DEMAND, RefusedPod, WantedPod, source_of, wanted_pod
from pod_runner.supervisor.order import PodOrder
from pod_runner.supervisor.state import is_ended, read_state

LIVED_LONG = 60.0  # seconds after which a supervisor's death is the first one again


@dataclass
class LocalPod:
    """One pod's folder. `pod`: of its order; None if there is none that can be followed."""

    uid: str
    folder: Path
    pod: WantedPod | None = None
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    status: JsonObject = field(default_factory=dict)
    is_supervised: bool = False
    is_ended: bool = False
    since: float = 0.0
    stopped: float | None = None
    grace: float = 0.0
    deaths: int = 0
    died: float = 0.0
    connections: int = -1  # that were accepted, by the last look
    connected: float = 0.0

    def look_for_clients(self, now: float) -> None:
        """See whether somebody has connected since the last look; the first look counts as one."""
        if (seen := accepted(read_state(self.folder).pause)) != self.connections:
            self.connections, self.connected = seen, now

    def ordered(self, order: PodOrder) -> None:
        """Take note of an order that is in the folder; one for what is no pod is none."""
        try:
            self.pod, self.config_maps = wanted_pod(order.pod), order.config_maps
        except RefusedPod:
            self.pod = None

    def supervised(self, now: float) -> None:
        """Take note that there is a supervisor."""
        self.is_supervised, self.is_ended, self.since = True, False, now

    def unsupervised(self, now: float) -> None:
        """Take note that there is none any more. One that was told to stop has not died."""
        self.status = read_status(self.folder) or self.status
        self.is_ended = is_ended(self.folder)
        if self.is_supervised and self.stopped is None and not self.is_ended:
            self.deaths = 1 if now - self.since > LIVED_LONG else self.deaths + 1
            self.died = now
        self.is_supervised = False

    def actual(self) -> ActualPod:
        """Return what is to be decided by."""
        pod = self.pod
        return ActualPod(
            self.uid,
            is_ordered=pod is not None,
            is_supervised=self.is_supervised,
            is_ready=is_ready(self.status),
            is_over=self.is_ended,
            is_by_hand=pod is not None and source_of(pod.body) == BY_HAND,
            stopped=self.stopped,
            grace=self.grace,
            connected=self.connected,
            deaths=self.deaths,
            died=self.died,
            demand=pod.demand if pod else NO_DEMAND,
            host_ports=pod.host_ports if pod else frozenset(),
        )


def found_in(folder: Path) -> LocalPod:
    """Return what an earlier life of the agent, or somebody else, has left in a folder."""
    found = LocalPod(folder.name, folder, status=read_status(folder), is_ended=is_ended(folder))
    if (order := read_folder(folder)) is not None:
        found.ordered(order)
    return found

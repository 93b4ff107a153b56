"""A pod's control socket and logs: on this node, or on a node of a lab, seen through its process 1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cni_plugins.journal import AGENT_CONFIG
from cni_spec.errors import NOT_AVAILABLE, TRY_AGAIN_LATER, CniError
from pod_runner.cluster.bodies import text
from pod_runner.cluster.objects import Object
from pod_runner.supervisor.logs import log_file, log_folder
from pod_runner.supervisor.order import SOCKET, NodePlaces
from podwire.agent.settings import read_settings
from podwire.cluster.where import Place


@dataclass(frozen=True)
class NodeRoom:
    """Where a node keeps its pods, as seen from here: below `root`."""

    root: Path
    places: NodePlaces

    def socket(self, pod: Object) -> Path:
        """Return the path of a pod's control socket."""
        return self.seen(Path(self.places.pods, pod.uid, SOCKET))

    def log(self, pod: Object, container: str, attempt: int) -> Path:
        """Return the path of the log of a container's run; runs count from 0."""
        folder = log_folder(self.places, pod.namespace, pod.name, pod.uid)
        return self.seen(log_file(folder, container, attempt))

    def seen(self, path: Path) -> Path:
        """Return a path of the node as it can be opened from here."""
        return self.root / path.relative_to("/")


def room_of(place: Place, pod: Object, config: Path | None = None) -> NodeRoom:
    """Return where the node of a pod keeps it.

    Raises:
        CniError: the pod is on no node yet, or on one that cannot be reached from here.
    """
    node = text(pod.spec, "nodeName")
    if not node:
        raise CniError(
            TRY_AGAIN_LATER, f"pod {pod.name} is on no node yet; `podwire describe pod {pod.name}` says why"
        )
    return room_of_node(place, node, f"the pod {pod.name} runs on {node}", config)


def room_of_node(place: Place, node: str, why: str, config: Path | None = None) -> NodeRoom:
    """Return where a node keeps its pods; `why` begins the sentence if it cannot be reached."""
    if place.lab:
        return _lab_room(place, node, why)
    settings = read_settings(config or AGENT_CONFIG).runner
    places = settings.places()
    if settings.node_name == node:
        return NodeRoom(Path("/"), places)
    beside = Path(places.pods).parent / node
    if (
        Path(places.pods).name == settings.node_name and beside.is_dir()
    ):  # in a lab's node: they share a folder
        return NodeRoom(Path("/"), NodePlaces(**{**vars(places), "name": node, "pods": str(beside)}))
    raise CniError(NOT_AVAILABLE, f"{why}, this is {settings.node_name}: run this there")


def _lab_room(place: Place, node: str, why: str) -> NodeRoom:
    pid = place.found.nodes.get(node)
    if pid is None:
        said = f"{why}, which is not alive"
        raise CniError(NOT_AVAILABLE, said, f"podwire lab mend {node} --name {place.lab} makes it anew")
    root = Path(f"/proc/{pid}/root")
    return NodeRoom(root, read_settings(root / AGENT_CONFIG.relative_to("/")).runner.places())

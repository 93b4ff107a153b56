"""When a cluster has come to rest: kernels right, pods talking, nobody complaining."""

from __future__ import annotations

from tests.overlay.cluster import Cluster
from tests.overlay.flows import silent_pairs
from tests.overlay.machines import wait_until
from tests.overlay.oracle import mistakes


def settle(cluster: Cluster, said: str = "") -> None:
    """Wait until all is as it should be."""
    pods = [one.pod for one in cluster.nodes.values() if one.pod]

    def wrong() -> str:
        return mistakes(cluster) or complaints(cluster) or ", ".join(silent_pairs(pods))

    wait_until(lambda: not wrong(), lambda: f"{said}\n{wrong()}\n{logs(cluster)}")


def complaints(cluster: Cluster) -> str:
    """Return what nodes complain of, or who is not there."""
    return "; ".join(
        f"{one.name}: {one.said}"
        for one in cluster.nodes.values()
        if one.conditions() or not one.said["leased"] or one.process is None or one.process.poll() is not None
    )


def logs(cluster: Cluster) -> str:
    """Return the ends of the nodes' logs."""
    return "\n".join(f"--- {one.name}\n{one.log()[-1500:]}" for one in cluster.nodes.values())

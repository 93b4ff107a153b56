"""What the nodes' pods ask for: kept up to date pod by pod, so that a look costs nothing. In memory alone."""

from __future__ import annotations

from collections import Counter, defaultdict

from pod_runner.cluster.objects import Ref
from pod_runner.controllers.amounts import Amounts
from pod_runner.controllers.views import PodView

DEFAULT = Amounts(0.1, 200 << 20)  # kube-scheduler's, for pods that ask for nothing, where nodes are compared


class NodeUsage:
    """What one node has given away."""

    def __init__(self) -> None:
        self.pods: dict[Ref, PodView] = {}
        self.cpu, self.memory = 0.0, 0  # as asked for
        self.counted_cpu, self.counted_memory = 0.0, 0  # with DEFAULT for pods that ask for nothing
        self.owners: Counter[str] = Counter()
        self.ports: Counter[tuple[str, str, int]] = Counter()
        self.exclusive = 0  # pods that keep others away

    def change(self, pod: PodView, sign: int) -> None:
        """Count a pod (1), or no longer (-1)."""
        asked = pod.requests
        self.cpu += sign * asked.cpu
        self.memory += sign * asked.memory
        self.counted_cpu += sign * (asked.cpu or DEFAULT.cpu)
        self.counted_memory += sign * (asked.memory or DEFAULT.memory)
        self.ports.update(dict.fromkeys(pod.host_ports, sign))
        self.exclusive += sign * pod.has_anti_affinity
        if pod.is_active and pod.owner:
            self.owners[pod.owner] += sign
        if sign > 0:
            self.pods[pod.ref] = pod
        else:
            del self.pods[pod.ref]
            self.ports = +self.ports

    def has_port(self, wanted: tuple[str, str, int]) -> bool:
        """Tell whether a port of the node is taken, on that address or on all."""
        address, protocol, number = wanted
        return any(
            (protocol, number) == (taken[1], taken[2])
            and (not address or not taken[0] or address == taken[0])
            for taken in self.ports
        )


class Usage:
    """All nodes' usage. A pod that is over takes nothing; one that is being deleted does until it is gone."""

    def __init__(self) -> None:
        self.nodes: defaultdict[str, NodeUsage] = defaultdict(NodeUsage)

    def add(self, pod: PodView, node: str = "") -> None:
        """Count a pod on its node, or on the one that it is about to be bound to."""
        self.remove(pod, node)
        if not pod.is_over and (node or pod.node):
            self.nodes[node or pod.node].change(pod, 1)

    def remove(self, pod: PodView, node: str = "") -> None:
        """Count it no longer; never counted is fine."""
        where = self.nodes.get(node or pod.node)
        if where is None or pod.ref not in where.pods:
            return
        where.change(where.pods[pod.ref], -1)
        if not where.pods:
            del self.nodes[node or pod.node]

    def at(self, node: str) -> NodeUsage:
        """Return a node's; one without pods has used nothing."""
        return self.nodes.get(node) or NodeUsage()

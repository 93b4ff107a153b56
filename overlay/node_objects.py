"""KubernetesRegistry: the leases of a cluster whose nodes are Kubernetes Nodes.

Kubernetes gives the subnets (`spec.podCIDRs`, by kube-controller-manager) and takes them back (with the
Node); we write on our own Node how it is reached, as flannel does. So nothing is claimed here, nothing ends
by time, and nothing is released.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cluster_store.kubernetes import KubernetesClient
from cluster_store.kubernetes_answers import NotFound
from cluster_store.store import Conflict, StoreRefused, StoreUnavailable
from overlay.errors import BadRecord, NoLease, Stolen
from overlay.kubernetes_node import Node, applied, left_over, parse_node, slim, with_overwrites
from overlay.net_conf import NetConf
from overlay.net_conf_file import NetConfFile
from overlay.node_annotations import ANNOTATION_PREFIX
from overlay.node_following import NODES, NodeObjectsFollower, as_nodes, read_item
from overlay.offers import with_known_macs
from overlay.record import WIRE_VERSION, NodeRecord
from overlay.registry import Nodes
from overlay.subnet import Subnet

WRITE_ATTEMPTS = 5  # a kubelet writes its Node every few minutes; five collisions in a row are no accident
LOOK_AGAIN = 300.0  # seconds; the follower tells sooner, this finds what it cannot: other podCIDRs


class KubernetesRegistry:
    """One cluster's Nodes. `node` is this node's name there, `net_conf` the file of the configuration."""

    def __init__(
        self,
        client: KubernetesClient,
        node: str,
        net_conf: Path,
        *,
        prefix: str = ANNOTATION_PREFIX,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._node, self._prefix, self._now = client, node, prefix, now
        self._file = NetConfFile(net_conf)

    @property
    def name(self) -> str:
        """Return what it is, for a person."""
        return self._client.name

    def net_conf(self) -> NetConf:
        """Return the network's configuration. Raises NotConfigured."""
        return self._file.read()

    def follow(self) -> NodeObjectsFollower:
        """Return a follower of all records, this node's own among them."""
        return NodeObjectsFollower(self._client, NetConfFile(self._file.path), self._prefix)

    def nodes(self) -> Nodes:
        """Return all records now. Raises StoreUnavailable, StoreRefused."""
        for is_metadata in (True, False):
            listed = self._client.list(NODES, is_metadata=is_metadata, keep=slim)
            read = [read_item(item, self._prefix) for item in listed.items]
            if not any(node is not None and node.is_flannels(self._prefix) for _, node, _ in read):
                break
        return as_nodes(seen for _, _, seen in read if seen is not None)

    def acquire(self, wanted: NodeRecord, previous: Sequence[str] = ()) -> NodeRecord:
        """Write the record on the node's own Node, with the subnets that Kubernetes gave it.

        `previous` is of no use: Kubernetes remembers.

        Raises:
            NoLease: it gave none (yet), or none that is in the network.
            Stolen: it gave others than those that pods live on.
            StoreUnavailable, StoreRefused, NotConfigured.
        """
        config = self.net_conf()

        def decide(node: Node) -> NodeRecord:
            subnets = self._subnets(node, config)
            self._refuse_others(node, wanted.subnets, subnets)
            return replace(with_known_macs(wanted, self._before(node), self._node), subnets=subnets)

        absent = f"there is no Node {self._node}: does the kubelet run, and is that the name it registers?"
        return self._write(decide, NoLease(absent))

    def publish(self, record: NodeRecord) -> NodeRecord:
        """Write the node's own record. Raises Stolen, StoreUnavailable, StoreRefused."""

        def decide(node: Node) -> NodeRecord:
            self._refuse_others(node, record.subnets, node.subnets())
            return record

        return self._write(decide, self._gone(record))

    def grow(self, record: NodeRecord, version: int) -> NodeRecord:
        """Refuse: Kubernetes gives a node one subnet of each family, for good. Raises NoLease."""
        raise NoLease(
            f"Node {self._node} has one IPv{version} subnet, and Kubernetes gives no second: for more pods a "
            f"node, set a smaller --node-cidr-mask-size-ipv{version} in kube-controller-manager"
        )

    def keep_alive(self, record: NodeRecord) -> float:
        """See that the Node is there and has these subnets; its life is the node's.

        Raises Stolen, StoreUnavailable, StoreRefused.
        """
        node = self._read()
        if node is None:
            raise self._gone(record)
        try:
            self._refuse_others(node, record.subnets, node.subnets())
        except BadRecord as error:
            raise StoreRefused(f"{error}") from error
        return LOOK_AGAIN

    def release(self, key: str, *, force: bool = False) -> None:
        """Refuse: a subnet goes back when its Node is deleted. Raises StoreRefused."""
        raise StoreRefused(
            f"the subnets of Node {key} are Kubernetes' to take back: if the node is gone for good, "
            f"kubectl delete node {key}"
        )

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _before(self, node: Node) -> NodeRecord | None:
        """Return what the Node said before; what nobody can read is written over."""
        try:
            return node.record(self._prefix)
        except BadRecord:
            return None

    def _gone(self, record: NodeRecord) -> Stolen:
        names = _names(record.subnets)
        return Stolen(f"Node {self._node} is gone, and Kubernetes may give its {names} to another")

    def _write(self, decide: Callable[[Node], NodeRecord], absent: Exception) -> NodeRecord:
        """Write what is decided from the Node as it is; if it changed meanwhile, decide again."""
        for _ in range(WRITE_ATTEMPTS):
            node = self._read()
            if node is None:
                raise absent
            try:
                return self._apply(node, with_overwrites(decide(node), node, self._prefix))
            except BadRecord as error:
                raise StoreRefused(f"{error}") from error
            except (Conflict, NotFound):  # changed or deleted since we read it
                continue
        raise StoreUnavailable(f"Node {self._node} changed {WRITE_ATTEMPTS} times while it was being written")

    def _apply(self, node: Node, record: NodeRecord) -> NodeRecord:
        """Write, and return what a reader will find."""
        record = replace(
            record, key=node.name, node=node.name, created=node.created, wire_version=WIRE_VERSION
        )
        path = f"{NODES}/{self._node}/status"
        after = parse_node(self._client.apply(path, applied(node, record, self._prefix, self._now())))
        if stale := left_over(after, record, self._prefix):  # flanneld's, which applying leaves alone
            nothing: dict[str, object] = {"metadata": {"annotations": dict.fromkeys(stale)}}
            self._client.merge(path, nothing, after.metadata.resource_version)
        return record

    def _read(self) -> Node | None:
        body = self._client.get(f"{NODES}/{self._node}")
        try:
            return None if body is None else parse_node(body)
        except BadRecord as error:
            raise StoreUnavailable(f"{self.name}: {error}") from error

    def _subnets(self, node: Node, config: NetConf) -> tuple[Subnet, ...]:
        """Return the Node's subnets of the families in use, which must lie in the network. Raises NoLease."""
        given = node.subnets()
        if not given:
            ranges = ",".join(str(one) for one in config.networks)
            raise NoLease(
                f"Node {node.name} has no spec.podCIDRs (yet): kube-controller-manager gives them with "
                f"--allocate-node-cidrs=true --cluster-cidr={ranges} "
                f"(kubeadm init --pod-network-cidr={ranges})"
            )
        found = []
        for network in config.networks:
            subnet = next((one for one in given if one.version == network.version), None)
            if subnet is None:
                raise NoLease(
                    f"Node {node.name} has no IPv{network.version} subnet (spec.podCIDRs: {_names(given)}), "
                    f"but {self._file.path} has the network {network}: give both families, or disable this"
                )
            if not network.covers(subnet):
                raise NoLease(
                    f"Node {node.name}'s spec.podCIDRs {subnet} is not in {network} of {self._file.path}: "
                    "make Network there and --cluster-cidr of kube-controller-manager the same"
                )
            found.append(subnet)
        return tuple(found)

    def _refuse_others(self, node: Node, held: Sequence[Subnet], given: Sequence[Subnet]) -> None:
        """See that what pods live on is still this node's. Raises Stolen, naming who has it now."""
        lost = [one for one in held if one not in given]
        if not lost:
            return
        others = {
            record.key: one
            for record in self.nodes().records
            for one in record.subnets
            if record.key != node.name and any(one.overlaps(mine) for mine in lost)
        }
        holders = "".join(f"; Node {key} has {one}" for key, one in others.items())
        raise Stolen(
            f"pods of this node live on {_names(lost)}, but Node {node.name} now has "
            f"{_names(given) or 'no subnet'}{holders}"
        )


def _names(subnets: Sequence[Subnet]) -> str:
    return ", ".join(str(one) for one in subnets)

"""Which kinds of objects a cluster has, and where a store has them: PREFIX/PLURAL/[NAMESPACE/]NAME.

Pods, services, nodes and namespaces lie where the service proxy reads them: what a pod's status says is what
its services follow. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "/podwire"


@dataclass(frozen=True)
class ResourceKind:
    """A kind, with the words that kubectl takes for it."""

    kind: str
    plural: str
    group: str = ""  # "" is core
    is_namespaced: bool = True
    short: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """Return what an object's apiVersion is."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def words(self) -> tuple[str, ...]:
        """Return what a person may call it."""
        return (self.plural, self.kind.lower(), *self.short)

    def folder(self, namespace: str = "") -> str:
        """Return how the keys of all, or of a namespace's, begin."""
        return f"{PREFIX}/{self.plural}/" + (f"{namespace}/" if namespace else "")

    def key(self, namespace: str, name: str) -> str:
        """Return the key of one; `namespace` counts where the kind has them."""
        return self.folder(namespace if self.is_namespaced else "") + name


POD = ResourceKind("Pod", "pods", short=("po",))
SERVICE = ResourceKind("Service", "services", short=("svc",))
CONFIG_MAP = ResourceKind("ConfigMap", "configmaps", short=("cm",))
NAMESPACE = ResourceKind("Namespace", "namespaces", is_namespaced=False, short=("ns",))
NODE = ResourceKind("Node", "nodes", is_namespaced=False, short=("no",))
DEPLOYMENT = ResourceKind("Deployment", "deployments", "apps", short=("deploy",))
REPLICA_SET = ResourceKind("ReplicaSet", "replicasets", "apps", short=("rs",))
ENDPOINT_SLICE = ResourceKind("EndpointSlice", "endpointslices", "discovery.k8s.io")
EVENT = ResourceKind("Event", "events", short=("ev",))

KINDS = (POD, SERVICE, DEPLOYMENT, REPLICA_SET, CONFIG_MAP, NAMESPACE, NODE, ENDPOINT_SLICE, EVENT)
BY_KIND = {one.kind: one for one in KINDS}
BY_WORD = {word: one for one in KINDS for word in one.words}

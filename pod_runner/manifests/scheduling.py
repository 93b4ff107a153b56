"""Where a pod may run, typed."""

from __future__ import annotations

from typing import Literal

from pod_runner.manifests.model import Items, KubeModel, LabelSelector, Requirement


class NodeSelectorTerm(KubeModel):
    """Lines that must all hold; an empty term holds for no node."""

    match_expressions: Items[Requirement] = ()
    match_fields: Items[Requirement] = ()  # of metadata.name alone


class NodeSelector(KubeModel):
    """Terms of which one must hold."""

    node_selector_terms: Items[NodeSelectorTerm] = ()


class PreferredSchedulingTerm(KubeModel):
    """A wish; `weight` 1 to 100."""

    weight: int
    preference: NodeSelectorTerm


class NodeAffinity(KubeModel):
    """Which nodes are needed, which are liked."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: Items[PreferredSchedulingTerm] = ()


class PodAffinityTerm(KubeModel):
    """Pods that are meant, and how near is near: nodes with the same value of the label `topology_key`."""

    topology_key: str
    label_selector: LabelSelector | None = None
    namespaces: Items[str] = ()


class WeightedPodAffinityTerm(KubeModel):
    """A wish; `weight` 1 to 100."""

    weight: int
    pod_affinity_term: PodAffinityTerm


class PodAffinity(KubeModel):
    """Beside which pods (or, as podAntiAffinity, beside which not)."""

    required_during_scheduling_ignored_during_execution: Items[PodAffinityTerm] = ()
    preferred_during_scheduling_ignored_during_execution: Items[WeightedPodAffinityTerm] = ()


class Affinity(KubeModel):
    """All of them."""

    node_affinity: NodeAffinity = NodeAffinity()
    pod_affinity: PodAffinity = PodAffinity()
    pod_anti_affinity: PodAffinity = PodAffinity()


class Toleration(KubeModel):
    """A taint that is put up with; `toleration_seconds` None: for ever."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    toleration_seconds: int | None = None


class TopologySpreadConstraint(KubeModel):
    """How evenly pods lie over the values of a node label."""

    max_skew: int
    topology_key: str
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    label_selector: LabelSelector | None = None

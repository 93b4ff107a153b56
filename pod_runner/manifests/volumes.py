"""Volumes of a pod and their mounts, typed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pod_runner.manifests.model import FieldReference, Items, KubeModel, Quantity, ResourceReference
from pod_runner.manifests.quantity import memory

DEFAULT_MODE = 0o644  # core/v1 ConfigMapVolumeSourceDefaultMode


class VolumeMount(KubeModel):
    """Where a container sees a volume, or `sub_path` of it."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str = ""
    mount_propagation: Literal["None", "HostToContainer", "Bidirectional"] = "None"


class EmptyDirSource(KubeModel):
    """An empty folder that ends with the pod; of medium "Memory" a tmpfs."""

    medium: Literal["", "Memory"] = ""
    size_limit: Quantity | None = None

    @property
    def size(self) -> int | None:
        """Return bytes; None: no limit of its own."""
        return None if self.size_limit is None else memory(self.size_limit)


class HostPathSource(KubeModel):
    """A path of the node; `type` "" is not looked at, others are (core/v1 HostPathType)."""

    path: str
    type: str = ""


class ClaimSource(KubeModel):
    """A named volume of the node, made when it is first used."""

    claim_name: str
    read_only: bool = False


class KeyToPath(KubeModel):
    """One key of a ConfigMap as one file; `mode` None: the volume's."""

    key: str
    path: str
    mode: int | None = None


class ConfigMapProjection(KubeModel):
    """Keys of a ConfigMap as files; without `items` all of them."""

    name: str = ""
    items: Items[KeyToPath] = ()
    optional: bool = False


class ConfigMapSource(ConfigMapProjection):
    """A volume of it."""

    default_mode: int = DEFAULT_MODE


class DownwardFile(KubeModel):
    """What the pod says of itself, as a file."""

    path: str
    field_ref: FieldReference | None = None
    resource_field_ref: ResourceReference | None = None
    mode: int | None = None


class DownwardProjection(KubeModel):
    """Files of what the pod says of itself."""

    items: Items[DownwardFile] = ()


class DownwardSource(DownwardProjection):
    """A volume of it."""

    default_mode: int = DEFAULT_MODE


class Projection(KubeModel):
    """A source of a projected volume: one of them."""

    config_map: ConfigMapProjection | None = None
    downward_api: DownwardProjection | None = Field(None, alias="downwardAPI")


class ProjectedSource(KubeModel):
    """Several sources in one folder."""

    sources: Items[Projection] = ()
    default_mode: int = DEFAULT_MODE


class Volume(KubeModel):
    """A volume: exactly one source is not None."""

    name: str
    empty_dir: EmptyDirSource | None = None
    host_path: HostPathSource | None = None
    persistent_volume_claim: ClaimSource | None = None
    config_map: ConfigMapSource | None = None
    downward_api: DownwardSource | None = Field(None, alias="downwardAPI")
    projected: ProjectedSource | None = None

"""Security contexts of pods and containers, typed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pod_runner.manifests.model import Items, KubeModel


class Capabilities(KubeModel):
    """Names without CAP_, or ALL."""

    add: Items[str] = ()
    drop: Items[str] = ()


class SeccompProfile(KubeModel):
    """Which system calls are allowed."""

    type: Literal["RuntimeDefault", "Unconfined", "Localhost"]
    localhost_profile: str = ""


class AppArmorProfile(KubeModel):
    """Which AppArmor profile holds."""

    type: Literal["RuntimeDefault", "Unconfined", "Localhost"]
    localhost_profile: str = ""


class SELinuxOptions(KubeModel):
    """The parts of a label; empty ones are the runtime's choice."""

    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class Sysctl(KubeModel):
    """A sysctl of the pod's network or ipc namespace."""

    name: str
    value: str


class Identity(KubeModel):
    """What pod and container can both say; the container's word counts."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None
    se_linux_options: SELinuxOptions | None = None


class PodSecurityContext(Identity):
    """What holds for all containers of a pod."""

    fs_group: int | None = None
    supplemental_groups: Items[int] = ()
    sysctls: Items[Sysctl] = ()


class SecurityContext(Identity):
    """What one container may."""

    privileged: bool = False
    allow_privilege_escalation: bool | None = None  # None: as Kubernetes, allowed
    read_only_root_filesystem: bool = False
    capabilities: Capabilities = Capabilities()
    proc_mount: Literal["Default"] = Field("Default")

"""Security contexts of a pod and its containers -> Security. Pure; names of users were looked up before."""

from __future__ import annotations

from pod_runner.container.spec import DEFAULT_CAPABILITIES, ContainerError, Security
from pod_runner.images.users import Ids
from pod_runner.kernel.capabilities import NAMES
from pod_runner.manifests.container import Container
from pod_runner.manifests.pod import PodSpec
from pod_runner.manifests.security import AppArmorProfile, SeccompProfile, SELinuxOptions

SECCOMP_FOLDER = "/etc/podwire/seccomp"  # where profiles of type Localhost are, as kubelet's seccomp folder


def security_of(container: Container, spec: PodSpec, ids: Ids) -> Security:
    """Return what a container may; `ids` are those of the image's user.

    Raises:
        ContainerError: runAsNonRoot is asked for, and the user is root.
    """
    own, pods = container.security_context, spec.security_context
    uid = _first(own.run_as_user, pods.run_as_user)
    gid = _first(own.run_as_group, pods.run_as_group)
    if _first(own.run_as_non_root, pods.run_as_non_root) and (ids.uid if uid is None else uid) == 0:
        raise ContainerError(
            f"container {container.name} has runAsNonRoot and image will run as root",
            "CreateContainerConfigError",
        )
    return Security(
        uid=ids.uid if uid is None else uid,
        gid=_gid(uid, gid, ids),
        groups=_groups(spec, ids, named=uid is None),
        capabilities=_capabilities(container),
        no_new_privileges=not (own.allow_privilege_escalation or own.privileged),  # unsaid: runc's default
        read_only_root=own.read_only_root_filesystem,
        privileged=own.privileged,
        seccomp=_seccomp(own.seccomp_profile or pods.seccomp_profile, privileged=own.privileged),
        apparmor=_apparmor(own.app_armor_profile or pods.app_armor_profile),
        selinux=_selinux(own.se_linux_options or pods.se_linux_options),
    )


def _gid(uid: int | None, gid: int | None, ids: Ids) -> int:
    """Return the group: as asked for, else the image's user's, else root's (CRI: run_as_username)."""
    if gid is not None:
        return gid
    return ids.gid if uid is None or uid == ids.uid else 0


def _groups(spec: PodSpec, ids: Ids, *, named: bool) -> tuple[int, ...]:
    context = spec.security_context
    groups = {*context.supplemental_groups, *(ids.groups if named else ())}
    return tuple(sorted(groups | ({context.fs_group} if context.fs_group is not None else set())))


def _capabilities(container: Container) -> frozenset[str]:
    """Return the default set, less `drop`, more `add`; ALL is all of them."""
    asked = container.security_context.capabilities
    if container.security_context.privileged:
        return frozenset(NAMES)
    add, drop = ({_bare(name) for name in names} for names in (asked.add, asked.drop))
    kept = frozenset() if "ALL" in drop else DEFAULT_CAPABILITIES
    if "ALL" in add:
        return frozenset(NAMES) - (drop - {"ALL"})
    return (kept - drop) | add


def _bare(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _seccomp(profile: SeccompProfile | None, *, privileged: bool) -> str:
    if privileged:
        return "Unconfined"
    if profile is None:
        return "RuntimeDefault"  # kubelet's own default is Unconfined; podman and docker have this one
    if profile.type == "Localhost":
        return f"{SECCOMP_FOLDER}/{profile.localhost_profile}"
    return profile.type


def _apparmor(profile: AppArmorProfile | None) -> str:
    if profile is None or profile.type == "RuntimeDefault":
        return ""
    return profile.localhost_profile if profile.type == "Localhost" else "unconfined"


def _selinux(options: SELinuxOptions | None) -> str:
    """Return a label; parts that are empty are those of containers everywhere (container-selinux)."""
    if options is None:
        return ""
    parts = (
        options.user or "system_u",
        options.role or "system_r",
        options.type or "container_t",
        options.level or "s0",
    )
    return ":".join(parts)


def _first(*values: int | None) -> int | None:
    return next((one for one in values if one is not None), None)

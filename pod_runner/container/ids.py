"""Whether a node has the ids that a container is to have: an ordinary user's lab may have one alone.

Asked before anything is done: the kernel's own answer is "invalid argument", wherever such an id comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pod_runner.container.spec import ContainerError, IdMapping, Security, UserNamespace
from pod_runner.kernel import id_maps

REASON = "CreateContainerConfigError"  # kubelet's, where a user that is asked for may not be
CURE = (
    "a lab of an ordinary user has more where uidmap is installed and /etc/subuid and /etc/subgid give that "
    "user ranges"
)


def require_ids(asked: str, security: Security, own: UserNamespace | None = None) -> None:
    """Look for a container's ids. `asked`: what begins the sentence; `own`: the pod's user namespace.

    Raises:
        ContainerError: one is missing, in its user namespace or in ours.
    """
    users, groups = id_maps.own_users(), id_maps.own_groups()
    if own is not None:
        users, groups = own.uids, own.gids
    _require(asked, "user", "runAsUser or the image's", [security.uid], users)
    _require(asked, "group", "runAsGroup or the image's", [security.gid], groups)
    require_groups(asked, security.groups, groups, can_be_set=own is not None)


def require_groups(
    asked: str, wanted: Iterable[int], there: Sequence[IdMapping] | None = None, *, can_be_set: bool = False
) -> None:
    """Look for supplementary groups; `there` None: in our user namespace. Raises ContainerError."""
    wanted = list(wanted)
    known = id_maps.own_groups() if there is None else there
    _require(asked, "group", "supplementalGroups or fsGroup", wanted, known)
    if wanted and not can_be_set and not id_maps.may_set_groups():
        said = f"{asked}: no group can be given to a process in this user namespace"
        raise ContainerError(f"{said} (supplementalGroups, fsGroup): {CURE}", REASON)


def possible_groups(wanted: Sequence[int]) -> tuple[int, ...]:
    """Return those of an image's groups that can be given here: they are no reason not to run it."""
    if not id_maps.may_set_groups():
        return ()
    lacking = id_maps.missing(wanted, id_maps.own_groups())
    return tuple(one for one in wanted if one not in lacking)


def require_own_namespace(asked: str) -> None:
    """Look whether a pod may have a user namespace of its own (hostUsers: false). Raises ContainerError."""
    if not id_maps.is_machines():
        said = f"{asked}: hostUsers: false takes mounts whose ids are mapped"
        raise ContainerError(
            f"{said}, which only the machine's root may make; here all is an ordinary user's"
        )


def _require(asked: str, what: str, source: str, wanted: list[int], there: Sequence[IdMapping]) -> None:
    for one in id_maps.missing(wanted, there):
        said = f"{asked}: {what} {one} ({source}) is not an id of this user namespace"
        raise ContainerError(f"{said}, which has {id_maps.said(there)}: {CURE}", REASON)

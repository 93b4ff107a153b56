"""Rules of security contexts: what cannot be meant together. Pure."""

from __future__ import annotations

from pod_runner.manifests.problems import Found, JsonObject, Route
from pod_runner.manifests.rules import below, each, text

# sysctls that a pod has of its own (namespaces(7): network; ipc_namespaces(7))
OF_NETWORK = ("net.",)
OF_IPC = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


def check_pod_security(spec: JsonObject, route: Route, found: Found) -> None:
    """Judge the pod's own context."""
    context = below(spec, "securityContext")
    inside = (*route, "securityContext")
    _check_profiles(context, inside, found)
    for place, sysctl in each(context, "sysctls", inside):
        name = text(sysctl, "name").replace("/", ".")
        if name.startswith(OF_NETWORK):
            shared = "hostNetwork"
        elif name.startswith(OF_IPC):
            shared = "hostIPC"
        else:
            sentence = "a pod has those of its network (net.*) and of its ipc namespace for its own"
            found.error((*place, "name"), f"{sentence}; this one is the node's")
            continue
        if spec.get(shared) is True:
            found.error((*place, "name"), f"with {shared} it is the node's")


def check_container_security(container: JsonObject, route: Route, found: Found, spec: JsonObject) -> None:
    """Judge a container's context; `spec` is its pod's."""
    context = below(container, "securityContext")
    inside = (*route, "securityContext")
    _check_profiles(context, inside, found)
    if context.get("privileged") is True and spec.get("hostUsers") is False:
        found.error((*inside, "privileged"), "is not possible with `hostUsers: false`", at_key=True)
    if context.get("allowPrivilegeEscalation") is not False:
        return
    added = below(context, "capabilities").get("add")
    if context.get("privileged") is True or (
        isinstance(added, list) and {"SYS_ADMIN", "CAP_SYS_ADMIN"} & _texts(added)
    ):
        reason = "cannot be false with `privileged: true` or the capability SYS_ADMIN"
        found.error((*inside, "allowPrivilegeEscalation"), reason)


def _check_profiles(context: JsonObject, route: Route, found: Found) -> None:
    for key in ("seccompProfile", "appArmorProfile"):
        profile = below(context, key)
        is_local = profile.get("type") == "Localhost"
        if is_local and not text(profile, "localhostProfile"):
            found.error((*route, key), "Localhost needs localhostProfile")
        if profile and not is_local and profile.get("localhostProfile") is not None:
            found.error((*route, key, "localhostProfile"), "is for the type Localhost", at_key=True)


def _texts(items: list[object]) -> set[str]:
    return {one for one in items if isinstance(one, str)}

"""Rules of a pod: what its fields say of each other. Pure."""

from __future__ import annotations

from pod_runner.manifests.container_rules import check_container
from pod_runner.manifests.problems import Found, JsonObject, Route
from pod_runner.manifests.rules import below, each, number, repeated, text
from pod_runner.manifests.scheduling_rules import check_scheduling
from pod_runner.manifests.security_rules import check_pod_security
from pod_runner.manifests.volume_rules import check_volumes

NAMESERVERS_MAX, SEARCHES_MAX = 3, 32  # core/v1 validation; the first is resolv.conf(5)'s, too


def check_pod(body: JsonObject, found: Found) -> None:
    """Judge a Pod."""
    check_pod_spec(below(body, "spec"), ("spec",), found)


def check_pod_spec(spec: JsonObject, route: Route, found: Found) -> None:
    """Judge a pod's spec, also that of a template."""
    names = repeated(each(spec, "initContainers", route), "name", found)
    repeated(each(spec, "containers", route), "name", found, names)
    volumes = check_volumes(spec, route, found)
    for key in ("initContainers", "containers"):
        for place, container in each(spec, key, route):
            check_container(container, place, found, spec, volumes)
            _check_role(container, place, found, is_init=key == "initContainers")
    _check_host_ports(spec, route, found)
    _check_namespaces(spec, route, found)
    _check_dns(spec, route, found)
    check_pod_security(spec, route, found)
    check_scheduling(spec, route, found)


def _check_role(container: JsonObject, route: Route, found: Found, *, is_init: bool) -> None:
    """An init container ends before the next begins, unless it is a sidecar."""
    is_sidecar = container.get("restartPolicy") == "Always"
    if not is_init and container.get("restartPolicy"):
        found.error((*route, "restartPolicy"), "only init containers have one of their own", at_key=True)
    if not is_init or is_sidecar:
        return
    for key in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(key) is not None:
            sentence = "an init container has one only with `restartPolicy: Always`"
            found.error((*route, key), sentence, at_key=True)


def _check_host_ports(spec: JsonObject, route: Route, found: Found) -> None:
    taken: set[tuple[str, str, int]] = set()
    for key in ("initContainers", "containers"):
        for place, container in each(spec, key, route):
            for inside, port in each(container, "ports", place):
                wanted = number(port, "hostPort")
                if not wanted:
                    continue
                which = (text(port, "protocol") or "TCP", text(port, "hostIP"), wanted)
                if which in taken:
                    found.error((*inside, "hostPort"), f"{wanted} is there twice")
                taken.add(which)
                if spec.get("hostNetwork") is True and wanted != number(port, "containerPort"):
                    found.error((*inside, "hostPort"), "with hostNetwork it must be the containerPort")


def _check_namespaces(spec: JsonObject, route: Route, found: Found) -> None:
    if spec.get("shareProcessNamespace") is True and spec.get("hostPID") is True:
        found.error((*route, "shareProcessNamespace"), "with hostPID the node's is shared", at_key=True)
    if spec.get("hostUsers") is False:
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(key) is True:
                found.error((*route, key), "is not possible with `hostUsers: false`", at_key=True)


def _check_dns(spec: JsonObject, route: Route, found: Found) -> None:
    config = below(spec, "dnsConfig")
    inside = (*route, "dnsConfig")
    for key, most in (("nameservers", NAMESERVERS_MAX), ("searches", SEARCHES_MAX)):
        items = config.get(key)
        if isinstance(items, list) and len(items) > most:
            found.error((*inside, key), f"at most {most}, not {len(items)}")
    if spec.get("dnsPolicy") == "None" and not config.get("nameservers"):
        found.error((*route, "dnsPolicy"), "None needs dnsConfig.nameservers")

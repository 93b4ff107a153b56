"""Rules of a container: ports, variables, mounts, probes, hooks, resources. Pure."""

from __future__ import annotations

from cni_spec.suggestions import suggest
from pod_runner.manifests.forms import FORMS
from pod_runner.manifests.problems import Found, JsonObject, Route, printable
from pod_runner.manifests.quantity import amount
from pod_runner.manifests.references import check_field, check_resource
from pod_runner.manifests.rules import below, each, given, number, one_of, repeated, text
from pod_runner.manifests.security_rules import check_container_security

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
PROBE_ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_ACTIONS = ("exec", "httpGet", "sleep", "tcpSocket")
VALUE_SOURCES = ("configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef")
LIMITED = ("cpu", "memory")  # what a cgroup of a container limits
UNLIMITED = "ephemeral-storage"


def check_container(
    container: JsonObject, route: Route, found: Found, spec: JsonObject, volumes: set[str]
) -> None:
    """Judge one container of a pod with these volumes."""
    repeated(each(container, "ports", route), "name", found)
    _check_env(container, route, found)
    _check_mounts(container, route, found, volumes)
    ports = {text(port, "name") for _, port in each(container, "ports", route)}
    for key in PROBES:
        if isinstance(container.get(key), dict):
            _check_probe(below(container, key), (*route, key), found, ports)
    for key, hook in below(container, "lifecycle").items():
        if isinstance(hook, dict) and key in ("postStart", "preStop"):
            one_of(hook, HOOK_ACTIONS, (*route, "lifecycle", key), found)
            _check_port(hook, (*route, "lifecycle", key), found, ports)
    _check_resources(below(container, "resources"), (*route, "resources"), found)
    check_container_security(container, route, found, spec)


def _check_env(container: JsonObject, route: Route, found: Found) -> None:
    for place, variable in each(container, "env", route):
        source = variable.get("valueFrom")
        if source is None or not isinstance(source, dict):
            continue
        if text(variable, "value"):
            found.error((*place, "valueFrom"), "value and valueFrom exclude each other", at_key=True)
        one_of(source, VALUE_SOURCES, (*place, "valueFrom"), found)
        check_field(source, (*place, "valueFrom"), found, is_file=False)
        check_resource(source, (*place, "valueFrom"), found)
    for place, source in each(container, "envFrom", route):
        one_of(source, ("configMapRef", "secretRef"), place, found)
        prefix = text(source, "prefix")
        if prefix and (expected := FORMS["env-name"](prefix)):
            found.error((*place, "prefix"), f"expected {expected}")


def _check_mounts(container: JsonObject, route: Route, found: Found, volumes: set[str]) -> None:
    repeated(each(container, "volumeMounts", route), "mountPath", found)
    is_privileged = below(container, "securityContext").get("privileged") is True
    for place, mount in each(container, "volumeMounts", route):
        name = text(mount, "name")
        if name and name not in volumes:
            hint = suggest(name, volumes) if len(name) <= 63 else ""
            found.error((*place, "name"), f'the pod has no volume "{printable(name)}"{hint}')
        if mount.get("mountPropagation") == "Bidirectional" and not is_privileged:
            found.error((*place, "mountPropagation"), "Bidirectional needs a privileged container")


def _check_probe(probe: JsonObject, route: Route, found: Found, ports: set[str]) -> None:
    one_of(probe, PROBE_ACTIONS, route, found)
    _check_port(probe, route, found, ports)
    if route[-1] != "readinessProbe" and number(probe, "successThreshold") not in (None, 1):
        found.error((*route, "successThreshold"), f"must be 1 for a {route[-1]}")


def _check_port(action: JsonObject, route: Route, found: Found, ports: set[str]) -> None:
    """A port by name must be one of the container's own: otherwise nobody could ever connect."""
    for key in given(action, "httpGet", "tcpSocket"):
        name = text(below(action, key), "port")
        if name and name not in ports:
            hint = suggest(name, ports) if len(name) <= 63 else ""
            found.error((*route, key, "port"), f'the container has no port "{printable(name)}"{hint}')


def _check_resources(resources: JsonObject, route: Route, found: Found) -> None:
    for key in ("limits", "requests"):
        for name in below(resources, key):
            _check_resource_name(name, (*route, key, name), found)
    limits = below(resources, "limits")
    for name, request in below(resources, "requests").items():
        limit = limits.get(name)
        if limit is None or FORMS["quantity"](limit) or FORMS["quantity"](request):
            continue
        if amount(f"{request}") > amount(f"{limit}"):
            found.error((*route, "requests", name), f"{request} is more than the limit of {limit}")


def _check_resource_name(name: str, route: Route, found: Found) -> None:
    if name in LIMITED:
        return
    if name == UNLIMITED:
        found.ignored(route, "what a pod writes is not limited; an emptyDir of medium Memory has a sizeLimit")
    elif name.startswith("hugepages-") or "/" in name:
        found.error(
            route, "not supported: there are no devices and huge pages to be given to pods", at_key=True
        )
    else:
        hint = suggest(name, LIMITED) if len(name) <= 63 else ""
        found.error(route, f'there is no resource "{printable(name)}"{hint}', at_key=True)

"""Rules of volumes: one source each, paths that do not meet. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pod_runner.manifests.fields import table
from pod_runner.manifests.problems import Found, JsonObject, Route
from pod_runner.manifests.references import check_field, check_resource
from pod_runner.manifests.rules import below, each, given, one_of, repeated, text

PROJECTIONS = ("configMap", "downwardAPI", "secret", "serviceAccountToken", "clusterTrustBundle")


def check_volumes(spec: JsonObject, route: Route, found: Found) -> set[str]:
    """Judge the volumes of a pod; return their names."""
    names = repeated(each(spec, "volumes", route), "name", found)
    containers = {
        text(one, "name") for key in ("containers", "initContainers") for _, one in each(spec, key, route)
    }
    sources = tuple(key for key in table().sections["Volume"] if key != "name")
    for place, volume in each(spec, "volumes", route):
        there = given(volume, *sources)
        if len(there) > 1:
            one_of(volume, sources, place, found)
        if "hostPath" in there and ".." in text(below(volume, "hostPath"), "path").split("/"):
            found.error((*place, "hostPath", "path"), 'must not contain ".."')
        for inside, source in _sources(volume, place, found):
            repeated(each(source, "items", inside), "path", found)
            if inside[-1] == "downwardAPI":
                _check_files(source, inside, found, containers)
    return names


def _sources(volume: JsonObject, route: Route, found: Found) -> Iterator[tuple[Route, JsonObject]]:
    """Yield what makes files, of the volume or of what it projects."""
    for key in given(volume, "configMap", "downwardAPI"):
        yield (*route, key), below(volume, key)
    for place, projection in each(below(volume, "projected"), "sources", (*route, "projected")):
        one_of(projection, PROJECTIONS, place, found)
        for key in given(projection, "configMap", "downwardAPI"):
            yield (*place, key), below(projection, key)


def _check_files(source: JsonObject, route: Route, found: Found, containers: set[str]) -> None:
    for place, item in each(source, "items", route):
        one_of(item, ("fieldRef", "resourceFieldRef"), place, found)
        check_field(item, place, found, is_file=True)
        check_resource(item, place, found)
        of_container = below(item, "resourceFieldRef")
        name = text(of_container, "containerName")
        if of_container and name not in containers:
            sentence = f'the pod has no container "{name}"' if name else "containerName is missing"
            found.error((*place, "resourceFieldRef"), sentence)

"""Manifests that a command names with -f: files, folders, stdin; judged whole before anything is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from cni_spec.errors import INVALID_CONFIG, CniError
from pod_runner.cluster.bodies import JsonObject, with_member
from pod_runner.cluster.objects import DEFAULT_NAMESPACE
from pod_runner.manifests.files import read_paths
from pod_runner.manifests.reading import Placed


def read_manifests(
    names: Sequence[str], namespace: str, warn: Callable[[str], None], *, is_recursive: bool = False
) -> list[JsonObject]:
    """Return the objects of manifests, as they were given, each with its namespace.

    `warn` is told what has no effect.

    Raises:
        CniError: one cannot be read, or is refused; the details are one line for each problem.
    """
    reading = read_paths(names, sys.stdin.buffer, namespace=namespace, recursive=is_recursive)
    for problem in reading.warnings:
        warn(str(problem))
    if reading.errors:
        said = "there is an error" if len(reading.errors) == 1 else f"there are {len(reading.errors)} errors"
        details = "\n".join(map(str, reading.errors))
        raise CniError(INVALID_CONFIG, f"nothing is done: {said} in the manifests", details)
    if not reading.objects:
        raise CniError(INVALID_CONFIG, f"{' '.join(names)}: there is no object in it")
    return [_placed(one, namespace) for one in reading.objects]


def _placed(one: Placed, namespace: str) -> JsonObject:
    """Return an object as it was given, with its namespace. Raises CniError if the command names another."""
    if one.namespace and namespace not in (DEFAULT_NAMESPACE, one.namespace):
        said = f"{one.place}: it is in the namespace {one.namespace}, --namespace says {namespace}"
        raise CniError(INVALID_CONFIG, said)
    return with_member(one.given, one.namespace, "metadata", "namespace") if one.namespace else one.given

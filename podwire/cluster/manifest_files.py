"""Manifests that a command names with -f: files, folders, stdin; judged whole before anything is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pod_runner.manifests.reading import read, read_paths

from cni_spec.errors import INVALID_CONFIG, CniError
from pod_runner.cluster.bodies import JsonObject, text, with_member
from pod_runner.cluster.kinds import BY_KIND
from pod_runner.cluster.objects import DEFAULT_NAMESPACE

STDIN = "-"


def read_manifests(names: Sequence[str], namespace: str, warn: Callable[[str], None]) -> list[JsonObject]:
    """Return the objects of manifests, as they are written, each with its namespace; `warn` of what has no effect.

    Raises:
        CniError: one cannot be read, or is refused; the details are one line for each problem.
    """
    objects: list[JsonObject] = []
    errors: list[str] = []
    for name in names:
        reading = read(sys.stdin.read(), "stdin") if name == STDIN else read_paths([Path(name)])
        errors += [str(one) for one in reading.problems if one.is_error]
        for problem in reading.problems:
            if not problem.is_error:
                warn(str(problem))
        objects += [placed.written for placed in reading.objects]
    if errors:
        raise CniError(
            INVALID_CONFIG, f"nothing is done: {_counted(errors)} in what -f names", "\n".join(errors)
        )
    if not objects:
        raise CniError(INVALID_CONFIG, f"{' '.join(names)}: there is no object in it")
    return [_placed(one, namespace) for one in objects]


def _placed(body: JsonObject, namespace: str) -> JsonObject:
    """Return an object in its own namespace, or in the one the command names."""
    if not BY_KIND[text(body, "kind")].is_namespaced:
        return body
    own = text(body, "metadata", "namespace")
    if own and namespace not in (DEFAULT_NAMESPACE, own):
        name = f"{text(body, 'kind')} {text(body, 'metadata', 'name')}"
        raise CniError(
            INVALID_CONFIG, f"{name}: its manifest says namespace {own}, --namespace says {namespace}"
        )
    return body if own else with_member(body, namespace, "metadata", "namespace")


def _counted(errors: Sequence[str]) -> str:
    return "an error" if len(errors) == 1 else f"{len(errors)} errors"

"""A text -> objects that can be applied, and what is wrong with it, with FILE:LINE:COLUMN. Pure.

A file whose YAML is broken gives what stood before the break; an object with an error is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cni_spec.positions import Spot
from pod_runner.manifests.defaults import with_defaults
from pod_runner.manifests.documents import Document, documents_in
from pod_runner.manifests.fields import Unsupported, table
from pod_runner.manifests.judging import judge
from pod_runner.manifests.problems import JsonObject, Problem, Route
from pod_runner.manifests.rules import below, text
from service_proxy.object_members import shown
from service_proxy.sources.documents import DEPTH
from service_proxy.sources.yaml_text import BadDocument

DEFAULT_NAMESPACE = "default"  # where kubectl puts what names none


@dataclass(frozen=True)
class Placed:
    """An object that can be applied: `given` as it was written, `body` with namespace and defaults.

    What the cluster writes (status, uid, ...) is in neither. `place` is FILE:LINE:COLUMN.
    """

    body: JsonObject
    given: JsonObject
    place: str

    @property
    def kind(self) -> str:
        """Return the kind."""
        return text(self.body, "kind")

    @property
    def name(self) -> str:
        """Return the name."""
        return text(below(self.body, "metadata"), "name")

    @property
    def namespace(self) -> str:
        """Return the namespace; "" for what is in none."""
        return text(below(self.body, "metadata"), "namespace")


@dataclass(frozen=True)
class Reading:
    """What one or several texts say."""

    objects: tuple[Placed, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return the problems that refuse an object or a text."""
        return tuple(one for one in self.problems if one.is_error)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Return what has no effect here."""
        return tuple(one for one in self.problems if not one.is_error)

    def __add__(self, other: Reading) -> Reading:
        return Reading(self.objects + other.objects, self.problems + other.problems)


def read(content: str, source_name: str, namespace: str = DEFAULT_NAMESPACE) -> Reading:
    """Return the objects of a text in YAML or JSON; those that name no namespace get `namespace`."""
    objects: list[Placed] = []
    problems: list[Problem] = []
    try:
        for document in documents_in(content):
            if document.value is not None:  # "---" twice
                for route, body in _opened(document.value, (), "", DEPTH):
                    found = _judged(body, route, document, source_name, namespace)
                    objects += found.objects
                    problems += found.problems
    except BadDocument as error:
        place = f"{source_name}:{error.line or 1}:{error.column or 1}"
        problems.append(Problem((), error.problem, place=place))
    return Reading(tuple(objects), tuple(problems))


def _opened(value: object, route: Route, kind: str, depth: int) -> Iterator[tuple[Route, object]]:
    """Yield the objects of a document; those of a typed list (PodList) may leave kind and version out."""
    named = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(named, str) or not named.endswith("List") or not depth:
        if isinstance(value, dict) and kind in table().kinds and "kind" not in value:
            value = {"apiVersion": table().kinds[kind], "kind": kind, **value}
        yield route, value
        return
    items = value.get("items")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        yield from _opened(item, (*route, "items", index), named.removesuffix("List"), depth - 1)


def _judged(body: object, route: Route, document: Document, source_name: str, namespace: str) -> Reading:
    """Return the object at a route of a document, or why it is none."""

    def place(inside: Route, at_key: bool = False) -> str:
        spot = document.spot((*route, *inside), at_key)
        return f"{source_name}:{spot.line}:{spot.column}"

    if not isinstance(body, dict):
        sentence = f"expected an object with a kind, not {shown(body)}"
        return Reading((), (Problem((), sentence, place=place(())),))
    problems = [replace(one, place=place(one.route, one.at_key)) for one in judge(body)]
    problems.sort(key=lambda one: (_spot(one.place), one.path, one.sentence))
    if any(one.is_error for one in problems):
        return Reading((), tuple(problems))
    given = without_clusters_own(body)
    return Reading(
        (Placed(with_defaults(_in_namespace(given, namespace)), given, place(())),), tuple(problems)
    )


def _spot(place: str) -> Spot:
    line, column = place.rsplit(":", 2)[1:]
    return Spot(int(line), int(column))


def _in_namespace(body: JsonObject, namespace: str) -> JsonObject:
    metadata = below(body, "metadata")
    if body["kind"] == "Namespace" or metadata.get("namespace"):
        return body
    return {**body, "metadata": {**metadata, "namespace": namespace}}


def without_clusters_own(body: JsonObject) -> JsonObject:
    """Return an object without what the cluster writes: what `get -o yaml` printed can be applied."""
    metadata = _without(body["metadata"], "ObjectMeta")
    return _without({**body, "metadata": metadata}, text(body, "kind"))


def _without(body: object, section: str) -> JsonObject:
    assert isinstance(body, dict)
    fields = table().sections[section]
    return {
        key: value
        for key, value in body.items()
        if not (isinstance(field := fields.get(key), Unsupported) and field.is_clusters)
    }

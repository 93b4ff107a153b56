"""What a person names, `pods`, `deploy web db`, `svc/web`, with `-l` and `--field-selector` -> objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cni_spec.errors import INVALID_CONFIG, CniError
from pod_runner.cluster.bodies import JsonObject, member
from pod_runner.cluster.kinds import BY_WORD, DEPLOYMENT, KINDS, POD, REPLICA_SET, SERVICE, ResourceKind
from pod_runner.cluster.objects import Object, ref_of
from pod_runner.cluster.selectors import Selector
from pod_runner.cluster.store import ClusterStore, NotFound

ALL = (POD, SERVICE, DEPLOYMENT, REPLICA_SET)  # what `get all` means here, and what it leaves out is long


class Choice(NamedTuple):
    """All of a kind, or the one of a name."""

    kind: ResourceKind
    name: str = ""


class FieldTest(NamedTuple):
    """A part of --field-selector: what lies at a path is, or is not, this text."""

    path: tuple[str, ...]
    value: str
    is_wanted: bool

    def holds(self, body: JsonObject) -> bool:
        """Tell whether an object is so; what is missing counts as empty."""
        found = member(body, *self.path)
        said = "" if found is None else str(found).lower() if isinstance(found, bool) else str(found)
        return (said == self.value) is self.is_wanted


class Filter(NamedTuple):
    """Which of several are meant. `namespace` "": of every namespace."""

    namespace: str = ""
    labels: Selector = Selector()
    fields: tuple[FieldTest, ...] = ()

    @property
    def is_open(self) -> bool:
        """Tell whether it leaves nobody out but for namespaces."""
        return not self.labels.requirements and not self.fields

    def takes(self, found: Object) -> bool:
        """Tell whether an object is meant."""
        if found.namespace and self.namespace not in ("", found.namespace):
            return False
        return self.labels.matches(found.labels) and all(one.holds(found.body) for one in self.fields)


class Chosen(NamedTuple):
    """What was found; and of what was named, what is not there."""

    objects: list[Object]
    missing: list[NotFound]


def read_choices(said: Sequence[str], default: ResourceKind | None = None) -> tuple[Choice, ...]:
    """Read KIND, KIND,KIND, KIND NAME.., KIND/NAME..; with a default kind, also NAME.. alone.

    Raises:
        CniError: there is no such kind, or the forms are mixed.
    """
    if not said:
        raise CniError(INVALID_CONFIG, f"say what is meant: {_kinds()}, or KIND/NAME")
    if any("/" in one for one in said):
        if default is None and not all("/" in one for one in said):
            raise CniError(
                INVALID_CONFIG, f"{' '.join(said)}: names are KIND/NAME throughout, or follow one KIND"
            )
        return tuple(_named(one, default) for one in said)
    if default is not None:
        return tuple(Choice(default, one) for one in said)
    kinds = [kind for word in said[0].split(",") for kind in kinds_of(word)]
    if len(said) == 1:
        return tuple(Choice(kind) for kind in kinds)
    return tuple(Choice(kind, name) for kind in kinds for name in said[1:])


def kinds_of(word: str) -> tuple[ResourceKind, ...]:
    """Return the kind that a word means; `all` means several. Raises CniError."""
    lowered = word.lower()
    if lowered == "all":
        return ALL
    plain = lowered.partition(".")[0]  # deployments.apps
    if (kind := BY_WORD.get(plain)) is None:
        raise CniError(INVALID_CONFIG, f'there is no kind "{word}" here; there are {_kinds()}')
    return (kind,)


def read_field_selector(said: str) -> tuple[FieldTest, ...]:
    """Read `status.phase=Running,spec.nodeName!=node1`. Raises CniError."""
    tests = []
    for part in filter(None, said.split(",")):
        found = re.fullmatch(r"([A-Za-z][\w.]*)\s*(!=|==?)\s*(.*)", part.strip())
        if found is None:
            raise CniError(
                INVALID_CONFIG, f"--field-selector {said!r}: {part!r} is neither KEY=VALUE nor KEY!=VALUE"
            )
        tests.append(FieldTest(tuple(found[1].split(".")), found[3], found[2] != "!="))
    return tuple(tests)


def choose(cluster: ClusterStore, choices: Iterable[Choice], which: Filter) -> Chosen:
    """Return the objects that are meant, in the order they were named; raises as a store does."""
    objects: list[Object] = []
    missing: list[NotFound] = []
    for kind, name in choices:
        if not name:
            found = cluster.list(kind, which.namespace)
            objects += [one for one in found if which.takes(one)]
        elif one := cluster.get(kind, which.namespace, name):
            objects.append(one)
        else:
            missing.append(NotFound(f"{ref_of(kind, which.namespace, name)} not found"))
    return Chosen(objects, missing)


def _named(said: str, default: ResourceKind | None) -> Choice:
    word, slash, name = said.partition("/")
    if not slash and default is not None:
        return Choice(default, said)
    kinds = kinds_of(word)
    if len(kinds) > 1 or not name or "/" in name:
        raise CniError(INVALID_CONFIG, f'"{said}" names nothing: expected KIND/NAME')
    return Choice(kinds[0], name)


def _kinds() -> str:
    return ", ".join(kind.plural for kind in KINDS)

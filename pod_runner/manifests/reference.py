"""docs/manifests.md, the reference of fields, made from the table: run this module to print it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import assert_never

from pod_runner.manifests.fields import (
    Field,
    ListOf,
    MapOf,
    Scalar,
    Section,
    Supported,
    Type,
    Whole,
    Words,
    table,
)
from pod_runner.manifests.problems import Severity

HEAD = """\
# Manifests

(Made by `python -m pod_runner.manifests.reference` from `pod_runner/manifests/fields.toml`; do not edit.)

podwire reads Kubernetes' YAML and JSON: `podwire apply -f FILE|DIR|-`, and `podwire lint FILE` judges it
without applying anything. Every field that Kubernetes 1.30 has for these kinds is listed here, and is one
of three:

- **supported**: it works as in Kubernetes;
- *ignored*: accepted with a warning, since here it changes nothing that a person would miss;
- refused: an error that says what to use instead. So are kinds and fields that nobody knows.

Each is told with file, line and column; nothing is dropped silently. Of a file with an error nothing is
applied.

```
web.yaml:12:5: spec.containers[0].comand: there is no field "comand"; did you mean "command"?
web.yaml:27:5: spec.volumes[0].nfs: not supported: mount it on the node, and use hostPath
web.yaml:8:3: spec.priorityClassName: pods are never preempted here (ignored)
```

This cluster is for laptops, CI and teaching: where people have many machines, Kubernetes is the engine,
and podwire's plugins, overlay, proxy and DNS run under it. So what a manifest says here it says there as
well. Only the image `host` is podwire's own: it is no image, but the programs of the node, read-only.

YAML is read as Kubernetes' tools read it, with three differences: `<<` is refused, a key that is there
twice is an error, and so are aliases that unfold to more than 200,000 values.
"""
FORMS = {
    "bool": "true or false", "id": "number", "mode": "number", "name": "name", "label": "name",
    "label-key": "label name", "label-value": "label value", "int-or-percent": "number or percentage",
    "port-or-name": "port or its name", "port-name": "name", "inside": "relative path", "absolute": "path",
    "address": "IP address", "search-domain": "domain", "config-key": "key", "env-name": "name",
}  # fmt: skip


def reference() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_kinds(), *_sections()])


def _kinds() -> Iterator[str]:
    known = table()
    yield "## Kinds\n"
    yield from (f"- [{kind}](#{kind.lower()}) (`{version}`)" for kind, version in known.kinds.items())
    yield "\nOthers are refused:\n"
    yield "| kind | instead |\n|---|---|"
    yield from (f"| {kind} | {_cell(reason)} |" for kind, reason in sorted(known.other_kinds.items()))


def _sections() -> Iterator[str]:
    for section, fields in table().sections.items():
        yield f"\n## {section}\n\n| field | | |\n|---|---|---|"
        for name, field in fields.items():
            yield _row(section, name, field)


def _row(section: str, name: str, field: Field) -> str:
    if not isinstance(field, Supported):
        word = "refused" if field.severity is Severity.ERROR else "*ignored*"
        return f"| {name} | {word} | {_cell(field.reason)} |"
    says = [_type(field.type)]
    if field.is_required:
        says.append("required")
    if field.default not in (None, {}):
        default = field.default if isinstance(field.default, str) else json.dumps(field.default)
        says.append(f"by default `{default}`")
    says += [field.note] if field.note else []
    says += [
        f"`{key.rpartition('.')[2]}` is refused: {reason}".replace("`*` is", "others are")
        for key, reason in table().refused_values.items()
        if key.rpartition(".")[0] == f"{section}.{name}"
    ]
    return f"| **{name}** | supported | {_cell('; '.join(says))} |"


def _type(of_type: Type) -> str:
    match of_type:
        case Section(name):
            return f"[{name}](#{name.lower()})"
        case ListOf(inner):
            return f"list of {_type(inner)}"
        case MapOf(key, inner):
            return f"{FORMS.get(key, key)}: {_type(inner)}"
        case Words(words):
            return " or ".join(f"`{word}`" for word in words if word)
        case Whole(first, last):
            return f"number from {first} to {last}" if last < 2**31 - 1 else _from(first)
        case Scalar(form):
            return FORMS.get(form, form)
        case _:
            assert_never(of_type)


def _from(first: int) -> str:
    return f"number from {first} on" if first > -(2**31) else "number"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(reference())

"""`podwire get`: what there is in a cluster, as kubectl shows it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from podwire.cluster.printed import Form
from podwire.commands.cluster_options import (
    AllOption,
    FieldsOption,
    FormOption,
    KindArgument,
    LabOption,
    NamespaceOption,
    SelectorOption,
    SourceOption,
    check_names,
    reached,
    read_filter,
)
from podwire.commands.printing import plain_lines, say

if TYPE_CHECKING:
    from pod_runner.cluster.kinds import ResourceKind
    from pod_runner.cluster.objects import Object
    from pod_runner.cluster.store import ClusterStore
    from podwire.cluster.rows import Look

app = typer.Typer()


@app.command()
def get(
    what: KindArgument,
    namespace: NamespaceOption = "default",
    all_namespaces: AllOption = False,
    selector: SelectorOption = "",
    field_selector: FieldsOption = "",
    output: FormOption = Form.TABLE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on and print what changes.")] = False,
    watch_only: Annotated[bool, typer.Option("--watch-only", help="Only what changes.")] = False,
    show_labels: Annotated[bool, typer.Option("--show-labels", help="With a column of labels.")] = False,
    no_headers: Annotated[bool, typer.Option("--no-headers", help="Rows alone.")] = False,
    ignore_not_found: Annotated[bool, typer.Option("--ignore-not-found", help="None is fine.")] = False,
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Show objects: pods, deployments, services, nodes, ..."""
    from podwire.cluster.rows import Look
    from podwire.cluster.selecting import choose, read_choices

    choices = read_choices(what)
    which = read_filter(namespace, selector, field_selector, is_everywhere=all_namespaces)
    check_names(choices, which, is_everywhere=all_namespaces)
    is_mixed = len({one.kind for one in choices}) > 1
    look = Look(
        is_wide=output is Form.WIDE, has_namespaces=all_namespaces, has_labels=show_labels,
        has_kinds=is_mixed or (len(choices) > 1 and len(what[0].split("/")) > 1),
        has_headings=not no_headers,
    )  # fmt: skip
    with reached(source, lab) as cluster:
        if watch or watch_only:
            from podwire.commands.watched import watch_objects

            watch_objects(cluster, choices, which, look, output, is_only_new=watch_only)
            return
        chosen = choose(cluster, choices, which)
        is_one = len(choices) == 1 and bool(choices[0].name)
        print_objects(cluster, chosen.objects, look, output, is_one=is_one)
    for error in () if ignore_not_found else chosen.missing:
        say(str(error))
    if chosen.missing and not ignore_not_found:
        raise typer.Exit(1)
    if not chosen.objects and not chosen.missing and output in (Form.TABLE, Form.WIDE):
        is_inside = not all_namespaces and any(one.kind.is_namespaced for one in choices)
        say("no resources found" + (f" in the namespace {namespace}" if is_inside else ""))


def print_objects(
    cluster: ClusterStore, objects: Sequence[Object], look: Look, form: Form, *, is_one: bool
) -> None:
    """Print objects in a form; one alone is no List."""
    from podwire.cluster.allotted import with_allotted
    from podwire.cluster.printed import listed, shown_name, to_form

    found = with_allotted(cluster, objects)
    if form in (Form.JSON, Form.YAML):
        if found or not is_one:
            sys.stdout.write(to_form(listed(found, is_one=is_one), form))
    elif form is Form.NAME:
        sys.stdout.writelines(f"{shown_name(one.ref)}\n" for one in found)
    else:
        tables = [_table(cluster, kind, list(group), look) for kind, group in groupby(found, _kind)]
        sys.stdout.write("\n".join(tables))


def _table(cluster: ClusterStore, kind: ResourceKind, objects: Sequence[Object], look: Look) -> str:
    from podwire.cluster.rows import Endpoints, headings, row

    columns = look.columns(kind)
    ends = Endpoints(cluster) if look.is_wide else None
    now = time.time()
    rows = [row(one, columns, look, now, ends) for one in objects]
    lines = plain_lines(headings(columns, look) if look.has_headings else (), rows)
    return "".join(f"{line}\n" for line in lines)


def _kind(found: Object) -> ResourceKind:
    return found.ref.resource

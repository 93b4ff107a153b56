"""`podwire events`: what has happened, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from podwire.cluster.printed import Form
from podwire.commands.cluster_options import (
    AllOption,
    FormOption,
    LabOption,
    NamespaceOption,
    SourceOption,
    reached,
)
from podwire.commands.printing import say

if TYPE_CHECKING:
    from pod_runner.cluster.objects import Object

app = typer.Typer()


@app.command()
def events(
    namespace: NamespaceOption = "default",
    all_namespaces: AllOption = False,
    about: Annotated[str, typer.Option("--for", metavar="KIND/NAME", help="Of one object.")] = "",
    types: Annotated[str, typer.Option(help="Normal, Warning.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on and print what happens.")] = False,
    output: FormOption = Form.TABLE,
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Show what has happened to objects, oldest first."""
    from pod_runner.cluster.events import last_time
    from pod_runner.cluster.kinds import EVENT
    from podwire.cluster.rows import Look
    from podwire.cluster.selecting import Choice, FieldTest, Filter, read_choices
    from podwire.commands.get import print_objects

    tests = [FieldTest(("type",), types, True)] if types else []
    if about:
        ((kind, name),) = read_choices([about])
        tests += [FieldTest(("involvedObject", "kind"), kind.kind, True)]
        tests += [FieldTest(("involvedObject", "name"), name, True)]
    which = Filter("" if all_namespaces else namespace, fields=tuple(tests))
    look = Look(has_namespaces=all_namespaces)
    with reached(source, lab) as cluster:
        if watch:
            from podwire.commands.watched import watch_objects

            watch_objects(cluster, [Choice(EVENT)], which, look, output, is_only_new=False)
            return
        found: list[Object] = [one for one in cluster.list(EVENT, which.namespace) if which.takes(one)]
        print_objects(cluster, sorted(found, key=last_time), look, output, is_one=False)
    if not found and output in (Form.TABLE, Form.WIDE):
        say("no events" + ("" if all_namespaces else f" in the namespace {namespace}"))

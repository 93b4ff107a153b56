"""`podwire label`: labels set and taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from podwire.commands.cluster_options import (
    LabOption,
    NamespaceOption,
    SelectorOption,
    SourceOption,
    check_names,
    reached,
    read_filter,
)

if TYPE_CHECKING:
    from pod_runner.cluster.bodies import JsonObject

app = typer.Typer()


@app.command()
def label(
    words: Annotated[list[str], typer.Argument(metavar="KIND[/NAME] [NAME]... KEY=VALUE|KEY-...")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also where there is another value.")
    ] = False,
    namespace: NamespaceOption = "default",
    selector: SelectorOption = "",
    everything: Annotated[bool, typer.Option("--all", help="All of the kind in the namespace.")] = False,
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Set labels, KEY=VALUE, and take them away, KEY-."""
    from cni_spec.errors import INVALID_CONFIG, CniError
    from podwire.cluster.labelling import labelled, read_changes
    from podwire.cluster.printed import shown_name
    from podwire.cluster.selecting import choose, read_choices

    named = [one for one in words if "=" not in one and not one.endswith("-")]
    changes = read_changes([one for one in words if one not in named])
    choices, which = read_choices(named), read_filter(namespace, selector)
    check_names(choices, which, is_everywhere=False)
    if which.is_open and not everything and any(not one.name for one in choices):
        raise CniError(INVALID_CONFIG, "say which: names, --selector, or --all")

    def edit(body: JsonObject) -> JsonObject:
        return labelled(body, changes, may_replace=overwrite)

    with reached(source, lab) as cluster:
        chosen = choose(cluster, choices, which)
        if chosen.missing:
            raise chosen.missing[0]
        for found in chosen.objects:
            after = cluster.change(found.ref.resource, found.namespace, found.name, edit)
            typer.echo(f"{shown_name(found.ref)} {'labeled' if after != found.body else 'not labeled'}")

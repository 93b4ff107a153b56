"""`podwire delete`: objects by name, by label, or those of manifests."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cni_spec.errors import INVALID_CONFIG, CniError
from podwire.commands.cluster_options import (
    AllOption,
    FilesOption,
    LabOption,
    NamespaceOption,
    RecursiveOption,
    SelectorOption,
    SourceOption,
    check_names,
    reached,
    read_filter,
)
from podwire.commands.printing import say

if TYPE_CHECKING:
    from pod_runner.cluster.objects import Object
    from pod_runner.cluster.store import NotFound
    from podwire.cluster.selecting import Choice

app = typer.Typer()


class Cascade(StrEnum):
    """What becomes of what an object has made."""

    BACKGROUND = "background"
    ORPHAN = "orphan"


NOW = 1  # seconds of grace that --now gives, as kubectl's


@app.command()
def delete(
    what: Annotated[list[str] | None, typer.Argument(metavar="[KIND[/NAME] [NAME]...]")] = None,
    filename: FilesOption = None,
    recursive: RecursiveOption = False,
    namespace: NamespaceOption = "default",
    all_namespaces: AllOption = False,
    selector: SelectorOption = "",
    everything: Annotated[bool, typer.Option("--all", help="All of the kind in the namespace.")] = False,
    grace_period: Annotated[
        int, typer.Option(help="Seconds for a pod to end; -1: what it says itself.")
    ] = -1,
    force: Annotated[
        bool, typer.Option("--force", help="Forget pods at once; the node kills what runs.")
    ] = False,
    now: Annotated[bool, typer.Option("--now", help="As --grace-period 1.")] = False,
    cascade: Annotated[Cascade, typer.Option(help="orphan: what it made stays.")] = Cascade.BACKGROUND,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until the objects have gone.")] = True,
    timeout: Annotated[str, typer.Option(help="Of the waiting, as 30s; 0: as long as it takes.")] = "0",
    ignore_not_found: Annotated[bool, typer.Option("--ignore-not-found", help="None is fine.")] = False,
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Delete objects, and wait until they have gone."""
    from podwire.cluster.ages import parse_duration
    from podwire.cluster.ending import await_gone
    from podwire.cluster.ending import delete as begin
    from podwire.cluster.printed import shown_name
    from podwire.cluster.selecting import choose, read_choices
    from podwire.cluster.watching import FOREVER

    wanted = (
        _of_files(filename, namespace, is_recursive=recursive)
        if filename
        else [(namespace, one) for one in read_choices(what or ())]
    )
    which = read_filter(namespace, selector, is_everywhere=all_namespaces)
    choices = tuple(one for _, one in wanted)
    if not filename:
        check_names(choices, which, is_everywhere=all_namespaces)
        _check_all(choices, is_meant=everything or not which.is_open)
    grace = 0 if force else NOW if now else None if grace_period < 0 else grace_period
    with reached(source, lab) as cluster:
        found: list[Object] = []
        missing: list[NotFound] = []
        for space, choice in wanted:
            chosen = choose(cluster, [choice], which if not choice.name else which._replace(namespace=space))
            found += chosen.objects
            missing += chosen.missing
        for one in found:
            begin(cluster, one, grace, orphan=cascade is Cascade.ORPHAN)
            typer.echo(f"{shown_name(one.ref)} {'force deleted' if force else 'deleted'}")
        if wait:
            await_gone(cluster, found, parse_duration(timeout) or FOREVER)
    for error in () if ignore_not_found else missing:
        say(str(error))
    if missing and not ignore_not_found:
        raise typer.Exit(1)
    if not found and not missing:
        say("no resources found")


def _of_files(names: list[str], namespace: str, *, is_recursive: bool) -> list[tuple[str, Choice]]:
    """Return what manifests name, with its namespace."""
    from pod_runner.cluster.objects import ref_of_body
    from podwire.cluster.manifest_files import read_manifests
    from podwire.cluster.selecting import Choice

    refs = [ref_of_body(one) for one in read_manifests(names, namespace, say, is_recursive=is_recursive)]
    return [(ref.namespace, Choice(ref.resource, ref.name)) for ref in refs]


def _check_all(choices: tuple[Choice, ...], *, is_meant: bool) -> None:
    """Refuse to delete all of a kind that nobody has said. Raises CniError."""
    if any(not one.name for one in choices) and not is_meant:
        raise CniError(INVALID_CONFIG, "say which: names, --selector, or --all")

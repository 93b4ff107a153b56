"""`podwire apply`: make a cluster's objects as manifests say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from podwire.cluster.printed import Form
from podwire.commands.cluster_options import (
    FilesOption,
    FormOption,
    LabOption,
    NamespaceOption,
    RecursiveOption,
    SourceOption,
    reached,
)
from podwire.commands.failing import as_error
from podwire.commands.printing import say

if TYPE_CHECKING:
    from pod_runner.cluster.bodies import JsonObject
    from pod_runner.cluster.store import ClusterStore
    from podwire.cluster.applying import Outcome

app = typer.Typer()


@app.command()
def apply(
    filename: FilesOption = None,
    recursive: RecursiveOption = False,
    namespace: NamespaceOption = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would become of it.")] = False,
    output: FormOption = Form.TABLE,
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Create and change objects as manifests say. If one of them is wrong, nothing is done."""
    from cni_spec.errors import INVALID_CONFIG, CniError
    from podwire.cluster.applying import in_order
    from podwire.cluster.manifest_files import read_manifests

    if not filename:
        raise CniError(INVALID_CONFIG, "say what is to be applied: -f FILE, -f FOLDER or -f -")
    manifests = in_order(read_manifests(filename, namespace, say, is_recursive=recursive))
    with reached(source, lab) as cluster:
        done = [_apply(cluster, one, is_dry=dry_run, form=output) for one in manifests]
        if output in (Form.JSON, Form.YAML):
            _print_objects(cluster, [one for one in done if one is not None], output)
    if None in done:
        raise typer.Exit(1)


def _apply(cluster: ClusterStore, manifest: JsonObject, *, is_dry: bool, form: Form) -> Outcome | None:
    """Apply one manifest and say what came of it; None if it could not be: others go on."""
    from pod_runner.cluster.store import ClusterError
    from podwire.cluster.applying import apply as make_so
    from podwire.cluster.printed import shown_name

    try:
        outcome = make_so(cluster, manifest, is_dry=is_dry)
    except ClusterError as error:
        say(as_error(error).msg)
        return None
    name = shown_name(outcome.ref)
    if outcome.warning:
        say(f"{name}: {outcome.warning}")
    if form is Form.NAME:
        typer.echo(name)
    elif form not in (Form.JSON, Form.YAML):
        typer.echo(f"{name} {outcome.word}{' (dry run)' if is_dry else ''}")
    return outcome


def _print_objects(cluster: ClusterStore, done: list[Outcome], form: Form) -> None:
    from podwire.cluster.printed import listed, to_form

    found = [cluster.get(one.ref.resource, one.ref.namespace, one.ref.name) for one in done]
    objects = [one for one in found if one is not None]
    sys.stdout.write(to_form(listed(objects, is_one=len(done) == 1), form))

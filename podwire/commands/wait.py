"""`podwire wait`: until objects are as one says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from podwire.commands.cluster_options import (
    AllOption,
    FieldsOption,
    KindArgument,
    LabOption,
    NamespaceOption,
    SelectorOption,
    SourceOption,
    check_names,
    reached,
    read_filter,
)

if TYPE_CHECKING:
    from pod_runner.cluster.objects import Ref
    from pod_runner.cluster.store import ClusterStore
    from podwire.cluster.selecting import Choice, Filter
    from podwire.cluster.watching import Known

app = typer.Typer()


@app.command()
def wait(
    what: KindArgument,
    wanted: Annotated[
        str,
        typer.Option(
            "--for", help="delete, create, condition=NAME[=VALUE], jsonpath='{.status.phase}'=Running."
        ),
    ],
    namespace: NamespaceOption = "default",
    all_namespaces: AllOption = False,
    selector: SelectorOption = "",
    field_selector: FieldsOption = "",
    timeout: Annotated[str, typer.Option(help="As 30s or 5m; 0 looks once.")] = "30s",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Wait until objects are as one says; status 1 if they are not in time."""
    from podwire.cluster.ages import parse_duration
    from podwire.cluster.conditions import parse_wish
    from podwire.cluster.printed import shown_name
    from podwire.cluster.selecting import read_choices
    from podwire.cluster.watching import await_state

    wish, seconds = parse_wish(wanted), parse_duration(timeout)
    choices = read_choices(what)
    which = read_filter(namespace, selector, field_selector, is_everywhere=all_namespaces)
    check_names(choices, which, is_everywhere=all_namespaces)
    with reached(source, lab) as cluster:
        left = dict.fromkeys(_meant(cluster, choices, which, needs_all=wanted not in ("delete", "create")))

        def are_so(known: Known) -> bool:
            for ref in [one for one in left if wish.holds(known.get(one))]:
                del left[ref]
                typer.echo(f"{shown_name(ref)} {_said(wanted)}")
            return not left

        def unmet() -> str:
            return f"{wanted} of {', '.join(shown_name(ref) for ref in left)}"

        if left:
            await_state(cluster, {ref.resource for ref in left}, are_so, unmet, seconds)


def _meant(
    cluster: ClusterStore, choices: tuple[Choice, ...], which: Filter, *, needs_all: bool
) -> list[Ref]:
    """Return what is to be waited for; what is named need not be there, if its end is what is waited for."""
    from cni_spec.errors import NOT_AVAILABLE, CniError
    from pod_runner.cluster.objects import ref_of
    from podwire.cluster.selecting import choose

    named = [ref_of(one.kind, which.namespace, one.name) for one in choices if one.name]
    chosen = choose(cluster, choices, which)
    if needs_all and chosen.missing:
        raise chosen.missing[0]
    found = [*dict.fromkeys([*named, *(one.ref for one in chosen.objects)])]
    if not found and needs_all:
        raise CniError(NOT_AVAILABLE, "nothing matches: there is nothing to wait for")
    return found


def _said(wanted: str) -> str:
    return {"delete": "deleted", "create": "created"}.get(wanted, "condition met")

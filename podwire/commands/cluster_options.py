"""Options of the commands that are kubectl's words: which cluster, which namespace, which objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from podwire.cluster.printed import Form
from podwire.commands.options import keep_output
from podwire.commands.printing import Output

if TYPE_CHECKING:
    from pod_runner.cluster.store import ClusterStore
    from podwire.cluster.selecting import Choice, Filter
    from podwire.cluster.where import Place

WHERE = "Which cluster"  # the panel of --help
SourceOption = Annotated[
    str, typer.Option("--source", help="A store's URL; by default this node's.", rich_help_panel=WHERE)
]
LabOption = Annotated[
    str,
    typer.Option("--lab", help="A lab; by default the only one that runs.", rich_help_panel=WHERE),
]
NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", help="Of or in this namespace.")]
AllOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of every namespace.")]
SelectorOption = Annotated[
    str, typer.Option("--selector", "-l", help="Whose labels are so: app=web,tier in (a, b),!old.")
]
FieldsOption = Annotated[
    str, typer.Option("--field-selector", help="Who is so: spec.nodeName=node1,status.phase!=Running.")
]
KindArgument = Annotated[
    list[str], typer.Argument(metavar="KIND[/NAME] [NAME]...", help="pods, deploy/web, svc web db, all, ...")
]
ContainerOption = Annotated[
    str, typer.Option("--container", "-c", help="Which container; by default the first one.")
]
FilesOption = Annotated[
    list[str] | None,
    typer.Option("--filename", "-f", help="Manifests: a file, a folder, or - for stdin. May be repeated."),
]
RecursiveOption = Annotated[bool, typer.Option("--recursive", "-R", help="Also folders in folders.")]


def _keep_form(context: typer.Context, value: Form) -> Form:
    keep_output(context, Output.JSON if value is Form.JSON else Output.TABLE)
    return value


FormOption = Annotated[
    Form, typer.Option("--output", "-o", help="What to print.", is_eager=True, callback=_keep_form)
]


def reach(source: str, lab: str) -> Place:
    """Return the cluster that is meant, and go where its store is."""
    from podwire.cluster.where import enter, find_place

    place = find_place(source, lab)
    enter(place)
    return place


@contextmanager
def reached(source: str, lab: str) -> Iterator[ClusterStore]:
    """Give the objects of the cluster that is meant; in a lab the rest of this command happens inside it."""
    from podwire.cluster.where import open_cluster

    cluster = open_cluster(reach(source, lab))
    try:
        yield cluster
    finally:
        cluster.close()


def read_filter(
    namespace: str, selector: str = "", fields: str = "", *, is_everywhere: bool = False
) -> Filter:
    """Return which objects are meant. Raises BadSelector, CniError."""
    from pod_runner.cluster.selectors import parse_selector
    from podwire.cluster.selecting import Filter, read_field_selector

    return Filter("" if is_everywhere else namespace, parse_selector(selector), read_field_selector(fields))


def check_names(choices: tuple[Choice, ...], which: Filter, *, is_everywhere: bool) -> None:
    """Refuse names beside selectors, or beside every namespace, as kubectl does. Raises CniError."""
    from cni_spec.errors import INVALID_CONFIG, CniError

    if any(one.name for one in choices) and (is_everywhere or not which.is_open):
        what = "--all-namespaces" if is_everywhere else "a selector"
        raise CniError(INVALID_CONFIG, f"a name says which object is meant: it does not go with {what}")

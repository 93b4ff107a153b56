"""`podwire rollout`: how far a deployment's change is; back to an earlier one; stop and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from podwire.commands.cluster_options import LabOption, NamespaceOption, SourceOption, reached
from podwire.commands.printing import plain_lines

if TYPE_CHECKING:
    from pod_runner.cluster.bodies import JsonObject
    from pod_runner.cluster.objects import Object
    from pod_runner.cluster.store import ClusterStore

    Edit = Callable[[Object], JsonObject]

app = typer.Typer(no_args_is_help=True, help="Follow, undo, restart, pause and resume a deployment's change.")

DeploymentsArgument = Annotated[
    list[str], typer.Argument(metavar="[deployment/]NAME...", help="Deployments.")
]
DeploymentArgument = Annotated[str, typer.Argument(metavar="[deployment/]NAME", help="A deployment.")]


@app.command()
def status(
    name: DeploymentArgument,
    namespace: NamespaceOption = "default",
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", "-w", help="Until it has come to an end.")
    ] = True,
    timeout: Annotated[str, typer.Option(help="As 5m; 0: as long as it takes.")] = "0",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Follow a rollout to its end; status 1 if it comes to none."""
    from pod_runner.cluster.kinds import DEPLOYMENT
    from pod_runner.cluster.store import NotFound
    from pod_runner.controllers.telling import rollout_status
    from podwire.cluster.ages import parse_duration
    from podwire.cluster.watching import FOREVER, TimedOut, states

    with _deployments([name], namespace, source, lab) as (cluster, found):
        ref, said = found[0].ref, ""
        seconds = parse_duration(timeout) or FOREVER
        for known in states(cluster, [DEPLOYMENT], seconds):
            if known is None:
                raise TimedOut(f"the rollout of {ref}", seconds)
            if ref not in known:
                raise NotFound(f"{ref} not found: it was deleted")
            told = rollout_status(known[ref])
            if told.sentence != said:
                said = told.sentence
                typer.echo(said, err=told.is_late)
            if told.is_late:
                raise typer.Exit(1)
            if told.is_done or not watch:
                return


@app.command()
def history(
    name: DeploymentArgument,
    namespace: NamespaceOption = "default",
    revision: Annotated[int, typer.Option("--revision", help="The pods' template of this one.")] = 0,
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """List the revisions that can be gone back to."""
    from pod_runner.cluster.bodies import table
    from pod_runner.cluster.kinds import REPLICA_SET
    from pod_runner.controllers import revisions
    from podwire.cluster.cells import NOTHING
    from podwire.cluster.printed import shown_name

    with _deployments([name], namespace, source, lab) as (cluster, (found,)):
        known = revisions.history(found, cluster.list(REPLICA_SET, found.namespace))
    if not revision:
        typer.echo(shown_name(found.ref))
        for line in plain_lines(
            ("REVISION", "CHANGE-CAUSE"), [(str(one.number), one.cause or NOTHING) for one in known]
        ):
            typer.echo(line)
        return
    wanted = next((one for one in known if one.number == revision), None)
    if wanted is None:
        raise revisions.NoRevision(f"unable to find the specified revision {revision}")
    typer.echo(f"{shown_name(found.ref)} with revision #{revision}")
    typer.echo(yaml.safe_dump(table(wanted.set.spec, "template"), sort_keys=False), nl=False)


@app.command()
def undo(
    name: DeploymentArgument,
    to_revision: Annotated[int, typer.Option("--to-revision", help="0: the one before.", min=0)] = 0,
    namespace: NamespaceOption = "default",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Go back to an earlier revision."""
    from pod_runner.cluster.kinds import REPLICA_SET
    from pod_runner.controllers import revisions

    with _deployments([name], namespace, source, lab) as (cluster, (found,)):
        sets = cluster.list(REPLICA_SET, found.namespace)
        _change(cluster, found, lambda one: revisions.undone(one, sets, to_revision), "rolled back")


@app.command()
def restart(
    names: DeploymentsArgument,
    namespace: NamespaceOption = "default",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Replace all pods, step by step."""
    from pod_runner.controllers import revisions

    with _deployments(names, namespace, source, lab) as (cluster, found):
        for one in found:
            _change(cluster, one, lambda one: revisions.restarted(one.body, time.time()), "restarted")


@app.command()
def pause(
    names: DeploymentsArgument,
    namespace: NamespaceOption = "default",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Let changes of the template wait."""
    _set_paused(names, namespace, source, lab, is_paused=True)


@app.command()
def resume(
    names: DeploymentsArgument,
    namespace: NamespaceOption = "default",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Go on with what has changed meanwhile."""
    _set_paused(names, namespace, source, lab, is_paused=False)


def _set_paused(names: list[str], namespace: str, source: str, lab: str, *, is_paused: bool) -> None:
    from pod_runner.controllers import revisions

    word = "paused" if is_paused else "resumed"
    with _deployments(names, namespace, source, lab) as (cluster, found):
        for one in found:
            _change(cluster, one, lambda one: revisions.paused(one.body, is_paused=is_paused), word)


@contextmanager
def _deployments(
    names: list[str], namespace: str, source: str, lab: str
) -> Iterator[tuple[ClusterStore, list[Object]]]:
    """Give the deployments that are named. Raises NotFound, CniError."""
    from cni_spec.errors import INVALID_CONFIG, CniError
    from pod_runner.cluster.kinds import BY_WORD, DEPLOYMENT
    from podwire.cluster.selecting import Filter, choose, read_choices

    words = names[1:] if len(names) > 1 and BY_WORD.get(names[0]) == DEPLOYMENT else names
    choices = read_choices(words, DEPLOYMENT)
    if other := next((one.kind for one in choices if one.kind != DEPLOYMENT), None):
        raise CniError(INVALID_CONFIG, f"{other.plural} are not rolled out: deployments are")

    with reached(source, lab) as cluster:
        chosen = choose(cluster, choices, Filter(namespace))
        if chosen.missing:
            raise chosen.missing[0]
        yield cluster, chosen.objects


def _change(cluster: ClusterStore, found: Object, edit: Edit, word: str) -> None:
    """Change a deployment and say so."""
    from pod_runner.cluster.objects import Object
    from podwire.cluster.printed import shown_name

    def change(body: JsonObject) -> JsonObject:
        return edit(Object(found.ref, body))

    after = cluster.change(found.ref.resource, found.namespace, found.name, change)
    typer.echo(f"{shown_name(found.ref)} {word if after != found.body else 'is so already'}")

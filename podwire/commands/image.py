"""`podwire image`: the images that pods of this node are made from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cni_spec.errors import IO_FAILURE, NOT_AVAILABLE, CniError
from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table

if TYPE_CHECKING:
    from pod_runner.images.image import StoredImage
    from pod_runner.images.store import ImageStore

app = typer.Typer(help="The images that pods of this node are made from.", no_args_is_help=True)

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="The folder of images; by default agent.toml's \\[runner] says which."),
]
ReferenceArgument = Annotated[
    str, typer.Argument(metavar="IMAGE", help="As a pod names it: nginx:1.25, docker-archive:/tmp/app.tar.")
]
COLUMNS = ("IMAGE", "DIGEST", "SIZE", "MADE")
SPARE = 5.0  # seconds; a container that is about to begin needs milliseconds
UNITS = ("B", "kB", "MB", "GB", "TB")  # powers of 1000, as podman's and Docker's lists have them


@app.command("list")
def list_(store: StoreOption = None, output: OutputOption = Output.TABLE) -> None:
    """List the images that are here."""
    _print(_open(store).list(), output)


@app.command()
def add(
    source: Annotated[
        Path, typer.Argument(help="An archive (OCI, docker save) or the folder of an OCI layout.")
    ],
    name: Annotated[
        str, typer.Option("--name", help="What to call it; by default what it is called there.")
    ] = "",
    store: StoreOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Take the images of an archive, so that pods find them by name."""
    from pod_runner.container.spec import ContainerError

    try:
        added = _open(store).add(source, name)
    except ContainerError as error:
        raise CniError(IO_FAILURE, str(error)) from error
    _print(added, output)


@app.command()
def pull(image: ReferenceArgument, store: StoreOption = None, output: OutputOption = Output.TABLE) -> None:
    """Fetch an image, also if an older one of that name is here.

    By skopeo where it is installed; else, and from registries on this machine, by HTTP without a login.
    """
    from pod_runner.container.spec import ContainerError

    opened = _open(store)
    try:
        name = opened.ensure(image, "Always").reference
    except ContainerError as error:
        raise CniError(IO_FAILURE, str(error)) from error
    _print([one for one in opened.list() if one.reference == name], output)


@app.command()
def remove(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...")], store: StoreOption = None
) -> None:
    """Forget images by name. Pods that run keep theirs; `prune` frees the space."""
    from pod_runner.container.spec import ContainerError

    opened = _open(store)
    try:
        missing = [one for one in images if not opened.remove(one)]
    except ContainerError as error:
        raise CniError(NOT_AVAILABLE, str(error)) from error
    if missing:
        raise CniError(NOT_AVAILABLE, f"not here: {', '.join(missing)}; `podwire image list` shows what is")


@app.command()
def prune(store: StoreOption = None, output: OutputOption = Output.TABLE) -> None:
    """Remove what neither a name nor a container needs, and say how much that was."""
    freed = _open(store).prune(spare=SPARE)
    if output is Output.JSON:
        print_json({"freed": freed})
    else:
        typer.echo(f"{_size(freed)} freed")


def _open(store: Path | None) -> ImageStore:
    from cni_plugins.journal import AGENT_CONFIG
    from pod_runner.images.store import ImageStore
    from podwire.agent.settings import read_chosen_settings

    return ImageStore(store or Path(read_chosen_settings(AGENT_CONFIG).runner.images))


def _print(images: Sequence[StoredImage], output: Output) -> None:
    if output is Output.JSON:
        print_json([{"image": one.reference, "digest": one.digest, "size": one.size, "made": _time(one.made)}
                    for one in images])  # fmt: skip
        return
    rows = [(one.reference, one.digest[:19], _size(one.size), _time(one.made)) for one in images]
    print_table(COLUMNS, rows)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _size(number: float) -> str:
    for unit in UNITS[:-1]:
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} {UNITS[-1]}"

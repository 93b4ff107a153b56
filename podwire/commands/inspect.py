"""`podwire inspect`: every object an attachment owns, in the kernel and in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from linuxnet.errors import KernelError, MissingTool
from podwire.commands.cni_session import resolve_netns
from podwire.commands.options import CACHE_DIR, CacheDirOption, OutputOption
from podwire.commands.printing import Output, print_json, print_table, say
from podwire.inspection.things import Thing

app = typer.Typer(no_args_is_help=True)


@app.command()
def inspect(
    subject: Annotated[
        str,
        typer.Argument(metavar="NETNS|CONTAINER", help="A namespace's path or name, or a container's id."),
    ],
    cache_dir: CacheDirOption = CACHE_DIR,
    output: OutputOption = Output.TABLE,
) -> None:
    """List every object that an attachment owns: links, addresses, routes, rules, shaping, files."""
    from linuxnet.kernel import Kernel
    from pod_runner.cni.cache import ResultCache
    from podwire.inspection.files import reservations, results
    from podwire.inspection.host import host_links, iptables_rules, nft_objects
    from podwire.inspection.inside import container_objects
    from podwire.inspection.subject import find_subject

    cache = ResultCache(cache_dir)
    with Kernel() as kernel:
        found = find_subject(kernel, subject, resolve_netns(subject), cache.attachments())
        looks: tuple[Callable[[], Iterator[Thing]], ...] = (
            lambda: host_links(kernel, found),
            lambda: container_objects(kernel),
            lambda: nft_objects(kernel, found),
            lambda: iptables_rules(kernel, found),
            lambda: reservations(found),
            lambda: results(found, cache),
        )
        things = [thing for look in looks for thing in _seen(look)]
    if output is Output.JSON:
        ids = sorted(found.container_ids)
        print_json({"netns": found.netns, "containers": ids, "objects": [asdict(thing) for thing in things]})
        return
    print_table(
        ("WHERE", "KIND", "NAME", "DETAIL", "OWNER"),
        [(thing.where, thing.kind, thing.name, thing.detail, thing.owner) for thing in things],
    )


def _seen(look: Callable[[], Iterator[Thing]]) -> list[Thing]:
    """Look; what this machine cannot show is a remark, and the rest is shown."""
    try:
        return list(look())
    except (MissingTool, KernelError) as error:
        say(str(error))
        return []

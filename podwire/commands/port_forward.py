"""`podwire port-forward`: local ports that lead into a pod."""

from __future__ import annotations

from typing import Annotated

import typer

from podwire.commands.cluster_options import LabOption, NamespaceOption, SourceOption

app = typer.Typer()


@app.command("port-forward")
def port_forward(
    pod: Annotated[str, typer.Argument(metavar="POD | KIND/NAME", help="web, deploy/web, svc/web.")],
    ports: Annotated[
        list[str], typer.Argument(metavar="[LOCAL:]REMOTE...", help="8080:80, :80, 80, 8080:http.")
    ],
    address: Annotated[
        str, typer.Option("--address", help="Where to listen, with commas between.")
    ] = "127.0.0.1",
    namespace: NamespaceOption = "default",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Let local ports lead to a pod's, as if one asked from inside it; until Ctrl-C."""
    from podwire.cluster.finding import room_of
    from podwire.cluster.forwarding import Forwarded, listen, pods_port, read_wish, serve
    from podwire.cluster.sought import seek
    from podwire.cluster.where import find_place

    wishes = [read_wish(one) for one in ports]
    place = find_place(source, lab)
    sought = seek(place, pod, namespace)
    (found,) = sought.pods
    path = room_of(place, found).socket(found)
    remotes = [pods_port(one.remote, sought.by, found.body) for one in wishes]
    addresses = ["127.0.0.1" if one == "localhost" else one for one in address.split(",")]
    forwarded = []
    for wish, remote in zip(wishes, remotes, strict=True):
        local = int(wish.remote) if wish.local is None else wish.local
        forwarded.append(Forwarded(listen(addresses, local), remote))
        for listener in forwarded[-1].listeners:
            host, port = listener.getsockname()[:2]
            typer.echo(f"Forwarding from {f'[{host}]' if ':' in host else host}:{port} -> {remote}")
    try:
        serve(path, forwarded, typer.echo)
    except KeyboardInterrupt:
        return

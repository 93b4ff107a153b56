"""`podwire dns`: the cluster's DNS server by itself: names of services, and all others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cni_spec.config import validate
from cni_spec.json_input import JsonObject

app = typer.Typer(help="Serve services' names on this node, without the agent: what CoreDNS does.")


@app.command()
def dns(
    config: Annotated[Path | None, typer.Option(help="An agent.toml; its \\[dns] is read.")] = None,
    source: Annotated[str, typer.Option(help='A folder, a store\'s URL, or "kubernetes".')] = "",
    kubeconfig: Annotated[str, typer.Option(help="How the API server is reached; in a pod: by itself.")] = "",
    node: Annotated[str, typer.Option(help="This node's name.")] = "",
    zone: Annotated[str, typer.Option(help="The cluster's domain.")] = "",
    listen: Annotated[
        list[str] | None, typer.Option(help="An address to answer at; again for several.")
    ] = None,
    port: Annotated[int, typer.Option(help="0: 53.", min=0, max=65535)] = 0,
    upstream: Annotated[
        list[str] | None, typer.Option(help="Who is asked for other names; by default resolv.conf's.")
    ] = None,
    ttl: Annotated[int, typer.Option(help="Of our records, in seconds; -1: 5.", min=-1, max=3600)] = -1,
    workers: Annotated[int, typer.Option(help="Processes that answer; 0: 1.", min=0, max=64)] = 0,
    metrics: Annotated[str, typer.Option(help="ADDRESS:PORT of /metrics.")] = "",
    socket: Annotated[Path | None, typer.Option(help="Where `podwire service` asks.")] = None,
    v: Annotated[int, typer.Option("--v", help="How much is logged.")] = 0,
) -> None:
    """Answer until SIGTERM."""
    from podwire.agent.settings import Settings, read_chosen_settings
    from podwire.agent.standalone import DNS_SOCKET, run_services
    from podwire.commands.logs import log_to_stderr
    from service_proxy.settings import DnsSettings

    base = read_chosen_settings(config) if config is not None else Settings()
    given: JsonObject = {
        "source": source or ("kubernetes" if kubeconfig else ""),
        "kubeconfig": kubeconfig,
        "node": node,
        "zone": zone,
        "addresses": listen,
        "port": port,
        "upstreams": upstream,
        "workers": workers,
        "metrics": metrics,
    }
    chosen = base.dns.model_dump(mode="json") | {key: value for key, value in given.items() if value}
    if ttl >= 0:
        chosen["ttl"] = ttl
    log_to_stderr(v)
    proxy = base.proxy.model_copy(update={"enabled": False, "healthz": "", "metrics": ""})
    run_services(proxy, validate(DnsSettings, chosen | {"enabled": True}), socket or DNS_SOCKET)

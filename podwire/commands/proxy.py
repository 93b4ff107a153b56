"""`podwire proxy`: the service proxy by itself, in kube-proxy's place: its flags, its configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from cni_spec.config import validate
from cni_spec.errors import INVALID_CONFIG, IO_FAILURE, CniError
from cni_spec.json_input import JsonObject
from podwire.commands.printing import say

app = typer.Typer(help="Serve services on this node, without the agent: what kube-proxy does.")

LISTENS = {"healthz": "0.0.0.0:10256", "metrics": "127.0.0.1:10249"}  # kube-proxy's defaults

MODE = "nftables"
# as strconv.ParseBool has them, in lower case
GO_BOOLEANS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


class GoFlags(TyperCommand):
    """Flags as Go's programs take them: `--cleanup=true` is `--cleanup`, and `=false` is none."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the words of a command line."""
        flags = {name for one in self.params if getattr(one, "is_flag", False) for name in one.opts}
        words = []
        for word in args:
            name, equals, value = word.partition("=")
            if not (equals and name in flags and value.lower() in GO_BOOLEANS):
                words.append(word)
            elif GO_BOOLEANS[value.lower()]:
                words.append(name)
        return super().parse_args(ctx, words)


@app.command(cls=GoFlags, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def proxy(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="kube-proxy's KubeProxyConfiguration, or an agent.toml with \\[proxy]."),
    ] = None,
    source: Annotated[str, typer.Option(help='A folder, a store\'s URL, or "kubernetes".')] = "",
    kubeconfig: Annotated[str, typer.Option(help="How the API server is reached; in a pod: by itself.")] = "",
    master: Annotated[str, typer.Option(help="The API server's URL, instead of kubeconfig's.")] = "",
    hostname_override: Annotated[str, typer.Option(help="This node's name.")] = "",
    cluster_cidr: Annotated[str, typer.Option(help="The cluster's pods, with commas between.")] = "",
    nodeport_addresses: Annotated[
        str, typer.Option(help='Where NodePorts are: ranges, "primary", "localhost", "all".')
    ] = "",
    masquerade_all: Annotated[bool, typer.Option("--masquerade-all", help="Every client's packets.")] = False,
    healthz_bind_address: Annotated[str, typer.Option(help="Of /healthz and /livez.")] = "",
    metrics_bind_address: Annotated[str, typer.Option(help="Of /metrics, /proxyMode, /configz.")] = "",
    proxy_mode: Annotated[str, typer.Option(help="Taken, as kube-proxy takes it; nftables it is.")] = "",
    cleanup: Annotated[
        bool, typer.Option("--cleanup", help="Take away our table and what kube-proxy left, and end.")
    ] = False,
    socket: Annotated[Path | None, typer.Option(help="Where `podwire service` asks.")] = None,
    v: Annotated[int, typer.Option("--v", help="How much is logged: 2 and more tell of each sync.")] = 0,
) -> None:
    """Serve until SIGTERM; what is in the kernel stays, and connections go on."""
    if cleanup:
        _clean_up()
        return
    for word in context.args:
        if word.startswith("-"):
            say(f"{word.partition('=')[0]}: no such flag is known here; it is ignored")
    settings, mode = _read(config) if config is not None else (dict(LISTENS), "")
    if not source and (kubeconfig or master or settings.get("kubeconfig")):
        source = "kubernetes"
    given: JsonObject = {
        "source": source,
        "kubeconfig": kubeconfig,
        "api_server": master,
        "node": hostname_override,
        "pods": _words(cluster_cidr),
        "nodeport_addresses": _words(nodeport_addresses),
        "masquerade_all": masquerade_all,
        "healthz": healthz_bind_address,
        "metrics": metrics_bind_address,
    }
    settings |= {key: value for key, value in given.items() if value}
    if (proxy_mode or mode) not in ("", MODE):
        say(f"mode {proxy_mode or mode}: its services are served by nftables")
    _run(settings, v, socket)


def _run(settings: JsonObject, verbosity: int, socket: Path | None) -> None:
    from podwire.agent.standalone import SOCKET, run_services
    from podwire.commands.logs import log_to_stderr
    from service_proxy.settings import DnsSettings, ProxySettings

    log_to_stderr(verbosity)
    run_services(validate(ProxySettings, settings | {"enabled": True}), DnsSettings(), socket or SOCKET)


def _read(path: Path) -> tuple[JsonObject, str]:
    """Return what a configuration file says as [proxy] does, and kube-proxy's mode."""
    if path.suffix == ".toml":
        from podwire.agent.settings import read_chosen_settings

        return read_chosen_settings(path).proxy.model_dump(mode="json"), ""
    import yaml

    from service_proxy.kube_proxy_config import BadConfiguration, read_configuration

    try:
        body = yaml.safe_load(path.read_text())
        reading = read_configuration(body if isinstance(body, dict) else {})
    except OSError as error:
        raise CniError(IO_FAILURE, f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise CniError(INVALID_CONFIG, f"{path}: {' '.join(str(error).split())}") from error
    except BadConfiguration as error:
        raise CniError(INVALID_CONFIG, f"{path}: {error}") from error
    for note in reading.notes:
        say(f"{path}: {note}")
    return reading.settings | {"source": "kubernetes"}, reading.mode


def _clean_up() -> None:
    from linuxnet.kube_proxy_leftovers import remove_leftovers
    from linuxnet.local_addresses import remove_all_local
    from linuxnet.service_table import ServiceTable

    table = ServiceTable()
    try:
        table.remove()
    finally:
        table.close()
    remove_all_local()
    for line in remove_leftovers():
        say(f"removed {line}")


def _words(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]

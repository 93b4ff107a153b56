"""`podwire service`: what is served on this node, who answers, where, how much; objects written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, CniError
from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table, say
from podwire.commands.services_asking import SocketOption, ask_services

if TYPE_CHECKING:
    from service_proxy.editing import Editor

app = typer.Typer(help="Services: who answers, where, how much.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="[NAMESPACE/]NAME", help="A service.")]
SourceOption = Annotated[
    str, typer.Option("--source", help="A folder or a store's URL; by default the agent's \\[proxy] source.")
]


@app.command("list")
def list_services(
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Of this namespace only.")] = "",
    socket: SocketOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the services that this node knows."""
    found = ask_services(socket, "list")
    found = [one for one in found if namespace in ("", one["namespace"])]
    if output is Output.JSON:
        print_json(found)
        return
    print_table(
        ("NAMESPACE", "NAME", "TYPE", "ADDRESSES", "PORTS", "ENDPOINTS"),
        [
            (
                one["namespace"], one["name"], one["type"],
                " ".join(one["addresses"]) or one["external_name"],
                " ".join(map(_port, one["ports"])), f"{one['ready']} of {one['endpoints']}",
            )
            for one in found
        ],
    )  # fmt: skip


@app.command()
def show(name: NameArgument, socket: SocketOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show one service: its front ends and what they had, its back ends and what they have."""
    body = ask_services(socket, "show", name)
    if output is Output.JSON:
        print_json(body)
        return
    print_table(("WHAT", "VALUE"), _facts(body))
    print_table(
        ("REACHED BY", "ADDRESS", "PORT", "CONNECTIONS"),
        [
            (one["reach"].replace("_", " "), one["address"] or f"every node, IPv{one['family']}",
             f"{one['port']}/{one['protocol']}", str(one["connections"]))
            for one in body["front_ends"]
        ],
    )  # fmt: skip
    print_table(
        ("PORT", "BACK END", "POD", "NODE", "CONDITION", "SHARE", "FLOWS"),
        [
            (one["port"], _target(one), one["pod"], one["node"], one["condition"],
             f"{100 * one['share']:.1f} %", str(one["flows"]))
            for one in body["back_ends"]
        ],
    )  # fmt: skip
    for line in body["conditions"]:
        say(line)


@app.command()
def status(socket: SocketOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show how services are served on this node, and what is wrong; status 1 if they are not."""
    body = ask_services(socket, "status")
    if output is Output.JSON:
        print_json(body)
    else:
        print_table(("WHAT", "VALUE"), _status(body))
        rows = [(one["name"], one["about"], one["message"]) for one in body["conditions"]]
        print_table(("CONDITION", "ABOUT", "MESSAGE"), rows)
    if not body["complete"]:
        raise typer.Exit(1)


@app.command()
def apply(
    file: Annotated[Path, typer.Option("--file", "-f", help="Objects in YAML or JSON; - is stdin.")],
    source: SourceOption = "",
) -> None:
    """Write objects where this node reads its services: a folder or a store."""
    from cluster_store.store import StoreRefused
    from service_proxy.editing import name_of, read_objects

    text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        objects = read_objects(text)
    except StoreRefused as error:
        raise CniError(INVALID_CONFIG, f"{file}: {error}") from error
    if not objects:
        raise CniError(INVALID_CONFIG, f"{file}: there is no object in it")
    editor = _editor(source)
    for kind, item in objects:
        editor.put(kind, item)
        say(f"{name_of(kind, item)} written")


@app.command()
def delete(
    name: NameArgument,
    kind: Annotated[str, typer.Option("--kind", help="What it is, if no Service.")] = "Service",
    source: SourceOption = "",
) -> None:
    """Remove an object that `apply` has written."""
    from service_proxy.sources.identity import Unnamed, key_of, kind_of, shown, with_namespace

    namespace, slash, last = name.rpartition("/")
    metadata = {"name": last, "namespace": namespace if slash else "default"}
    item: dict[str, object] = {"kind": kind, "metadata": metadata}
    found = kind_of(item)
    if found is None:
        raise CniError(NOT_AVAILABLE, f"kind {kind!r} is none that services are made of")
    try:
        key = key_of(found, with_namespace(found, item))
    except Unnamed as error:
        raise CniError(INVALID_CONFIG, f"{name!r} names nothing: expected NAME or NAMESPACE/NAME") from error
    if not _editor(source).delete(found, key):
        raise CniError(NOT_AVAILABLE, f"there is no {kind} {name} that `apply` has written")
    say(f"{shown(found, key)} removed")


def _editor(source: str) -> Editor:
    from podwire.agent.settings import read_settings
    from service_proxy.editing import open_editor

    settings = read_settings()
    chosen = settings.proxy if settings.proxy.enabled or not settings.dns.enabled else settings.dns
    return open_editor(chosen.model_copy(update={"source": source}) if source else chosen)


def _port(port: dict[str, Any]) -> str:
    node_port = f":{port['node_port']}" if port["node_port"] else ""
    return f"{port['port']}{node_port}/{port['protocol']}"


def _target(one: dict[str, Any]) -> str:
    host = f"[{one['address']}]" if ":" in one["address"] else one["address"]
    return f"{host}:{one['target']}"


def _facts(body: dict[str, Any]) -> list[tuple[str, str]]:
    policies = f"inside {body['internal_policy']}, outside {body['external_policy']}"
    facts = [
        ("service", f"{body['namespace']}/{body['name']}"), ("type", body["type"]),
        ("addresses", " ".join(body["addresses"]) or "-"), ("ports", " ".join(map(_port, body["ports"]))),
        ("chosen by", body["algorithm"]), ("policies", policies),
    ]  # fmt: skip
    if body["affinity"]:
        facts.append(("clients stay for", f"{body['affinity']} s"))
    return [*facts, ("leads to", body["external_name"])] if body["external_name"] else facts


def _status(body: dict[str, Any]) -> list[tuple[str, str]]:
    written = _yes(body["synced"]) if body["programs"] else "nothing: DNS alone is served"
    facts = [("node", body["node"]), ("source", body["source"]), ("in the kernel", written)]
    facts += [("services", str(body["services"])), ("endpoints", str(body["endpoints"]))]
    if body["waiting_for"]:
        facts.append(("waiting for", " ".join(body["waiting_for"])))
    for name, key in (("p50", "p50"), ("p99", "p99")):
        if (seconds := body["programming"][key]) is not None:
            facts.append((f"a change takes, {name}", f"{seconds * 1000:.3g} ms"))
    if body["dns"]:
        facts.append(("DNS at", " ".join(body["dns"]["addresses"])))
    return facts


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"

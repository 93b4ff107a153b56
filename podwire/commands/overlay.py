"""`podwire overlay`: the network of many nodes: how this node stands, its peers, everybody's leases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, TRY_AGAIN_LATER, CniError
from podwire.agent.client import socket_path
from podwire.commands.agent import SocketOption
from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table, say

if TYPE_CHECKING:
    from overlay.key_value import KeyValueRegistry
    from overlay.record import NodeRecord
    from overlay.registry import Registry

NAMED = "[overlay] registry in /etc/podwire/agent.toml names one"

app = typer.Typer(help="The pod network of many nodes: leases, peers, tunnels.", no_args_is_help=True)

KeyArgument = Annotated[str, typer.Argument(metavar="LEASE", help="A lease's key, as `leases` shows it.")]


@app.command()
def status(socket: SocketOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show how this node stands: lease, tunnels, peers, and what is wrong; status 1 if pods cannot come."""
    body = _ask(socket, "status")
    if output is Output.JSON:
        print_json(body)
    else:
        _print_status(body)
    if not body["ready"]:
        raise typer.Exit(1)


@app.command()
def peers(socket: SocketOption = None, output: OutputOption = Output.TABLE) -> None:
    """List the other nodes: their subnets, how they are reached, how fast they answer."""
    found = _ask(socket, "peers")
    if output is Output.JSON:
        print_json(found)
        return
    print_table(
        ("NODE", "SUBNETS", "ADDRESS", "STATE", "MODE", "MTU", "RTT ms", "LOST", "MESSAGE"),
        [
            (
                one["node"] or "-", " ".join(one["subnets"]), " ".join(one["public"]), one["state"],
                one.get("mode", ""), str(one.get("mtu", "")), _milliseconds(one.get("rtt")), _lost(one),
                one.get("message", ""),
            )
            for one in found
        ],
    )  # fmt: skip


@app.command()
def probe(
    node: Annotated[str, typer.Argument(help="A node's name, lease or address.")],
    socket: SocketOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Ask a node through the tunnel, small and full-size packets; status 1 if it does not answer."""
    found = _ask(socket, "probe", node)
    if output is Output.JSON:
        print_json(found)
    elif not found:
        say(f"no peer that can be asked is called {node!r}; `podwire overlay peers` lists them")
    else:
        print_table(("LEASE", "ADDRESS", "ANSWERS", "RTT ms", "PATH MTU"), map(_probed, found))
    if not found or not all(one["answered"] for one in found):
        raise typer.Exit(1)


@app.command()
def resync(socket: SocketOption = None) -> None:
    """Have the agent compare the kernel with what should be, now."""
    _ask(socket, "resync")


@app.command()
def leave(
    force: Annotated[bool, typer.Option("--force", help="Although pods live here.")] = False,
    socket: SocketOption = None,
) -> None:
    """Take this node out of the network: its lease is given back, tunnels and routes are removed."""
    _ask(socket, "leave", "force" if force else "")


@app.command()
def leases(output: OutputOption = Output.TABLE) -> None:
    """List all leases of the network, from the registry itself."""
    registry = _registry()
    try:
        found = registry.nodes()
    finally:
        registry.close()
    rows = [_lease(one) for one in found.records]
    if output is Output.JSON:
        print_json(rows + [{"lease": one.key, "refused": one.reason} for one in found.refused])
        return
    headings = ("LEASE", "NODE", "ADDRESS", "MODES", "ALIVE")
    print_table(headings, [tuple(str(value or "-") for value in row.values()) for row in rows])
    for one in found.refused:
        say(f"{one.key} cannot be used: {one.reason}")


@app.command()
def release(
    key: KeyArgument,
    force: Annotated[bool, typer.Option("--force", help="Even if its node lives.")] = False,
) -> None:
    """Give a lease back, of a node that will not return: its subnet is free for another."""
    registry = _keyed()
    try:
        registry.release(key, force=force)
    finally:
        registry.close()


@app.command()
def reserve(
    subnet: Annotated[str, typer.Argument(help="A subnet no node shall have, as 10.244.7.0/24.")],
    reason: Annotated[str, typer.Option("--reason", help="For who asks why.")] = "",
) -> None:
    """Keep a subnet from every node, flannel's as well."""
    from overlay.subnet import parse_subnet

    try:
        wanted = parse_subnet(subnet)
    except ValueError as error:
        raise CniError(INVALID_CONFIG, str(error)) from error
    registry = _keyed()
    try:
        registry.reserve(wanted, reason)
    finally:
        registry.close()


@app.command()
def configure(
    file: Annotated[Path, typer.Argument(help="net-conf.json, as flannel has it.")],
    replace: Annotated[bool, typer.Option("--replace", help="Where there is one: nodes follow.")] = False,
) -> None:
    """Write the network's configuration into the registry."""
    registry = _keyed()
    try:
        registry.configure(file.read_text(), replace=replace)
    finally:
        registry.close()


def _ask(socket: Path | None, ask: str, of: str = "") -> Any:
    """Ask the agent's overlay. Raises CniError: 11 without an agent, 50 without an overlay."""
    from podwire.agent.client import ask as put
    from podwire.agent.protocol import NOT_SERVED, OVERLAY, ProtocolError, Request

    path = socket or socket_path()
    question = json.dumps({"ask": ask, "of": of}).encode()
    try:
        reply = put(path, Request(OVERLAY, {}, question), timeout=10)
    except (OSError, ProtocolError) as error:
        said = f"no agent answers at {path}; start podwire-agent.service or `podwire agent`"
        raise CniError(TRY_AGAIN_LATER, said, str(error)) from error
    if reply.status == NOT_SERVED:
        raise CniError(
            NOT_AVAILABLE,
            f"this agent has no overlay; {NAMED}",
        )
    body = json.loads(reply.stdout)
    if reply.status:
        raise CniError(int(body["code"]), str(body["msg"]), str(body.get("details", "")))
    return body


def _registry() -> Registry:
    """Return the registry that agent.toml names. Raises CniError without one."""
    from overlay.opening import open_registry, read_boot_id
    from podwire.agent.settings import read_settings

    settings = read_settings().overlay
    if not settings.registry:
        raise CniError(NOT_AVAILABLE, f"no registry is configured; {NAMED}")
    return open_registry(settings, read_boot_id())


def _keyed() -> KeyValueRegistry:
    """Return the registry, if leases are given and taken there."""
    from overlay.key_value import KeyValueRegistry

    registry = _registry()
    if not isinstance(registry, KeyValueRegistry):
        raise CniError(INVALID_CONFIG, f"{registry.name}: Kubernetes itself gives and takes subnets")
    return registry


def _lease(record: NodeRecord) -> dict[str, Any]:
    return {
        "lease": record.key,
        "node": record.node,
        "address": " ".join(one for one in (record.public4, record.public6) if one),
        "modes": " ".join(dict.fromkeys(one.mode.value for one in record.offers)),
        "alive": "yes" if record.is_live else "no",
    }


def _print_status(body: dict[str, Any]) -> None:
    facts = [("node", body["node"]), ("ready", "yes" if body["ready"] else "no")]
    print_table(("WHAT", "VALUE"), facts + (_facts(body) if "lease" in body else []))
    conditions = [(one["name"], one["about"], one["message"]) for one in body["conditions"]]
    print_table(("CONDITION", "ABOUT", "MESSAGE"), conditions)


def _facts(body: dict[str, Any]) -> list[tuple[str, str]]:
    underlay = (f"{one} ({link})" for one, link in zip(body["public"], body["uplinks"], strict=True))
    tunnels = (f"{one['name']} (UDP {one['port']}, MTU {one['mtu']})" for one in body["tunnels"])
    peers = (f"{number} {name}" for name, number in body["peers"].items() if number or name == "desired")
    return [
        ("subnets", " ".join(body["subnets"])), ("networks", " ".join(body["networks"])),
        ("underlay", " ".join(underlay)), ("mode", " ".join(body["modes"])),
        ("tunnels", ", ".join(tunnels) or "-"), ("MTU of pods", str(body["mtu"])),
        ("peers", ", ".join(peers)),
    ]  # fmt: skip


def _probed(one: dict[str, Any]) -> tuple[str, ...]:
    answers = "yes" if one["answered"] else "no"
    return one["lease"], one["address"], answers, _milliseconds(one["rtt"]), str(one["mtu"])


def _milliseconds(seconds: float | None) -> str:
    return f"{seconds * 1000:.2f}" if seconds else ""


def _lost(peer: dict[str, Any]) -> str:
    asked, answered = peer.get("asked", 0), peer.get("answered", 0)
    return f"{100 * (asked - answered) // asked} %" if asked else ""

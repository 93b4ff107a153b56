"""`podwire resolve NAME`: what the cluster's DNS says of a name, as a pod would ask, and who says it."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from typing import Annotated

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import typer

from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, TRY_AGAIN_LATER, CniError
from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table
from podwire.commands.services_asking import SocketOption, ask_services

TIMEOUT = 5.0  # seconds, as libresolv

app = typer.Typer(help="Ask the cluster's DNS for a name.")


@app.command()
def resolve(
    name: Annotated[str, typer.Argument(help="A service's name, or any; an address asks for its name.")],
    kind: Annotated[str, typer.Option("--type", "-t", help="A, AAAA, SRV, PTR, ...")] = "",
    server: Annotated[str, typer.Option("--server", help="ADDRESS[:PORT]; by default this node's.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Of the pod that asks.")] = "default",
    zone: Annotated[str, typer.Option("--zone", help="The cluster's domain.")] = "",
    tcp: Annotated[bool, typer.Option("--tcp", help="Ask by TCP.")] = False,
    socket: SocketOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print the answers; status 1 if there is no such name."""
    where, domain = _server(server, zone, socket)
    for asked, wanted in _questions(name, kind, namespace, domain):
        started = time.monotonic()
        answer = _ask(asked, wanted, where, tcp=tcp)
        if answer.rcode() != dns.rcode.NXDOMAIN:
            break
    took = time.monotonic() - started
    body = _body(answer, asked, where, took)
    if output is Output.JSON:
        print_json(body)
    else:
        print_table(("NAME", "TTL", "TYPE", "DATA"), [tuple(map(str, one.values())) for one in _rows(answer)])
        print_table(("WHAT", "VALUE"), [(key, str(value)) for key, value in body.items() if key != "answers"])
    if answer.rcode() != dns.rcode.NOERROR:
        raise typer.Exit(1)


def _server(server: str, zone: str, socket: object) -> tuple[tuple[str, int], str]:
    """Return where to ask, and the cluster's domain."""
    from pathlib import Path

    from service_proxy.dns.forward_settings import read_server

    if server:
        try:
            chosen = read_server(server)
        except ValueError as error:
            raise CniError(INVALID_CONFIG, f"--server: {error}") from error
        return (chosen.address, chosen.port), zone or "cluster.local"
    asked = socket if isinstance(socket, Path) else None
    found = ask_services(asked, "status", suits=lambda body: bool(body["dns"]))["dns"]
    if not found:
        raise CniError(NOT_AVAILABLE, "no DNS is served on this node: [dns] enabled = true, or --server")
    return (str(found["addresses"][0]), int(found["port"])), zone or str(found["zone"])


def _questions(name: str, kind: str, namespace: str, zone: str) -> Iterator[tuple[dns.name.Name, str]]:
    """Yield what a pod's resolver asks, one after the other: its search list, then the name itself."""
    try:
        yield dns.name.from_text(_reversed(name)), kind or "PTR"
    except ValueError:
        searched = [f"{namespace}.svc.{zone}", f"svc.{zone}", zone] if not name.endswith(".") else []
        try:
            for suffix in (*searched, ""):
                yield dns.name.from_text(f"{name.rstrip('.')}.{suffix}"), kind or "A"
        except dns.exception.DNSException as error:
            raise CniError(INVALID_CONFIG, f"{name!r} is no name: {error}") from error


def _reversed(name: str) -> str:
    return ipaddress.ip_address(name).reverse_pointer + "."


def _ask(name: dns.name.Name, kind: str, where: tuple[str, int], *, tcp: bool) -> dns.message.Message:
    try:
        query = dns.message.make_query(name, kind.upper(), use_edns=0)
        if tcp:
            return dns.query.tcp(query, where[0], TIMEOUT, where[1])
        return dns.query.udp_with_fallback(query, where[0], TIMEOUT, where[1])[0]
    except (dns.rdatatype.UnknownRdatatype, ValueError) as error:  # ValueError: TYPE65536
        raise CniError(INVALID_CONFIG, f"--type: there is no type {kind!r}") from error
    except (OSError, dns.exception.DNSException) as error:
        raise CniError(TRY_AGAIN_LATER, f"{where[0]} port {where[1]} does not answer: {error}") from error


def _rows(answer: dns.message.Message) -> list[dict[str, object]]:
    return [
        {
            "name": f"{each.name}",
            "ttl": each.ttl,
            "type": dns.rdatatype.to_text(each.rdtype),
            "data": f"{one}",
        }
        for each in answer.answer
        for one in each
    ]


def _body(
    answer: dns.message.Message, asked: dns.name.Name, where: tuple[str, int], took: float
) -> dict[str, object]:
    is_own = bool(answer.flags & dns.flags.AA)
    return {
        "question": f"{asked}",
        "status": dns.rcode.to_text(answer.rcode()),
        "answers": _rows(answer),
        "said by": "the cluster's zone" if is_own else "another server, or what it said before",
        "server": f"{where[0]} port {where[1]}",
        "milliseconds": round(took * 1000, 2),
    }

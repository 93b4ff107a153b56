"""A host port, from five vantage points: outside, host, loopback, the container itself, another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.case import Case, Json
from conformance.clause import CannotJudge, Kind, Level, clause
from conformance.datapath.promised import HOST, Joined, changes_for, join
from conformance.datapath.roads import open_roads
from conformance.datapath.talking import connect, exchange_datagrams, family_of, told

NOT_IPAM = frozenset({Kind.INTERFACE, Kind.CHAINED})
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
TALKS = {"tcp": connect, "udp": exchange_datagrams}


@dataclass(frozen=True)
class Mapping:
    """One of the port mappings that were asked for."""

    protocol: str
    host_port: int
    container_port: int


@clause(
    "datapath-hostport-outside", Level.DATAPATH, "beyond", "serves a host port to the outside", kinds=NOT_IPAM
)
def from_outside(case: Case) -> None:
    """A host port leads from outside to the container, by TCP and UDP, in both families.

    Promised as `hostport`.
    """
    (one,) = join(case, "hostport")
    _try_all(case, "hostport", one, case.outside.path, HOST, "from outside")


@clause("datapath-hostport-host", Level.DATAPATH, "beyond", "serves a host port to the host", kinds=NOT_IPAM)
def from_the_host(case: Case) -> None:
    """A host port at the host's own address leads to the container for programs on the host too.

    Promised as `hostport`.
    """
    (one,) = join(case, "hostport")
    _try_all(case, "hostport", one, "", HOST, "from the host")


@clause(
    "datapath-hostport-loopback", Level.DATAPATH, "beyond", "serves a host port at 127.0.0.1", kinds=NOT_IPAM
)
def from_loopback(case: Case) -> None:
    """A host port leads to the container at 127.0.0.1 on the host, by TCP and UDP. Promised as `hostport`.

    At ::1 as well where `hostport-loopback6` is promised: the kernel has no translation for it.
    """
    (one,) = join(case, "hostport")
    both = "hostport-loopback6" in case.profile.promises
    at = LOOPBACK if both else {4: LOOPBACK[4]}
    _try_all(case, "hostport", one, "", at, "from the host's loopback")


@clause(
    "datapath-hostport-self", Level.DATAPATH, "beyond", "serves a host port to its container", kinds=NOT_IPAM
)
def from_itself(case: Case) -> None:
    """The container reaches itself by its host port at the host's address. Promised as `hostport`."""
    (one,) = join(case, "hostport")
    _try_all(case, "hostport", one, one.netns, HOST, "from the container itself")


@clause(
    "datapath-hostport-peer",
    Level.DATAPATH,
    "beyond",
    "serves a host port to other containers",
    kinds=NOT_IPAM,
)
def from_a_peer(case: Case) -> None:
    """Another container of the network reaches the first by its host port. Promised as `hostport`."""
    (one,) = join(case, "hostport")
    other = case.attachment()
    case.note("another container of the network", other.netns.path)
    _need_an_interface(case, other.previous)
    open_roads(case)
    _try_all(case, "hostport", one, other.netns.path, HOST, "from another container")


def mappings(case: Case, promise: str) -> Iterator[Mapping]:
    """Return the port mappings that the configuration asks for by a promise."""
    asked: Any = changes_for(case, promise).get("runtimeConfig", {}).get("portMappings", [])
    if not asked:
        raise CannotJudge(f"the promise {promise!r} of the profile has no runtimeConfig.portMappings")
    for one in asked:
        yield Mapping(one.get("protocol", "tcp"), one["hostPort"], one["containerPort"])


def _try_all(case: Case, promise: str, one: Joined, here: str, at: dict[int, str], where: str) -> None:
    for mapping in mappings(case, promise):
        for family in set(one.addresses) & set(at):
            address = at[family]
            shown = f"[{address}]" if family_of(address) == 6 else address
            with told(f"{where} to {shown}:{mapping.host_port}/{mapping.protocol}"):
                talk = TALKS[mapping.protocol]
                seen = talk(here, one.netns, address, at=mapping.container_port, ask=mapping.host_port)
            case.note(f"{where} to {shown}:{mapping.host_port}/{mapping.protocol}", f"seen as {seen}")


def _need_an_interface(case: Case, previous: Json | None) -> None:
    if previous is None:
        raise CannotJudge(f"{case.plugin.type} is no chained plugin: another container has no interface yet")


CLAUSES = (from_outside, from_the_host, from_loopback, from_itself, from_a_peer)

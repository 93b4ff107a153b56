"""What an agent tells the processes that answer, and how: pickled values with their lengths before them.

Both ends are one program in one version, over a pair of sockets that nobody else has: nothing foreign is
ever unpickled.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import NamedTuple

from service_proxy.dns.answers import Answers
from service_proxy.dns.records import ServiceRecords
from service_proxy.dns.resolver import Resolver, Searcher
from service_proxy.dns.zone import Zone, ZoneOptions
from service_proxy.model import Address

LENGTH = 4  # bytes

OpenResolver = Callable[[Zone], tuple[Resolver | None, Searcher | None]]


class Setup(NamedTuple):
    """What a process is told first. `open_resolver` is a function of a module, or a `partial` of one."""

    options: ZoneOptions
    serial: int  # of the zone's SOA
    open_resolver: OpenResolver | None = None  # None: names of others are refused
    linger: float = 0.0  # seconds to go on without an agent, if none listens in its place


class Update(NamedTuple):
    """What has changed. Namespaces and addresses of pods come with True if they are new, False if gone."""

    services: tuple[tuple[bytes, ServiceRecords | None], ...] = ()
    namespaces: tuple[tuple[bytes, bool], ...] = ()
    pods: tuple[tuple[bytes, Address, bool], ...] = ()
    is_anew: bool = False  # namespaces and pods are told again, all of them
    is_complete: bool = False  # with this, everything there is was told once


class Count(NamedTuple):
    """Asks for a `Snapshot`."""


class End(NamedTuple):
    """Ends the process: the agent leaves as it was asked to, and not by an accident."""


Message = Setup | Update | Count | End


def frame(value: object) -> bytes:
    """Return a value as it is sent."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(LENGTH, "big") + body


def frames(buffer: bytearray) -> Iterator[object]:
    """Yield the values that have come whole, and take them out of the buffer."""
    while len(buffer) >= LENGTH:
        end = LENGTH + int.from_bytes(buffer[:LENGTH], "big")
        if len(buffer) < end:
            return
        body = bytes(buffer[LENGTH:end])
        del buffer[:end]
        yield pickle.loads(body)


def apply(update: Update, answers: Answers) -> None:
    """Make answers what they are after an update."""
    if update.is_anew:
        answers.zone.forget_others()
    for key, records in update.services:
        answers.replace_service(key, records)
    for namespace, is_new in update.namespaces:
        answers.zone.count_namespace(namespace, 1 if is_new else -1)
    for namespace, address, is_new in update.pods:
        change = answers.zone.add_pod if is_new else answers.zone.remove_pod
        change(namespace, address)
    answers.forget_denials()
    answers.is_complete |= update.is_complete

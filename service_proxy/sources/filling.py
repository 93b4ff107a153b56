"""The stage in which services get the addresses and ports that no API server gave them (`allocation`).

What cannot be given just now (the registry of what was given is away) waits. The first list waits with it: a
list without some services would take down what runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from service_proxy.catalogue import Changed, Event, Key, Kind, Listed, Value
from service_proxy.model import Service, ServiceCidr, ServiceName

AGAIN = 3  # times: one takes what another gives up, which lets a third have it


class Giver(Protocol):
    """Who gives: `allocation.Allocation`."""

    def fill(self, services: Iterable[Service]) -> Mapping[ServiceName, Service]:
        """Return the services with what they were given; those that must wait are not among them."""

    def vanished(self, names: Iterable[ServiceName]) -> None:
        """Take note of services that are no more."""

    def again(self) -> set[ServiceName]:
        """Return the services that may get now what they could not get when they were filled."""

    def offer(self, cidrs: Iterable[str]) -> None:
        """Take the ranges of all ServiceCIDR objects."""


class Filling:
    """A `Stage`: services go in as they were read, and come out as they are to be."""

    def __init__(self, giver: Giver) -> None:
        self._giver = giver
        self._read: dict[ServiceName, Service] = {}
        self._filled: dict[ServiceName, Service] = {}
        self._waiting: set[ServiceName] = set()
        self._cidrs: dict[Key, tuple[str, ...]] = {}
        self._is_list_due = self._has_listed = False

    def take(self, events: Sequence[Event]) -> list[Event]:
        """Return the events, their services filled."""
        told: list[Event] = []
        gone: list[ServiceName] = []
        for event in events:
            if event.kind is not Kind.SERVICE:
                self._note_range(event)
                told.append(event)
            elif isinstance(event, Listed):
                gone += self._read.keys() - event.items.keys()
                self._read = {}
                for value in event.items.values():
                    self._note(value)
                self._is_list_due = True
            elif event.value is None:
                gone.append(_name(event.key))
            else:
                self._note(event.value)
        return told + self._told(gone)

    def _note_range(self, event: Event) -> None:
        if event.kind is not Kind.SERVICE_CIDR:
            return
        found = dict(self._cidrs)
        if isinstance(event, Listed):
            found = {key: value.cidrs for key, value in event.items.items() if isinstance(value, ServiceCidr)}
        elif isinstance(event.value, ServiceCidr):
            found[event.key] = event.value.cidrs
        else:
            found.pop(event.key, None)
        if found != self._cidrs:
            self._cidrs = found
            self._giver.offer([cidr for cidrs in found.values() for cidr in cidrs])

    def _note(self, value: Value) -> None:
        assert isinstance(value, Service)
        self._read[value.name] = value
        self._waiting.add(value.name)

    def _told(self, gone: Sequence[ServiceName]) -> list[Event]:
        """Give what is wanted, and tell what has become of it."""
        lost = [name for name in gone if self._filled.pop(name, None) is not None or name in self._read]
        for name in gone:
            self._read.pop(name, None)
            self._waiting.discard(name)
        if gone:
            self._giver.vanished(gone)
        found = self._fill()
        if self._is_list_due:
            if not self._has_listed and not self._read.keys() <= self._filled.keys():
                return []
            self._is_list_due, self._has_listed = False, True
            items: dict[Key, Value] = {}
            for name, service in self._filled.items():
                items[name] = service
            return [Listed(Kind.SERVICE, items)]
        changes = [Changed(Kind.SERVICE, name, service) for name, service in found.items()]
        return [*(Changed(Kind.SERVICE, name, None) for name in lost), *changes]

    def _fill(self) -> dict[ServiceName, Service]:
        """Give what is wanted; and what others wait for, if it has become free by that."""
        found: dict[ServiceName, Service] = {}
        for _ in range(AGAIN):
            self._waiting |= self._giver.again() & self._read.keys()
            if not self._waiting:
                break
            given = self._giver.fill([self._read[name] for name in self._waiting])
            self._waiting -= given.keys()
            found |= given
            if self._waiting:  # who gives cannot just now
                break
        self._filled.update(found)
        return found


def _name(key: Key) -> ServiceName:
    assert isinstance(key, ServiceName)
    return key

"""The stage in which services get the addresses and ports that no API server gave them (`allocation`).

What cannot be given just now (the registry of what was given is away) waits. The first list waits with it: a
list without some services would take down what runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from service_proxy.catalogue import Changed, Event, Key, Kind, Listed, Value
from service_proxy.model import Service, ServiceName


class Giver(Protocol):
    """Who gives: `allocation.Allocation`."""

    def fill(self, services: Iterable[Service]) -> Mapping[ServiceName, Service]:
        """Return the services with what they were given; those that must wait are not among them."""

    def vanished(self, names: Iterable[ServiceName]) -> None:
        """Take note of services that are no more."""


class Filling:
    """A `Stage`: services go in as they were read, and come out as they are to be."""

    def __init__(self, giver: Giver) -> None:
        self._giver = giver
        self._read: dict[ServiceName, Service] = {}
        self._filled: dict[ServiceName, Service] = {}
        self._waiting: set[ServiceName] = set()
        self._is_list_due = self._has_listed = False

    def take(self, events: Sequence[Event]) -> list[Event]:
        """Return the events, their services filled."""
        told: list[Event] = []
        gone: list[ServiceName] = []
        for event in events:
            if event.kind is not Kind.SERVICE:
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
        found = self._giver.fill([self._read[name] for name in self._waiting]) if self._waiting else {}
        self._waiting -= found.keys()
        self._filled.update(found)
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


def _name(key: Key) -> ServiceName:
    assert isinstance(key, ServiceName)
    return key

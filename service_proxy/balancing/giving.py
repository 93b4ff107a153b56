"""Which services of an API server are due another address of our pools. Pure.

A service's own status is the record of what it has; `allotment` decides by it as by a registry's claims. Of
two services with one address the older keeps it. What some other controller has given is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from linuxnet.packed import family_of, text_of
from service_proxy.allotment import Allotter, is_ours
from service_proxy.claims import Book, Claim
from service_proxy.model import Address, Service, ServiceName, ServiceType
from service_proxy.ranges import VIP, Ranges

Given = Mapping[ServiceName, tuple[Address, ...]]


class Due(NamedTuple):
    """What is to be in a service's status; () for nothing any more."""

    name: ServiceName
    addresses: tuple[Address, ...]


class Giving(NamedTuple):
    """What is to be done, and what cannot be."""

    due: tuple[Due, ...]
    troubles: Mapping[ServiceName, str]


def is_concerned(service: Service) -> bool:
    """Tell whether a service has, or should have, an address of a load balancer."""
    return service.type is ServiceType.LOAD_BALANCER or bool(service.load_balancer_ips)


def decide(services: Iterable[Service], reserved: Given, ranges: Ranges) -> Giving:
    """Return which services are due something else than they have.

    `reserved`: what was given to whom and may not have come back to us yet.
    """
    oldest_first = sorted(services, key=lambda one: (is_ours(one), one.created, one.name))
    allotter = Allotter(ranges, _book(oldest_first, reserved))
    due, troubles = [], {}
    for service in oldest_first:
        has = service.load_balancer_ips
        if not all(is_pooled(one, ranges) for one in has):
            continue
        if service.type is not ServiceType.LOAD_BALANCER and has:
            due.append(Due(service.name, ()))
        if not is_ours(service):
            continue
        found = allotter.allot(replace(service, load_balancer_ips=()))
        wanted = found.service.load_balancer_ips
        if found.troubles:
            troubles[service.name] = "; ".join(found.troubles)
        if wanted and set(wanted) != set(has):
            due.append(Due(service.name, wanted))
    return Giving(tuple(due), troubles)


def is_pooled(address: Address, ranges: Ranges) -> bool:
    """Tell whether an address is of one of the pools."""
    number, version = int.from_bytes(address, "big"), family_of(address)
    return any(family == version and number in numbers for family, numbers in ranges.pooled)


def _book(services: Iterable[Service], reserved: Given) -> Book:
    """Return who has what: other controllers' services first, then by age."""
    book = Book()
    for service in services:
        for address in (*service.load_balancer_ips, *reserved.get(service.name, ())):
            thing = f"{VIP}/{text_of(address)}"
            if thing not in book.things:
                book.note(Claim(thing, str(service.name)))
    return book

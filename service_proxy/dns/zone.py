"""All that the cluster's zone is made of, kept by the names that are asked for.

A service is replaced whole, and touches nothing but its own names. What is at a name is found when it is
asked for (`lookup`): most names of a hundred thousand endpoints never are.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeVar

from service_proxy.dns.names import domain
from service_proxy.dns.records import ServiceRecords
from service_proxy.model import Address

Key = TypeVar("Key")


class PodNames(Enum):
    """Whether `1-2-3-4.NAMESPACE.pod` is answered."""

    DISABLED = "disabled"
    INSECURE = "insecure"  # for every address
    VERIFIED = "verified"  # for those of pods of the namespace


class ZoneOptions(NamedTuple):
    """What may be chosen; `[dns]` of the agent's settings."""

    zone: str = "cluster.local"
    ttl: int = 5  # seconds. CoreDNS' own default; its manifests say 30, to spare a server that is a hop away.
    # Here an answer costs microseconds on the client's own node, and a kept one leads to pods that are gone
    pods: PodNames = PodNames.INSECURE
    server_addresses: tuple[Address, ...] = ()  # of ns.dns.ZONE; (): there is no NS record
    patience: float = 5.0  # seconds that questions wait for the first snapshot; CoreDNS' startup_timeout
    prefers_near: bool = False  # headless: endpoints of this node, then of this zone, before others


DEFAULTS = ZoneOptions()


class Zone:
    """The zone. Keys and namespaces are labels in wire form, in lower case."""

    def __init__(self, options: ZoneOptions = DEFAULTS) -> None:
        """Begin empty.

        Raises:
            ValueError: the zone's name is none.
        """
        origin = domain(options.zone)
        if origin is None:
            raise ValueError(f"{options.zone[:80]} cannot be a zone: it is no domain name")
        self.options = options
        self.origin = origin
        self.services_end = b"\x03svc" + origin
        self.pods_end = b"\x03pod" + origin
        self.services: dict[bytes, ServiceRecords] = {}
        self._at: dict[
            Address, bytes | tuple[bytes, ...]
        ] = {}  # keys of the services that have it; mostly one
        self._namespaces: dict[bytes, int] = {}  # how many say that it exists
        self._pods: dict[Address, tuple[bytes, ...]] = {}  # namespaces of the pods that have it, mostly one

    def replace_service(self, key: bytes, records: ServiceRecords | None) -> frozenset[Address]:
        """Take what is now said of a service, None if nothing; return all addresses it had and has."""
        before = self.services.pop(key, None)
        old, new = addresses_of(before), addresses_of(records)
        if before is not None:
            _count(self._namespaces, namespace_of(key), -1)
        if records is not None:
            self.services[key] = records
            _count(self._namespaces, namespace_of(key), 1)
        for address in old - new:
            self._set_keys(address, tuple(one for one in self.keys_at(address) if one != key))
        for address in new - old:
            self._set_keys(address, (*self.keys_at(address), key))
        return old | new

    def count_namespace(self, namespace: bytes, number: int) -> None:
        """Say that a namespace exists (1) or no longer does (-1), whether it has services or not."""
        _count(self._namespaces, namespace, number)

    def add_pod(self, namespace: bytes, address: Address) -> None:
        """Say that a pod has an address."""
        self._pods[address] = (*self._pods.get(address, ()), namespace)

    def remove_pod(self, namespace: bytes, address: Address) -> None:
        """Say that a pod no longer has an address; another may have it already."""
        left = list(self._pods.pop(address, ()))
        if namespace in left:
            left.remove(namespace)
        if left:
            self._pods[address] = tuple(left)

    def forget_others(self) -> None:
        """Forget pods and namespaces, but for those that have services: they are all told again."""
        self._pods.clear()
        self._namespaces.clear()
        for key in self.services:
            _count(self._namespaces, namespace_of(key), 1)

    def has_namespace(self, namespace: bytes) -> bool:
        """Tell whether a namespace exists."""
        return namespace in self._namespaces

    def has_pod(self, namespace: bytes, address: Address) -> bool:
        """Tell whether some pod of the namespace has the address."""
        return namespace in self._pods.get(address, ())

    def namespace_at(self, address: Address) -> bytes | None:
        """Return the namespace of the pod that has an address; None where none has, or pods of two."""
        namespaces = set(self._pods.get(address, ()))
        return namespaces.pop() if len(namespaces) == 1 else None

    def keys_at(self, address: Address) -> tuple[bytes, ...]:
        """Return the keys of the services that have an address, of their own or of an endpoint."""
        keys = self._at.get(address, ())
        return keys if isinstance(keys, tuple) else (keys,)

    def _set_keys(self, address: Address, keys: tuple[bytes, ...]) -> None:
        if keys:
            self._at[address] = keys[0] if len(keys) == 1 else keys
        else:
            self._at.pop(address, None)


def addresses_of(records: ServiceRecords | None) -> frozenset[Address]:
    """Return a service's addresses and those of its endpoints."""
    if records is None:
        return frozenset()
    return frozenset(records.addresses).union(*(group.addresses() for group in records.groups))


def namespace_of(key: bytes) -> bytes:
    """Return a service's second label."""
    return key[key[0] + 1 :]


def _count(counts: dict[Key, int], key: Key, number: int) -> None:
    counts[key] = counts.get(key, 0) + number
    if counts[key] <= 0:
        del counts[key]

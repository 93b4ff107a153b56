"""Endpoints as values, and many of them in little memory.

A hundred thousand tuples with an address and a name each are 24 MB; what they say fits in 4. So a slice keeps
its endpoints by columns, and makes each anew for whoever looks: half a microsecond, no garbage that stays.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, overload

Address = bytes  # 4 bytes or 16, as inet_pton(3) gives them
_BETWEEN = "\0"  # pods' names; no name has it


class Hints(NamedTuple):
    """For whom an endpoint is meant, by the controller's choice."""

    zones: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


class Endpoint(NamedTuple):
    """One back end. `node` "" is one that is on no node of the cluster, or whose node nobody told."""

    address: Address
    is_ready: bool = True
    is_serving: bool = True
    is_terminating: bool = False
    node: str = ""
    zone: str = ""
    hostname: str = ""
    pod: str = ""  # targetRef's name where its kind is Pod
    hints: Hints | None = None


_State = tuple[bool, bool, bool, str, str, str]  # of an endpoint, between its address and its pod
_Rest = tuple[_State, Hints | None]


class Endpoints(Sequence[Endpoint]):
    """Endpoints with addresses of one size, at least one; a value, as a tuple of them is."""

    __slots__ = ("_addresses", "_pods", "_rests", "size")

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.size = len(endpoints[0].address)  # bytes of an address
        self._addresses = b"".join([one.address for one in endpoints])
        self._pods = _BETWEEN.join([one.pod for one in endpoints])
        self._rests: tuple[_Rest, ...] = tuple([_kept((one[1:7], one.hints)) for one in endpoints])

    def __len__(self) -> int:
        return len(self._rests)

    def __iter__(self) -> Iterator[Endpoint]:
        addresses = struct.iter_unpack(f"{self.size}s", self._addresses)
        new = tuple.__new__  # as Endpoint itself does, without looking at how it was called
        for (address,), pod, (state, hints) in zip(
            addresses, self._pods.split(_BETWEEN), self._rests, strict=True
        ):
            yield new(Endpoint, (address, *state, pod, hints))

    @overload
    def __getitem__(self, index: int) -> Endpoint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Endpoint]: ...
    def __getitem__(self, index: int | slice) -> Endpoint | Sequence[Endpoint]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Endpoints):
            return NotImplemented
        return self._columns() == other._columns()

    def __hash__(self) -> int:
        return hash(self._columns())

    def __repr__(self) -> str:
        return repr(tuple(self))

    def _columns(self) -> tuple[object, ...]:
        return self.size, self._addresses, self._pods, self._rests


def kept(endpoints: Sequence[Endpoint], size: int) -> Sequence[Endpoint]:
    """Return endpoints as they are to be kept: by columns, if they can be; as a tuple, if not.

    Those whose addresses are not of `size` bytes are left out: the kernel could only refuse them, and all
    that is told it together with them.
    """
    if isinstance(endpoints, Endpoints) and endpoints.size == size:
        return endpoints
    found = tuple([one for one in endpoints if len(one.address) == size])
    return Endpoints(found) if found and not any(_BETWEEN in one.pod for one in found) else found


@lru_cache(4096)
def _kept(rest: _Rest) -> _Rest:
    """Return the one of equal values: a node's endpoints that are well have the same."""
    return rest
